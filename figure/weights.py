"""What does pruning do to the weights of layer 1? Their distribution (the paper's Fig. 8), and the weights as pictures.

Each hidden unit's weights are drawn as a picture: red, green and blue for those of the three colours, grey for 0. The
weights themselves look like the random numbers that they started from; less these, one sees where the network looks for
a car, and what pruning leaves of it: figure/weights.png. A few seconds.
"""

import sys

import numpy as np

import figure
import nn_functions as nn
import nn_main

BINS = 100
LEVELS = 30  # of each colour: noise in more of them makes a large file


def as_picture(weights, shape):
    """A unit's weights as a picture of shape (height, width, 3) in which 0 is grey, and the value that is fully light."""
    scale = np.percentile(np.abs(weights[weights != 0]), 99) if weights.any() else 1
    picture = np.clip(0.5 + weights.reshape(shape) / (2 * scale), 0, 1)
    return np.round(picture * LEVELS) / LEVELS, scale


def draw(W_start, W_before, W_after, shape, path, show=False):
    """Draw the histograms and the pictures; W_start, W_before, W_after: W1 before training, before and after pruning."""
    plt = nn.pyplot(show)
    units = len(W_before)
    left = W_after != 0
    rows = {"before": W_before, "before - start": W_before - W_start,
            "after": W_after, "after - start": (W_after - W_start) * left}
    drawing = plt.figure(figsize=(10, 3.3 + 1.35 * len(rows)), layout="constrained")
    above, below = drawing.subfigures(2, height_ratios=(3, 0.3 + 1.35 * len(rows)))
    limit = max(np.abs(W_before).max(), np.abs(W_after).max())
    panels = above.subplots(1, 2, sharex=True)
    for axes, W, title in zip(panels, (W_before, W_after[left]), ("before pruning", "after pruning and retraining")):
        axes.hist(W.ravel(), bins=BINS, range=(-limit, limit))
        axes.set(title=f"{title}: {W.size} weights", xlabel="weight", ylabel="connections of layer 1")
    below.suptitle("each unit's weights as a picture: before and after pruning, and less the random start of training")
    grid = below.subplots(len(rows), units, squeeze=False)
    for (title, W), row in zip(rows.items(), grid):
        for r, axes in enumerate(row):
            picture, scale = as_picture(W[r], shape)
            axes.imshow(picture, interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            axes.set_xlabel(f"unit {r + 1}, full at ±{scale:.2g}", fontsize=8, labelpad=2)
        row[0].set_ylabel(title, fontsize=9)
    nn.save_figure(drawing, path, show)


@nn.exit_status
def main(argv=None):
    parser = figure.make_parser(__doc__.splitlines()[0], "parameters", "pruned")
    parser.add_argument("--seed", type=nn.seed, default=nn_main.SEED, help="that the training began with")
    options = parser.parse_args(argv)
    nn.make_folder(options.figures)
    before, after = (network["W1"] for network in figure.read_networks(options))
    start = nn.initialize_parameters((before.shape[1], len(before)), options.seed)["W1"]
    left = after != 0
    if not left.any():
        raise nn.InputError(f"{options.pruned}: layer 1 has no connection left")
    number = np.count_nonzero(left)
    for what, W in (("before training", start), ("after training", before)):
        largest = np.abs(W) >= np.sort(np.abs(W), axis=None)[-number]
        print(f"of the {number} connections of layer 1 that are left, {np.count_nonzero(left & largest)} are among the {number} "
              f"largest {what}")
    changed = np.abs(before - start)
    print(f"training changed a weight by {np.median(changed):.4f} (median), those that are left by {np.median(changed[left]):.4f}; "
          f"the random start had a median of {np.median(np.abs(start)):.4f}")
    print(f"the smallest weight that is left is {np.abs(after[left]).min():.4f}, the smallest before pruning "
          f"{np.abs(before).min():.1e}")
    draw(start, before, after, nn.picture_shape(options.data), f"{options.figures}/weights.png", options.show)
    return 0


if __name__ == "__main__":
    sys.exit(main())
