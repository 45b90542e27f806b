"""The trade-off between accuracy and size (the paper's Fig. 5): L1 and L2, with and without retraining, and iteratively.

Each seed's network, trained as recorded, is trained for some more iterations with L1 or with L2 (section 3.1). Then it
is pruned, either at once to each of several degrees, or in steps of 5 % with retraining after each. Draws what is lost of
the accuracy, the median of the seeds and their range: figure/tradeoff.png. One and a half to two minutes on 2 cores.
"""

import functools
import sys

import numpy as np

import figure
import nn_functions as nn
import nn_main
import prun_mask
import pruning

PENALTIES = {"L1": {"l1": 0.01}, "L2": {"l2": 0.1}}
MORE_ITERATIONS = 1000  # of training, with the penalty: about as far as it goes before the accuracy suffers
DEGREES = (40, 60, 70, 80, 90, 95)  # percent, to which it is pruned at once
STEPS = 60  # of 5 %, of the iterative pruning


def run(data_file, job):
    """Train a network on with a penalty, and prune it.

    Returns a dict from a way of pruning to an array of shape (points, 3): degree, training and test accuracy.
    """
    parameters, kind = job
    penalty = PENALTIES[kind]
    data = X_train, Y_train, _, _ = nn.load_data(data_file)
    gram = nn.GramMatrices(X_train)
    parameters, _ = nn.gradient_descent(X_train, Y_train, parameters, nn_main.LEARNING_RATE, MORE_ITERATIONS, gram=gram,
                                        **penalty)

    def judged(network):
        return prun_mask.degree(network), *pruning.judge(data, network)[1:]

    points = {f"{kind}, without retraining": [judged(parameters)], f"{kind}, with retraining": [judged(parameters)]}
    for degree in DEGREES:
        masks = prun_mask.prune_masks(parameters, degree)
        of_both = pruning.prune_and_retrain(data, parameters, masks, gram=gram, **penalty)
        for way, network in zip(points, of_both):
            points[way].append(judged(network))
    if kind == "L2":
        way = "L2, iterative pruning and retraining"
        points[way] = [judged(parameters)]
        for _ in range(STEPS):
            masks = prun_mask.prune_masks(parameters, pruning.PERCENT)
            _, parameters, _ = pruning.prune_and_retrain(data, parameters, masks, gram=gram, **penalty)
            points[way].append(judged(parameters))
    return {way: np.array(values) for way, values in points.items()}


def changes_of(results, before):
    """What `run` returned, as changes of the accuracies before it: a dict from a way to an array (seeds, points, 3)."""
    changes = {}
    for points, accuracies in zip(results, before):
        for way, values in points.items():
            changes.setdefault(way, []).append(np.column_stack([values[:, 0], values[:, 1:] - accuracies]))
    return {way: np.array(values) for way, values in changes.items()}


def print_changes(changes):
    """Print, for the training and for the test pictures, the median of the seeds and their range, as tables."""
    for k, part in enumerate(("training", "test"), start=1):
        print(f"\n| change of the {part} accuracy | {' | '.join(f'{degree} %' for degree in (0, *DEGREES))} |")
        print("| --- |" + " ---: |" * (1 + len(DEGREES)))
        for way, values in changes.items():
            nearest = [values[:, np.argmin(np.abs(values[0, :, 0] - degree)), k] for degree in (0, *DEGREES)]
            print(f"| {way} | {' | '.join(f'{np.median(at):.1f} ({at.min():.1f} to {at.max():.1f})' for at in nearest)} |")


def draw(changes, path, show=False):
    """Draw how the accuracy changes; changes: a dict from a way to an array of shape (seeds, points, 3), degree and changes."""
    plt = nn.pyplot(show)
    drawing, panels = plt.subplots(1, 2, figsize=(11, 5), layout="constrained")
    styles = {"L1, without retraining": "C1s:", "L1, with retraining": "C1s-", "L2, without retraining": "C0o:",
              "L2, with retraining": "C0o-", "L2, iterative pruning and retraining": "C2-"}
    for k, (axes, label) in enumerate(zip(panels, ("training", "test")), start=1):
        for aside, (way, values) in zip((-0.6, 0.2, -0.2, 0.6, 0), changes.items()):  # so that the bars stand side by side
            degrees, change = values[0, :, 0] + aside, values[:, :, k]
            median, lowest, highest = np.median(change, axis=0), change.min(axis=0), change.max(axis=0)
            if "iterative" in way:
                axes.plot(degrees, median, styles[way], label=way)
                axes.fill_between(degrees, lowest, highest, color="C2", alpha=0.2, linewidth=0)
            else:
                axes.errorbar(degrees, median, (median - lowest, highest - median), fmt=styles[way], markersize=4,
                              elinewidth=0.7, capsize=2, label=way)
        axes.axhline(0, color="black", linewidth=0.8)
        axes.set(xlabel="pruning degree (%)", ylabel=f"change of the {label} accuracy (points)", xlim=(-2, 98))
        axes.grid(alpha=0.3)
    drawing.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)
    nn.save_figure(drawing, path, show)


@nn.exit_status
def main(argv=None):
    options = figure.make_parser(__doc__.splitlines()[0]).parse_args(argv)
    nn.make_folder(options.figures)
    data = nn.load_data(options.data)
    networks = figure.trained_networks(options.data).values()
    before = [pruning.judge(data, network)[1:] for network in networks]
    jobs = [(network, kind) for kind in PENALTIES for network in networks]  # L1 first, which takes longest
    results = figure.in_parallel(functools.partial(run, options.data), jobs)
    changes = changes_of(results, len(PENALTIES) * before)
    print_changes(changes)
    draw(changes, f"{options.figures}/tradeoff.png", options.show)
    return 0


if __name__ == "__main__":
    sys.exit(main())
