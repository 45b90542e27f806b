"""Magnitude or chance? Networks of two starts, pruned by magnitude and at random; and what their accuracy is worth.

With the recorded start training changes a weight by a small part of what it was at first, so its magnitude tells mostly
its luck. With He's start, in hidden layers of 16 and 8 units, a weight is smaller at first. The recorded network (large
first weights, seed 1) stands beside simple classifiers: always the majority class; ridge regression on the pixels, its
penalty found by leave-one-out cross-validation; the nearest training picture. There are few test pictures, so each test
accuracy has a 95 % interval, Wilson's. Leaves figure/magnitude_vs_random.csv, and draws the costs and those intervals:
figure/magnitude_vs_random.png.

Time on 2 cores: five to ten minutes.
"""

import functools
import os
import sys

import numpy as np

import nn_functions as nn
import nn_main
import pruning
from datasets import files, pictures, user_input
from figure import drawing, results, studies

STARTS = {"large first weights": ("original", nn_main.LAYERS, studies.SEEDS),  # --init, --layers, seeds
          "small first weights": ("he", [16, 8], (1, 2, 3, 4, 5))}
RECORDED = ("large first weights", 1)  # start and seed of the recorded network
STEPS = (0, 8, 16, 24, 32, 39, 48, 56, 64, 72, 80)  # of 5 %, that are measured
COMPARED = (39, 80)  # of the table
NUMBER = 8  # of networks pruned at random, for each that is pruned by magnitude
PENALTIES = 10.0 ** np.arange(-3, 7)  # of ridge regression, of which cross-validation takes one
Z = 1.96  # standard deviations to either side, for 95 %
COLUMNS = ("start", "seed", "method", "random_seed", "step", "degree", "cost", "train_accuracy", "test_accuracy",
           "predicts_one_class", "test_pictures", "first_weight", "change")


# ------------------------------------------------------------------------------------------------ simple classifiers

def ridge(X, Y, X_new, penalty):
    """Ridge regression with an intercept: minimise |w X + b - Y|^2 + penalty |w|^2, in the dual form.

    X, X_new : pictures of shape (n_x, m) and (n_x, k); Y : shape (1, m)
    Returns w X_new + b, of shape (1, k), and the predictions for X by leave-one-out cross-validation, of shape (1, m):
    each picture's by a regression on the others, which the hat matrix H gives at once, Y - (Y - H Y) / (1 - diag H).
    """
    centre, m = X.mean(axis=1, keepdims=True), X.shape[1]
    K = (X - centre).T @ (X - centre)  # (m, m)
    inverse = np.linalg.inv(K + penalty * np.eye(m))
    H = K @ inverse + 1 / m
    predicted = (Y - Y.mean()) @ inverse @ ((X - centre).T @ (X_new - centre)) + Y.mean()
    return predicted, Y - (Y - Y @ H) / (1 - np.diag(H))


def choose_penalties(X, Y):
    """The best of PENALTIES by leave-one-out cross-validation: by mistakes, and by squared error, a dict."""
    left_out = [ridge(X, Y, X[:, :1], penalty)[1] for penalty in PENALTIES]
    return {"mistakes": PENALTIES[np.argmin([((A > 0.5) != Y).sum() for A in left_out])],
            "squared error": PENALTIES[np.argmin([np.square(A - Y).sum() for A in left_out])]}


def nearest(X, Y, X_new):
    """The label of the nearest training picture (Euclidean distance) of each new one; shapes as in `ridge`."""
    distances = np.square(X).sum(axis=0)[:, None] - 2 * X.T @ X_new  # (m, k), less the |X_new|^2, the same for all
    return Y[:, distances.argmin(axis=0)]


def classifiers(data):
    """The rows of the simple classifiers."""
    X, Y, X_test = data.X_train, data.Y_train, data.X_test
    outputs = {f"ridge regression, λ = {penalty:g} by {measure}": [ridge(X, Y, new, penalty)[0] for new in (X, X_test)]
               for measure, penalty in choose_penalties(X, Y).items()}
    outputs["nearest training picture"] = [nearest(X, Y, new) for new in (X, X_test)]
    accuracies = [pictures.majority_class(data), *((method, nn.accuracy(A, Y), nn.accuracy(A_test, data.Y_test))
                                                   for method, (A, A_test) in outputs.items())]
    return [dict(zip(("method", "train_accuracy", "test_accuracy"), found)) for found in accuracies]


