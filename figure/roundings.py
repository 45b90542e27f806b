"""One experiment, a hundred roundings: the recorded run from starts that differ by at most 1e-12 in one bias.

At the original experiment's step sizes and at those used here. Leaves some steps of each run in figure/roundings.csv,
and draws the costs, a line for each run, and the accuracies after the last step: figure/roundings.png.

Time on 2 cores: one to four minutes.
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

# Learning rates of training and retraining, from which follow the iterations of training, and the number of runs.
STEP_SIZES = {"original": (0.035, 4000, 0.05, 90),
              "here": (nn_main.LEARNING_RATE, nn_main.ITERATIONS, pruning.LEARNING_RATE, 10)}
PERTURBATION = 1e-12  # the largest, added to the first bias of layer 1
STEPS = (0, 6, 12, 18, 24, 30, 36, 39)  # that are measured
RISE = 0.02  # of the cost, from one iteration to the next, that counts as a jump
COLUMNS = ("steps", "run", "perturbation", "step", "degree", "cost", "train_accuracy", "test_accuracy",
           "predicts_one_class", "collapsed_at", "highest_of_cars", "rises")


def rises(costs):
    """The iterations after which a cost trace jumps up by more than RISE."""
    return np.flatnonzero(np.diff(costs) > RISE)


def collapse(constant):
    """The step from which a run's networks predict one class to the end, or None; constant : whether each does."""
    if not constant[-1]:
        return None
    return len(constant) - int(np.argmin(np.append(constant[::-1], False)))


def measure_run(data_file, step_sizes, steps, job):
    """The rows of a run from a perturbed start; for the arguments see `study`."""
    data, (rate, iterations, retraining_rate, runs) = pictures.load_data(data_file), step_sizes[job["steps"]]
    perturbation = PERTURBATION * job["run"] / runs
    start = nn.initialize_parameters((len(data.X_train), *nn_main.LAYERS, 1), nn_main.SEED)
    start["b1"][0] += perturbation
    unpruned, costs = nn.gradient_descent(data.X_train, data.Y_train, start, rate, iterations)
    rows, constant = [], []
    for step, network in studies.prune(data, unpruned, studies.masks_of(), range(max(steps) + 1), retraining_rate):
        found = studies.measure(data, network)
        constant.append(found["predicts_one_class"] == 1)
        if step in steps:
            of_cars = nn.predict(data.X_train, network)[data.Y_train == 1].max()
            rows.append({"perturbation": perturbation, "step": step, **found, "highest_of_cars": of_cars})
    return [{**row, "collapsed_at": collapse(constant), "rises": len(rises(costs))} for row in rows]


def study(data_file, path, step_sizes=STEP_SIZES, steps=STEPS, **how):
    """Do the runs. Returns the rows of the file `path`; how : see `results.run`. Raises InputError.

    step_sizes : see STEP_SIZES; steps : those that are measured, with the last one
    """
    settings = {"data": files.sha256(data_file), "step_sizes": step_sizes, "perturbation": PERTURBATION, "steps": steps}
    jobs = [{"steps": name, "run": run} for name, (*_, runs) in step_sizes.items() for run in range(runs)]
    do = functools.partial(measure_run, data_file, step_sizes, steps)
    return results.run(do, jobs, path, settings, COLUMNS, unit="runs", **how)


def report(rows):
    """Print the tables: how the runs of each kind end, and what the collapsed ones learn from a picture of a car.

    At the output the gradient of such a picture is -(1 - A) times A / (A + 1e-5); without the original's 1e-5 it would
    be -(1 - A).
    """
    ends, last = [], max(row["step"] for row in rows)
    for name in dict.fromkeys(row["steps"] for row in rows):
        end = [row for row in rows if (row["steps"], row["step"]) == (name, last)]
        collapsed = [row for row in end if row["collapsed_at"] is not None]
        at = sorted(row["collapsed_at"] for row in collapsed)
        factors = [row["highest_of_cars"] / (row["highest_of_cars"] + 1e-5) for row in collapsed]
        others = [row for row in end if row["collapsed_at"] is None]
        ends.append([name, len(end), end[0]["rises"], len(collapsed),
                     ", ".join(f"{step} ({at.count(step)})" for step in dict.fromkeys(at)),
                     f"{np.median(factors):.0e} (to {max(factors):.0e})" if factors else "",
                     sum(row["train_accuracy"] == 100 for row in others),
                     results.median_and_range([row["test_accuracy"] for row in others]) if others else "",
                     f"{np.ptp([row['cost'] for row in end]):.0e}"])
    results.print_table("roundings: ends", results.table(
        ["steps", "runs", f"rises of the cost by over {RISE} in training", "collapsed", "from step (runs)",
         "gradient of a car then, times that without the 1e-5", "100 % of the training pictures",
         "test accuracy of those not collapsed", "range of the last costs"], ends))


def draw(rows, path, show=False):
    """Draw the costs, a line for each run, and the training accuracies after the last step."""
    names = list(dict.fromkeys(row["steps"] for row in rows))
    last = max(row["step"] for row in rows)
    figure, (costs, ends) = drawing.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    bins, accuracies = np.arange(30, 102.5, 2.5), []
    for name, colour in zip(names, ("C3", "C0")):
        of_kind = [row for row in rows if row["steps"] == name]
        for k, run in enumerate(dict.fromkeys(row["run"] for row in of_kind)):
            line = [(row["step"], row["cost"]) for row in of_kind if row["run"] == run]
            costs.plot(*zip(*line), color=colour, linewidth=0.7, alpha=0.5, label=None if k else f"step sizes: {name}")
        accuracies.append([row["train_accuracy"] for row in of_kind if row["step"] == last])
    ends.hist(accuracies, bins=bins, color=("C3", "C0")[:len(names)], stacked=True)
    costs.set(yscale="log", xlabel="pruning step", ylabel="cost on the training pictures")
    costs.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, frameon=False)
    ends.set(xlabel=f"training accuracy (%) after step {last}", ylabel="runs")
    for axes in (costs, ends):
        axes.grid(alpha=0.3)
    figure.suptitle("The same run from starts that differ by at most 1e-12")
    drawing.save_figure(figure, path, show)


@user_input.exit_status
def main(argv=()):
    parser = studies.make_parser(__doc__.splitlines()[0])
    parser.add_argument("--runs", type=user_input.integer(1, 100_000), default=STEP_SIZES["original"][-1], metavar="N",
                        help="with the original's step sizes")
    results.add_options(parser)
    options = parser.parse_args(argv)
    path = results.find_file(options, "roundings")
    step_sizes = {**STEP_SIZES, "original": (*STEP_SIZES["original"][:-1], options.runs)}
    rows = results.read(path, COLUMNS) if options.draw else study(
        os.path.join(user_input.PROJECT, nn_main.DATA), path, step_sizes, fresh=options.fresh, cluster=options.cluster)
    report(rows)
    draw(rows, f"{options.figures}/roundings.png", options.show)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
