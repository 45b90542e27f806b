"""What is the accuracy worth? The car network beside simple classifiers, and beside the same network pruned at random.

Prints a table: always the commoner label; ridge regression on the pixels, its λ found by cross-validation on the
training pictures alone; the nearest training picture; and the network unpruned, pruned by magnitude, and pruned at
random. There are few test pictures, so each test accuracy has a 95 % interval, Wilson's; it is drawn, too:
figure/controls.png.

Time on 2 cores: about a minute.
"""

import functools
import os
import sys

import numpy as np

import nn_functions as nn
import nn_main
import pruning
from datasets import files, pictures, record, user_input
from figure import drawing, studies

DRAWS = 8  # at random
LAMBDAS = 10.0 ** np.arange(-3, 7)  # of which cross-validation takes one
Z = 1.96  # standard deviations to either side, for 95 %


def wilson(accuracy, number):
    """The 95 % interval (Wilson's) of an accuracy, both in percent, that was found on so many pictures."""
    p, z2 = accuracy / 100, Z**2 / number
    middle, half = p + z2 / 2, np.sqrt(p * (1 - p) * z2 + z2**2 / 4)
    return 100 * (middle - half) / (1 + z2), 100 * (middle + half) / (1 + z2)


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
    """The one of LAMBDAS that is best by leave-one-out cross-validation: by mistakes, and by squared error, a dict."""
    left_out = [ridge(X, Y, X[:, :1], penalty)[1] for penalty in LAMBDAS]
    return {"mistakes": LAMBDAS[np.argmin([((A > 0.5) != Y).sum() for A in left_out])],
            "squared error": LAMBDAS[np.argmin([np.square(A - Y).sum() for A in left_out])]}


def nearest(X, Y, X_new):
    """The label of the nearest training picture (Euclidean distance) of each new one; shapes as in `ridge`."""
    distances = np.square(X).sum(axis=0)[:, None] - 2 * X.T @ X_new  # (m, k), less the |X_new|^2, the same for all
    return Y[:, distances.argmin(axis=0)]


def measure(data_file, data, before, after, draws=DRAWS, steps=pruning.STEPS, cluster=None):
    """The accuracies of all, in percent: a dict from name to an array of shape (runs, 2), training and test.

    before, after : the network unpruned and pruned by magnitude
    """
    X, Y = data.X_train, data.Y_train
    always, *commoner = pictures.commoner_label(data)
    results = {always: [commoner]}

    def judge(name, predict):  # predict : gives each picture a number, above 0.5 where it is a car
        results[name] = [[nn.accuracy(predict(X), Y), nn.accuracy(predict(data.X_test), data.Y_test)]]

    for measured_by, penalty in choose_penalties(X, Y).items():
        judge(f"ridge regression, λ = {penalty:g} by {measured_by}",
              lambda X_new, penalty=penalty: ridge(X, Y, X_new, penalty)[0])
    judge("nearest training picture", lambda X_new: nearest(X, Y, X_new))
    judge("unpruned network", lambda X_new: nn.predict(X_new, before))
    judge("pruned by magnitude", lambda X_new: nn.predict(X_new, after))
    jobs = [(nn_main.SEED, before, studies.Pruning(steps, draw=number)) for number in range(1, draws + 1)]
    runs = studies.in_parallel(functools.partial(studies.prune, data_file), jobs, "draws", cluster)
    results[f"pruned at random, {draws} draws"] = [run[-1, 2:4] for run in runs]
    return {name: np.array(values) for name, values in results.items()}


def print_table(results, number):
    """Print what `measure` returned; number : of test pictures."""
    print(f"| | training accuracy | test accuracy ({number} pictures) | its 95 % interval |")
    print("| --- | ---: | ---: | ---: |")
    for name, values in results.items():
        cells = [f"{column[0]:.2f} %" if len(column) == 1 else studies.median_and_range(column) for column in values.T]
        low, high = wilson(np.median(values[:, 1]), number)
        print(f"| {name} | {' | '.join(cells)} | {low:.0f} to {high:.0f} % |")


def draw(results, number, path, show=False):
    """Draw the test accuracies with their intervals; arguments as above."""
    plt = drawing.pyplot(show)
    figure, axes = plt.subplots(figsize=(8, 3), layout="constrained")
    for row, values in enumerate(results.values()):
        test = values[:, 1]
        axes.plot(wilson(np.median(test), number), (row, row), color="C0", linewidth=2, alpha=0.5)
        axes.plot(test, np.full(len(test), row), "o", color="C0", markersize=5, alpha=0.7)
    axes.set_yticks(range(len(results)), results)
    axes.invert_yaxis()
    axes.set_xlabel(f"accuracy (%) on {number} test pictures, and its 95 % interval")
    axes.grid(alpha=0.3)
    drawing.save_figure(figure, path, show)


@user_input.exit_status
def main(argv=()):
    parser = studies.make_parser(__doc__.splitlines()[0], "parameters", "pruned")
    studies.add_run_options(parser)
    options = parser.parse_args(argv)
    before, after, _ = record.load_pair(options.parameters, options.pruned, options.data)
    data = pictures.load_data(options.data)
    for note in data.notes:
        print(note)
    files.check_folder(options.figures)
    results = measure(os.path.abspath(options.data), data, before, after, cluster=options.cluster)
    print_table(results, data.Y_test.size)
    draw(results, data.Y_test.size, f"{options.figures}/controls.png", options.show)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
