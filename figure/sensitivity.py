"""How sensitive is each layer to pruning? As in the paper's Fig. 6, one layer is pruned at a time, without retraining.

Draws cost and training accuracy against the share of the layer that is pruned away, weakest connections first; in the
small layers every connection is a point of its own: figure/sensitivity.png.

Time on 2 cores: some seconds.
"""

import itertools
import sys

import numpy as np
import threadpoolctl
from tqdm import tqdm

import nn_functions as nn
import prun_mask
from datasets import files, networks, pictures, user_input
from figure import drawing, studies

MOST_POINTS = 200  # of a layer's curve
LOST = 5  # points of training accuracy


def prune_alone(data, parameters, name, most_points=MOST_POINTS):
    """Prune one layer further and further, without retraining; name : that of its weights, as "W1".

    Returns the share of its connections that is pruned, in percent, the cost and both accuracies, shape (points, 4).
    """
    magnitudes = np.sort(np.abs(parameters[name]), axis=None)
    values = []
    for number in np.unique(np.linspace(0, magnitudes.size, min(magnitudes.size, most_points) + 1).astype(int)):
        mask = np.abs(parameters[name]) > (magnitudes[number - 1] if number else -1)
        pruned = prun_mask.apply_masks(parameters, {name: mask})
        values.append((100 * number / magnitudes.size, *nn.evaluate(data, pruned)))
    return np.array(values)


def where_lost(values):
    """Say at which share a layer alone loses more than LOST points; values : what `prune_alone` returned."""
    share, train_accuracy = values[:, 0], values[:, 2]
    lost = train_accuracy < train_accuracy[0] - LOST
    if not lost.any():
        return "never"
    after = np.flatnonzero(~lost)[-1] + 1
    for_good = f"for good from {share[after]:.1f} %" if after < len(share) else "not for good"
    return f"first at {share[lost][0]:.1f} %, {for_good}"


def draw(curves, path, show=False):
    """Draw cost and training accuracy; curves : a dict from a label to what `prune_alone` returned."""
    plt = drawing.pyplot(show)
    figure, panels = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    for k, (axes, label) in enumerate(zip(panels, ("cost on the training pictures", "training accuracy (%)")), start=1):
        for (name, values), style in zip(curves.items(), itertools.cycle(("-", "o-", "s--", "d:"))):
            axes.plot(values[:, 0], values[:, k], style, markersize=4, label=name)
        axes.set(xlabel="share of the layer's connections pruned away (%)", ylabel=label)
        axes.grid(alpha=0.3)
    panels[0].set_yscale("log")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=4, frameon=False)
    drawing.save_figure(figure, path, show)


@user_input.exit_status
def main(argv=()):
    options = studies.make_parser(__doc__.splitlines()[0], "parameters").parse_args(argv)
    data = pictures.load_data(options.data)
    for note in data.notes:
        print(note)
    parameters = networks.load_trained(options.parameters, options.data)
    files.check_folder(options.figures)

    curves = {}
    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        for name in tqdm(prun_mask.pruned_layers(parameters), unit=" layers", disable=None):
            curves[f"layer {name[1:]}, {parameters[name].size} connections"] = prune_alone(data, parameters, name)

    print(f"share pruned at which a layer alone loses more than {LOST} points of training accuracy:")
    for label, values in curves.items():
        print(f"{label}: {where_lost(values)}")
    draw(curves, f"{options.figures}/sensitivity.png", options.show)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