def wilson(accuracy, number):
    """The 95 % interval (Wilson's) of an accuracy, both in percent, that was found on so many pictures."""
    p, z2 = accuracy / 100, Z**2 / number
    middle, half = p + z2 / 2, np.sqrt(p * (1 - p) * z2 + z2**2 / 4)
    return 100 * (middle - half) / (1 + z2), 100 * (middle + half) / (1 + z2)


# --------------------------------------------------------------------------------------------------------- the study

def measure_seed(data_file, starts, iterations, steps, number, job):
    """The rows of a start and a seed, or of the simple classifiers; for the arguments see `study`."""
    data, rows = pictures.load_data(data_file), []
    if job["seed"] is None:
        rows = classifiers(data)
    else:
        init, layers, _ = starts[job["start"]]
        start, unpruned = studies.train(data, job["seed"], iterations, init, layers)
        first, change = (np.median(np.abs(W)) for W in (start["W1"], unpruned["W1"] - start["W1"]))
        for random_seed in (None, *range(1, number + 1)):
            random = random_seed and np.random.default_rng([job["seed"], random_seed])
            rows += [{"method": "random" if random else "magnitude", "random_seed": random_seed, "step": step,
                      **studies.measure(data, network)}
                     for step, network in studies.prune(data, unpruned, studies.masks_of(random=random), steps)]
        rows[0].update(first_weight=first, change=change)
    return [{**row, "test_pictures": data.Y_test.size} for row in rows]


def study(data_file, path, starts=STARTS, iterations=nn_main.ITERATIONS, steps=STEPS, number=NUMBER, **how):
    """Train and prune the networks, and the simple classifiers. Returns the rows of the file `path`. Raises InputError.

    starts : see STARTS; iterations : of training; steps, number : see STEPS and NUMBER
    how : see `results.run`
    """
    settings = {"data": files.sha256(data_file), "starts": {name: start[:2] for name, start in starts.items()},
                "iterations": iterations, "percent": pruning.PERCENT, "steps": steps, "number": number}
    jobs = [{"start": name, "seed": seed} for name, (_, _, seeds) in starts.items() for seed in seeds]
    do = functools.partial(measure_seed, data_file, starts, iterations, steps, number)
    return results.run(do, [*jobs, {"start": None, "seed": None}], path, settings, COLUMNS, **how)


# ----------------------------------------------------------------------------------------------- tables and figure

def values(rows, column, **those):
    """The values of a column, an array; those : the values of other columns, such as step=39."""
    return np.array([row[column] for row in rows if those.items() <= row.items()])


def starts_of(rows):
    return list(dict.fromkeys(row["start"] for row in rows if row["start"]))


def worth(rows):
    """The accuracies of the simple classifiers and of the recorded network: from their names to arrays, (runs, 2)."""
    chosen = {row["method"]: {"method": row["method"]} for row in rows if row["start"] is None}
    recorded = dict(zip(("start", "seed", "step"), (*RECORDED, COMPARED[0])))
    chosen["the network, unpruned"] = {**recorded, "step": 0, "method": "magnitude"}
    chosen["pruned by magnitude"] = {**recorded, "method": "magnitude"}
    chosen["pruned at random"] = {**recorded, "method": "random"}
    return {name: np.stack([values(rows, column, **those) for column in ("train_accuracy", "test_accuracy")], axis=1)
            for name, those in chosen.items()}


def first_and_change(rows, start):
    """How large a weight of layer 1 is at first, and how much training changes it: medians of the seeds' medians."""
    first = {"start": start, "method": "magnitude", "step": 0}
    return [np.median(values(rows, column, **first)) for column in ("first_weight", "change")]


