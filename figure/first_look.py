"""The first look: LeNet-300-100 on MNIST with up to 63 times fewer connections, in half a minute.

The network is trained, then six times pruned by magnitude and retrained (sections 3 and 3.4 of the paper). The control
keeps as many connections of each layer at random, and is retrained as long. What is kept is drawn as a moving picture,
figure/first_look.gif, and for print, figure/first_look.png. It looks at a third of the digits, with one seed; the study
is `figure.lenet`. Needs the digits (`python -m datasets.fetch_mnist`).

Time on 2 cores: half a minute.
"""

import sys

import numpy as np
from tqdm import tqdm

import nn_functions as nn
import nn_main
import prun_mask
import pruning
from datasets import mnist, user_input
from figure import digits, drawing, studies

DIGITS = 20_000  # of the training digits, the first ones
EPOCHS, RETRAINING_EPOCHS = 5, 2
LEARNING_RATE = 0.1  # falls to 0 along half a cosine in every training and retraining
SETTINGS = {"batch": 128, "momentum": 0.9, "l2": 3e-4, "dropout": (0.25, 0.1), "seed": 1}
FRACTIONS = (0.5, 0.25, 0.125, 0.06, 0.03, 0.015)  # of each layer's connections that the steps keep,
FACTORS = (0.8, 2.4, 25)  # times the layer's factor; all, at most
WEIGHTS = 266_200  # of the unpruned network

RUNS = ("largest weights", "#0072B2", "o-"), ("random weights", "#D55E00", "s-")  # that are kept; colour, line
UNITS, UNITS_IN_PRINT = 5, 3  # of layer 1 that are drawn: those that keep most connections
MILLISECONDS, LAST = 900, 3500  # that a frame of the GIF is shown, and the last one
ROW = "{:5.1f} {:10.2f} {:10.2f} {:11.2f} {:10.2f}"


