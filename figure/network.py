"""A diagram of the network before and after pruning: its layers and units, and its connections, drawn by weight.

Red lines are weights below 0, blue ones above, stronger for larger ones. The inputs stand on the left, from the top of
the picture to its bottom; only every tenth has its connections drawn: figure/network.png.

Time on 2 cores: some seconds.
"""

import sys

import numpy as np

import nn_functions as nn
import prun_mask
from datasets import record, user_input
from figure import drawing, studies

EVERY = 10  # inputs, of which one has its connections drawn, as the figure says; all would make one dark patch
RED, BLUE = "#b2182b", "#2166ac"  # of weights below and above 0


def positions(number):
    """The heights of a layer's units, evenly spread around 0; those of the inputs fill the height from -1 to 1."""
    return np.linspace(1, -1, number) * min(1, 0.16 * (number - 1))


def draw_connections(axes, W, l, largest):
    """Draw a layer's connections that are not 0, from column l - 1 to column l; |W| of `largest` is the strongest."""
    from matplotlib.collections import LineCollection
    from matplotlib.colors import to_rgba_array

    rows, columns = np.nonzero(W)
    if l == 1:  # so many that only some, thin and pale, can be told apart
        rows, columns = rows[columns % EVERY == 0], columns[columns % EVERY == 0]
    weights = W[rows, columns]
    ends = [np.column_stack([np.full(weights.size, x), positions(number)[units]])
            for x, number, units in ((l - 1, W.shape[1], columns), (l, W.shape[0], rows))]
    strength = np.abs(weights) / largest
    colours = to_rgba_array(np.where(weights > 0, BLUE, RED))
    colours[:, 3] = 0.5 * strength if l == 1 else 0.3 + 0.7 * strength
    axes.add_collection(LineCollection(np.stack(ends, axis=1), linewidths=0.3 if l == 1 else 0.4 + 4 * strength,
                                       colors=colours, zorder=1))


def draw_network(axes, parameters, largest, title):
    """Draw a network, its layers from left to right; largest : a dict {"W1": float, ...}, see `draw_connections`."""
    sizes = nn.layer_sizes(parameters)
    for l, size in enumerate(sizes):
        if l:
            W = parameters[f"W{l}"]
            draw_connections(axes, W, l, largest[f"W{l}"])
            axes.scatter(np.full(size, l), positions(size), s=160, color="white", edgecolor="black", zorder=2)
            axes.text(l - 0.5, -1.1, f"{np.count_nonzero(W)} of\n{W.size}", ha="center", va="top", fontsize=8)
        name = f"{size} inputs" if l == 0 else "output" if l == len(sizes) - 1 else f"{size} units"
        axes.text(l, 1.1, name, ha="center", fontsize=9)
    axes.plot([0, 0], [-1, 1], color="black", linewidth=2)
    axes.set(title=title, xlim=(-0.4, len(sizes) - 0.6), ylim=(-1.45, 1.25))
    axes.axis("off")


def draw(before, after, path, show=False):
    """Draw both networks, one above the other."""
    # The same scale for both, layer by layer.
    largest = {name: max(np.abs(before[name]).max(), np.abs(after[name]).max()) or 1 for name in before}
    figure, panels = drawing.subplots(2, figsize=(8, 7.6), layout="constrained")
    for axes, name, parameters in zip(panels, ("Before pruning", "After pruning"), (before, after)):
        draw_network(axes, parameters, largest, f"{name}: degree {prun_mask.degree(parameters):.3f} %")
    figure.supxlabel("Red: weights below 0. Blue: weights above 0. The numbers are the connections that are left.\n"
                     "Connections of every tenth input are drawn.", fontsize=9)
    drawing.save_figure(figure, path, show)


@user_input.exit_status
def main(argv=()):
    options = studies.make_parser(__doc__.splitlines()[0], of_saved_networks=True).parse_args(argv)
    before, after, _ = record.load_pair(options.parameters, options.pruned, options.data)
    draw(before, after, f"{options.figures}/network.png", options.show)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