def compare(rows, start, step):
    """A row of the table of starts."""
    at, lower, of = {"start": start, "step": step}, 0, 0
    for seed in dict.fromkeys(values(rows, "seed", **at)):
        by_magnitude, at_random = (values(rows, "cost", seed=seed, method=method, **at)
                                   for method in ("magnitude", "random"))
        lower, of = lower + (at_random < by_magnitude).sum(), of + at_random.size
    weights = (f"{median:.4f}" for median in first_and_change(rows, start))
    accuracies = (results.median_and_range(values(rows, "test_accuracy", method=method, **at))
                  for method in ("magnitude", "random"))
    return [start, *weights, f"{values(rows, 'degree', **at)[0]:.1f} %", f"{lower} of {of}", *accuracies]


def report(rows):
    """Print the tables."""
    results.print_table("magnitude_vs_random: starts", results.table(
        ["start", "first weight, median", "its change by training, median", "degree",
         "at random, networks of lower cost", "test accuracy by magnitude", "at random"],
        [compare(rows, start, step) for start in starts_of(rows) for step in COMPARED]))
    number = rows[0]["test_pictures"]
    results.print_table("magnitude_vs_random: worth", results.table(
        ["", "training accuracy", f"test accuracy ({number} pictures)", "its 95 % interval"],
        [[name, *map(results.median_and_range, found.T),
          "{:.0f} to {:.0f} %".format(*wilson(np.median(found[:, 1]), number))]
         for name, found in worth(rows).items()]))


def draw_costs(panels, rows):
    """Draw the costs against the degree, a panel for each start."""
    for axes, start in zip(panels, starts_of(rows)):
        steps = dict.fromkeys(values(rows, "step", start=start))
        left = [100 - values(rows, "degree", start=start, step=step)[0] for step in steps]
        for method, label, colour in (("magnitude", "by magnitude", "C0"), ("random", "at random", "C3")):
            costs = [values(rows, "cost", start=start, method=method, step=step) for step in steps]
            axes.plot(left, [np.median(found) for found in costs], color=colour, linewidth=2, label=label)
            axes.fill_between(left, *np.transpose([(found.min(), found.max()) for found in costs]), color=colour,
                              alpha=0.15, linewidth=0)
        first, change = first_and_change(rows, start)
        axes.set_title(f"{start},\n{first / change:.0f} times their change in training", fontsize=11)
        axes.set_yscale("log")
        drawing.set_degrees(axes, (0, 50, 80, 90, 95, 98), 100 - min(left))
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("cost on the training pictures,\nmedian and range of all seeds")
    panels[-1].legend(loc="best", frameon=False)


def draw(rows, path, show=False):
    """Draw the costs of each start, and the test accuracies of the recorded network and of simple classifiers."""
    figure = drawing.figure(figsize=(9, 7), layout="constrained")
    above, below = figure.subfigures(2, height_ratios=(1.2, 1))
    draw_costs(above.subplots(1, len(starts_of(rows)), sharey=True, squeeze=False)[0], rows)
    axes, number, found = below.subplots(), rows[0]["test_pictures"], worth(rows)
    for place, accuracies in enumerate(found.values()):
        test = accuracies[:, 1]
        axes.plot(wilson(np.median(test), number), (place, place), color="C0", linewidth=2, alpha=0.5)
        axes.plot(test, np.full(len(test), place), "o", color="C0", markersize=5, alpha=0.7)
    axes.set_yticks(range(len(found)), found)
    axes.invert_yaxis()
    axes.set_xlabel(f"accuracy (%) on {number} test pictures, and its 95 % interval; the recorded network")
    axes.grid(alpha=0.3)
    drawing.save_figure(figure, path, show)


@user_input.exit_status
def main(argv=()):
    parser = studies.make_parser(__doc__.splitlines()[0])
    results.add_options(parser)
    options = parser.parse_args(argv)
    path = results.find_file(options, "magnitude_vs_random")
    rows = results.read(path, COLUMNS) if options.draw else study(
        os.path.join(user_input.PROJECT, nn_main.DATA), path, fresh=options.fresh, cluster=options.cluster)
    report(rows)
    draw(rows, f"{options.figures}/magnitude_vs_random.png", options.show)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
