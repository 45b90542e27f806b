"""The trade-off between accuracy and size (the paper's Fig. 5): L1 and L2, with and without retraining, and iteratively.

Each seed's network, trained as recorded, is trained for some more iterations with L1 or with L2 (section 3.1). Then it
is pruned, either at once to each of several degrees, or in steps of 5 % with retraining after each. Draws what is lost of
the accuracy, the median of the seeds and their range: figure/tradeoff.png. About two minutes on 2 cores.
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


def draw(losses, path, show=False):
    """Draw the accuracy lost; losses: a dict from a way to an array of shape (seeds, points, 3), degree and losses."""
    plt = nn.pyplot(show)
    drawing, panels = plt.subplots(1, 2, figsize=(11, 5), layout="constrained")
    for k, (axes, label) in enumerate(zip(panels, ("training", "test")), start=1):
        for (way, values), style in zip(losses.items(), ("s--", "s-", "o--", "o-", "-")):
            degrees, lost = values[0, :, 0], values[:, :, k]
            color = {"L1": "C1", "L2": "C0"}[way[:2]] if "iterative" not in way else "C2"
            axes.plot(degrees, -np.median(lost, axis=0), style, color=color, markersize=4, label=way)
            axes.fill_between(degrees, -lost.max(axis=0), -lost.min(axis=0), color=color, alpha=0.08, linewidth=0)
        axes.axhline(0, color="black", linewidth=0.8)
        axes.set(xlabel="pruning degree (%)", ylabel=f"change of the {label} accuracy (points)", xlim=(30, 100))
        axes.grid(alpha=0.3)
    drawing.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)
    nn.save_figure(drawing, path, show)


@nn.exit_status
def main(argv=None):
    options = figure.parse_options(argv, __doc__.splitlines()[0])
    data = nn.load_data(options.data)
    networks = figure.trained_networks(options.data).values()
    before = [pruning.judge(data, network)[1:] for network in networks]
    jobs = [(network, kind) for kind in PENALTIES for network in networks]  # L1 first, which takes longest
    results = figure.in_parallel(functools.partial(run, options.data), jobs)
    losses = {}
    for (_, kind), points, accuracies in zip(jobs, results, 2 * before):
        for way, values in points.items():
            values[:, 1:] = accuracies - values[:, 1:]
            losses.setdefault(way, []).append(values)
    losses = {way: np.array(values) for way, values in losses.items()}
    print("points of accuracy lost against training without penalty, median (range) of the seeds, training / test")
    for way, values in losses.items():
        print(way)
        for degree in (0, *DEGREES):
            at = np.argmin(np.abs(values[0, :, 0] - degree))
            print(f"{values[0, at, 0]:8.2f} %" + " / ".join(
                f"{np.median(lost):7.2f} ({lost.min():6.2f} to {lost.max():6.2f})" for lost in values[:, at, 1:].T))
    draw(losses, f"{options.figures}/tradeoff.png", options.show)
    return 0


if __name__ == "__main__":
    sys.exit(main())