def prune(data):
    """Train, prune, retrain. Yields a `pruning.Step` by magnitude and one of the control; before the first, step 0.

    data : see `mnist.load_mnist`
    """
    def settings(epochs):
        iterations = epochs * -(-data.X_train.shape[1] // SETTINGS["batch"])
        return {"learning_rate": nn.half_cosine(LEARNING_RATE, iterations), "iterations": iterations, **SETTINGS}

    start = digits.new_parameters(SETTINGS["seed"])
    with nn_main.limit_blas(SETTINGS["batch"]):
        trained, costs = nn.minibatch_descent(data.X_train, data.Y_train, start, **settings(EPOCHS))
    yield (pruning.Step(0, trained, trained, costs),) * 2

    masks, random = {}, np.random.default_rng(SETTINGS["seed"])

    def by_magnitude(step, parameters):
        if step > len(FRACTIONS):
            return None
        masks.update(prun_mask.without_dead_neurons(
            digits.keep_fraction(parameters, FRACTIONS[step - 1], FACTORS)))
        return masks

    def at_random(_, parameters):  # as many as by magnitude, which has its step first
        return studies.random_masks(parameters, {name: np.count_nonzero(W) for name, W in masks.items()}, random)

    yield from zip(*(
        pruning.prune_iteratively(data, trained, masks_of, descent=nn.minibatch_descent, **settings(RETRAINING_EPOCHS))
        for masks_of in (by_magnitude, at_random)))


# ---------------------------------------------------------------------------------------------------------- figures

def draw_layer(axes, W1, units, most):
    """Draw how many connections each pixel has, and the weights of units; axes : one for the pixels, one for each unit.

    most : the number of connections that is brightest
    """
    shape = mnist.SIZE, mnist.SIZE
    axes[0].imshow(np.count_nonzero(W1, axis=0).reshape(shape), cmap="inferno", vmin=0, vmax=most)
    axes[0].set(xticks=[], yticks=[])
    drawing.draw_units(axes[1:], W1[units], shape)


def draw_errors(axes, ratios, errors, steps):
    """Draw the errors of the first steps, of shape (steps, 2), against the ratios."""
    for (_, color, line), curve in zip(RUNS, np.transpose(errors)):
        axes.plot(ratios[:steps], curve[:steps], line, color=color, linewidth=2.5, markersize=7)
    axes.set(xscale="log", xlim=(2**-0.5, 2**0.5 * ratios[-1]), ylim=(0, 1.1 * np.max(errors)),
             xlabel="times fewer connections", ylabel="error (%)")
    axes.set_xticks(ratios, [f"{ratio:.0f}×" for ratio in ratios])
    axes.xaxis.minorticks_off()
    axes.locator_params(axis="y", nbins=5, integer=True)
    axes.grid(alpha=0.3)


def draw_frame(step, ratios, errors, layers, units):
    """A frame of the GIF. errors, layers : of each step by magnitude and at random, error in percent and W1."""
    figure = drawing.figure(figsize=(8.3, 5.4))
    fewer = f": {ratios[step]:.0f} times fewer" if step else ""
    figure.text(0.5, 0.945, f"{WEIGHTS / ratios[step]:,.0f} connections{fewer}", fontsize=18, ha="center")
    grid = figure.add_gridspec(2, 1 + UNITS, left=0.185, right=0.99, top=0.86, bottom=0.425, wspace=0.05, hspace=0.05)
    axes = np.reshape([figure.add_subplot(cell) for cell in grid], (2, -1))
    most = np.count_nonzero(layers[step][0], axis=0).max()
    for row, W1, error, (name, color, _) in zip(axes, layers[step], errors[step], RUNS):
        draw_layer(row, W1, units[:UNITS], most)
        row[0].text(-0.1, 0.5, f"{name}\nare kept:\n{error:.1f} % error", transform=row[0].transAxes, color=color,
                    fontsize=12, ha="right", va="center", linespacing=1.4)
    axes[0, 0].set_title("connections\nof each pixel", fontsize=11)
    axes[0, 3].set_title("units of layer 1, their weights as pictures\n(black: pruned; blue: above 0; orange: below)",
                         fontsize=11)
    draw_errors(figure.add_axes((0.07, 0.075, 0.92, 0.3)), ratios, errors, step + 1)
    return figure


def draw_strip(ratios, errors, layers, units):
    """The figure for print, a column for each step; for the arguments see `draw_frame`."""
    figure = drawing.figure(figsize=(8.3, 10))
    for i, (top, (name, color, _)) in enumerate(zip((0.97, 0.565), RUNS)):
        grid = figure.add_gridspec(1 + UNITS_IN_PRINT, len(ratios), left=0.15, right=0.99, top=top, bottom=top - 0.395,
                                   wspace=0.04, hspace=0.04)
        axes = np.reshape([figure.add_subplot(cell) for cell in grid], (-1, len(ratios)))
        for step, pair in enumerate(layers):
            draw_layer(axes[:, step], pair[i], units[:UNITS_IN_PRINT], np.count_nonzero(pair[0], axis=0).max())
        axes[0, 0].set_ylabel("connections\nof each pixel")
        axes[2, 0].set_ylabel("weights of three units of layer 1\n(black: pruned; blue: > 0; orange: < 0)")
        figure.text(0.03, top - 0.2, f"{name} are kept", color=color, fontsize=14, rotation=90, va="center")
        for column, ratio in zip(axes.T, ratios):
            column[0].set_title("" if i else f"{ratio:.0f}×")
    draw_errors(figure.add_axes((0.15, 0.05, 0.84, 0.105)), ratios, errors, len(ratios))
    return figure


@user_input.exit_status
def main(argv=()):
    parser = user_input.ArgumentParser(__doc__.splitlines()[0])
    parser.add_path("--data", mnist.MNIST, "DIR", "the digits")
    parser.add_path("--figures", "figure", "DIR", "folder for the figures")
    options = parser.parse_args(argv)
    data = mnist.load_mnist(options.data)
    data = data._replace(X_train=data.X_train[:, :DIGITS], Y_train=data.Y_train[:, :DIGITS])

    print("error (%)   by magnitude            at random\nratio     pruned  retrained      pruned  retrained")
    ratios, errors, layers = [], [], []
    for pair in studies.show_progress(prune(data), 1 + len(FRACTIONS), "steps"):
        found = [100 - nn.accuracy(nn.predict(data.X_test, network), data.Y_test)
                 for step in pair for network in (step.pruned, step.parameters)]
        ratios.append(WEIGHTS / sum(np.count_nonzero(pair[0].parameters[name]) for name in ("W1", "W2", "W3")))
        errors.append(found[1::2])  # of the retrained networks
        layers.append([step.parameters["W1"] for step in pair])
        tqdm.write(ROW.format(ratios[-1], *found))

    units = np.argsort(-np.count_nonzero(layers[-1][0], axis=1), kind="stable")[:UNITS]
    frames = [draw_frame(step, ratios, errors, layers, units) for step in range(len(ratios))]
    drawing.save_gif(frames, f"{options.figures}/first_look.gif", MILLISECONDS, LAST)
    drawing.save_figure(draw_strip(ratios, errors, layers, units), f"{options.figures}/first_look.png")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
