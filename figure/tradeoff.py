"""The trade-off between accuracy and size (the paper's Fig. 5): L1 and L2, with and without retraining, iteratively.

Each seed's network, trained as recorded, is trained for some more iterations with L1 or with L2 (section 3.1). Then it
is pruned, either at once to each of several degrees, or in steps of 5 % with retraining after each. Draws the change of
the accuracy, the median of the seeds and their range: figure/tradeoff.png.

Time on 2 cores: one minute.
"""

import sys

if __name__ == "__main__":
    if not __package__:  # run by its path: the project's modules are in the folder above
        sys.path[0] += "/.."
    # Ctrl-C while the modules below are imported.
    from datasets import ctrl_c
    ctrl_c.end_process()

import functools
import itertools

import numpy as np

import nn_functions as nn
import nn_main
import prun_mask
import pruning
from datasets import files, pictures, user_input
from figure import drawing, studies

PENALTIES = {"L1": {"l1": 0.01}, "L2": {"l2": 0.1}}
MORE_ITERATIONS = 1000  # of training, with the penalty; many more would cost accuracy
DEGREES = (40, 60, 70, 80, 90, 95)  # percent, to which it is pruned at once
STEPS = 60  # of 5 %, of the iterative pruning


def run(data_file, more_iterations, degrees, steps, job):
    """Train a network on with a penalty, and prune it; job : its parameters, and a name in PENALTIES.

    Returns a dict from a method of pruning to an array of shape (points, 3): degree, training and test accuracy.
    """
    parameters, kind = job
    penalty = PENALTIES[kind]
    data = studies.load_data(data_file)
    parameters, _ = nn.gradient_descent(data.X_train, data.Y_train, parameters, nn_main.LEARNING_RATE,
                                        more_iterations, **penalty)

    def measure(network):
        _, *accuracies = nn.evaluate(data, network)
        return prun_mask.degree(network), *accuracies

    def masks_of_degree(degree):
        return lambda step, network: prun_mask.prune_masks(network, degree)

    once = [next(pruning.prune_iteratively(data, parameters, masks_of_degree(degree), **penalty)) for degree in degrees]
    points = {f"{kind}, without retraining": [parameters, *(step.pruned for step in once)],
              f"{kind}, with retraining": [parameters, *(step.parameters for step in once)]}
    if kind == "L2":
        iterative = pruning.prune_iteratively(data, parameters, pruning.recorded_masks, **penalty)
        points["L2, iterative pruning and retraining"] = [
            parameters, *(step.parameters for step in itertools.islice(iterative, steps))]
    return {method: np.array([measure(network) for network in networks]) for method, networks in points.items()}


def accuracy_changes(results, before):
    """What the runs returned, less the accuracies `before`: a dict from a method to an array (seeds, points, 3)."""
    changes = {}
    for points, accuracies in zip(results, before):
        for method, values in points.items():
            changes.setdefault(method, []).append(np.column_stack([values[:, 0], values[:, 1:] - accuracies]))
    return {method: np.array(values) for method, values in changes.items()}


def print_changes(changes, degrees):
    """Print, for the training and for the test pictures, the median of the seeds and their range, as tables."""
    columns = (0, *degrees)
    for k, part in enumerate(("training", "test"), start=1):
        print(f"\n| change of the {part} accuracy | {' | '.join(f'{degree} %' for degree in columns)} |")
        print("| --- |" + " ---: |" * len(columns))
        for method, values in changes.items():
            nearest = [values[:, np.argmin(np.abs(values[0, :, 0] - degree)), k] for degree in columns]
            print(f"| {method} | {' | '.join(studies.median_and_range(change, '{:.1f}', '') for change in nearest)} |")


STYLES = {"L1, without retraining": "C1s:", "L1, with retraining": "C1s-", "L2, without retraining": "C0o:",
          "L2, with retraining": "C0o-", "L2, iterative pruning and retraining": "C2-"}


def draw(changes, path, show=False):
    """Draw how the accuracy changes; changes : what `accuracy_changes` returned."""
    plt = drawing.pyplot(show)
    figure, panels = plt.subplots(1, 2, figsize=(11, 5), sharey=True, layout="constrained")
    for k, (axes, label) in enumerate(zip(panels, ("training", "test")), start=1):
        # Shifted a little, so that the error bars stand side by side.
        for shift, (method, values) in zip((-1.2, 0.4, -0.4, 1.2, 0), changes.items()):
            degrees, change = values[0, :, 0] + shift, values[:, :, k]
            median, lowest, highest = np.median(change, axis=0), change.min(axis=0), change.max(axis=0)
            if "iterative" in method:
                axes.plot(degrees, median, STYLES[method], label=method)
                axes.fill_between(degrees, lowest, highest, color="C2", alpha=0.2, linewidth=0)
            else:
                axes.errorbar(degrees, median, (median - lowest, highest - median), fmt=STYLES[method], markersize=4.5,
                              markerfacecolor="white" if "without" in method else STYLES[method][:2],
                              elinewidth=1, capsize=2.5, label=method)
        axes.axhline(0, color="black", linewidth=0.8)
        axes.set(xlabel="pruning degree (%)", ylabel=f"change of the {label} accuracy (points)", xlim=(-2, 98))
        axes.grid(alpha=0.3)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)
    drawing.save_figure(figure, path, show)


@user_input.exit_status
def main(argv=None, seeds=studies.SEEDS, training_iterations=nn_main.ITERATIONS, more_iterations=MORE_ITERATIONS,
         degrees=DEGREES, steps=STEPS):
    parser = studies.make_parser(__doc__.splitlines()[0])
    studies.add_run_options(parser, "the first N at which training learns anything")
    options = parser.parse_args(argv)
    data = pictures.load_data(options.data)
    files.check_folder(options.figures)

    networks = studies.trained_networks(options.data, options.seeds or seeds, training_iterations,
                                        options.cluster).values()
    before = [nn.evaluate(data, network)[1:] for network in networks]
    jobs = [(network, kind) for kind in PENALTIES for network in networks]  # L1 first, which takes longest
    results = studies.in_parallel(functools.partial(run, options.data, more_iterations, degrees, steps), jobs,
                                  cluster=options.cluster)
    changes = accuracy_changes(results, len(PENALTIES) * before)

    print_changes(changes, degrees)
    draw(changes, f"{options.figures}/tradeoff.png", options.show)
    return 0


if __name__ == "__main__":
    sys.exit(main())
