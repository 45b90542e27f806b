"""What does pruning do to the weights of layer 1? Their distribution (the paper's Fig. 7), and the weights as pictures.

Each hidden unit's weights are drawn as a picture: red, green and blue for those of the three colours, grey for 0, black
for what is pruned. The weights themselves look like their initial values, which are random; minus these, one sees where
the network looks for a car, and what pruning leaves of it: figure/weights.png.

Time on 2 cores: some seconds.
"""

import sys

import numpy as np

from datasets import networks, pictures, record, user_input
from figure import drawing, studies

BINS = 100


def print_statistics(start, before, after):
    """Print which connections survive, and how much training changed them.

    start, before, after : W1 before training, which may be None, before pruning, and after it
    """
    survives = after != 0
    number = np.count_nonzero(survives)
    for when, W in (("before training", start), ("after training", before)):
        if W is None:
            continue
        largest = np.abs(W) >= np.sort(np.abs(W), axis=None)[-number]
        print(f"of the {number} connections of layer 1 that are left, {np.count_nonzero(survives & largest)} are among "
              f"the {number} largest {when}")
    if start is not None:
        change = np.abs(before - start)
        print(f"medians: training changed a weight by {np.median(change):.4f}, those that are left by "
              f"{np.median(change[survives]):.4f}; the initial ones were {np.median(np.abs(start)):.4f}")
    print(f"the standard deviation of those that are left was {before[survives].std():.4f} before pruning and is "
          f"{after[survives].std():.4f}")
    print(f"the smallest weight that is left is {np.abs(after[survives]).min():.4f}, the smallest before pruning "
          f"{np.abs(before).min():.1e}")


def draw(start, before, after, shape, path, show=False):
    """Draw the histograms and the pictures; for the arguments see `print_statistics`."""
    survives = after != 0
    rows = [("before pruning", before, before != 0), ("after pruning", after, survives)]
    if start is not None:
        rows.insert(1, ("minus the\ninitial values", before - start, before != 0))
        rows.append(("minus the\ninitial values", (after - start) * survives, survives))
    figure = drawing.figure(figsize=(10, 3.3 + 1.35 * len(rows)), layout="constrained")
    above, below = figure.subfigures(2, height_ratios=(3, 0.3 + 1.35 * len(rows)))
    largest = max(np.abs(before).max(), np.abs(after).max())
    panels = above.subplots(1, 2, sharex=True, sharey=True)
    for axes, W, title in zip(panels, (before, after[survives]), ("before pruning", "after pruning and retraining")):
        axes.hist(W.ravel(), bins=BINS, range=(-largest, largest))
        axes.set(title=f"{title}: {W.size} weights", xlabel="weight")
    panels[0].set_ylabel("connections of layer 1")
    units = min(len(before), drawing.MOST_UNITS)
    which = "each unit" if units == len(before) else f"the first {units} of {len(before)} units"
    below.suptitle(f"The weights of {which}. Grey: 0. Lighter: above 0. Darker: below 0. Black: pruned.", fontsize=11)
    grid = below.subplots(len(rows), units, squeeze=False)
    for (title, W, kept), row in zip(rows, grid):
        scale = drawing.draw_units(row, W[:units], shape, kept[:units])
        row[0].set_ylabel(f"{title}\n±{scale:.2g}", fontsize=9)
    for number, axes in enumerate(grid[-1], start=1):
        axes.set_xlabel(f"unit {number}", fontsize=9)
    drawing.save_figure(figure, path, show)


@user_input.exit_status
def main(argv=()):
    parser = studies.make_parser(__doc__.splitlines()[0], of_saved_networks=True)
    options = parser.parse_args(argv)
    before, after, _ = record.load_pair(options.parameters, options.pruned, options.data)
    start, _ = networks.load_start(options.parameters, before)
    if start is None:
        print(f"{options.parameters}: no data.npy tells its start, so what training changed is left out")
    start, before, after = start and start["W1"], before["W1"], after["W1"]
    if not after.any():
        raise user_input.InputError(f"{options.pruned}: layer 1 has no connection left")
    print_statistics(start, before, after)
    draw(start, before, after, pictures.picture_shape(options.data), f"{options.figures}/weights.png", options.show)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
