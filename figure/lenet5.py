"""LeNet-5 on MNIST, the second row of the paper's Table 1: convolutions pruned; how far the method gets.

As `figure.lenet`, with the layers of `figure.convolution`; and each layer pruned alone, not retrained, as in the
paper's Fig. 6. Leaves a row for each network, figure/lenet5.csv; draws the error against the ratio, figure/lenet5.png,
and, where --networks has them, the filters of the first layer, figure/lenet5_filters.png; writes the first seed's
network at the size that the held-out digits tell to datasets/lenet5.npz. Needs the digits (`python -m
datasets.fetch_mnist`).

The settings were chosen on the last 10,000 training digits, held out (--held-out), in a dozen short runs.
Time on 2 cores: four to eight hours; it goes on after the jobs that are done, with --networks after each step.
"""

import os
import sys

import numpy as np

import nn_functions as nn
import prun_mask
import prun_parameters
from datasets import mnist, networks, user_input
from figure import convolution, digits, drawing, results

EXPORT = "datasets/lenet5.npz"
ALONE = (0.5, 0.4, 0.3, 0.2, 0.1, 0.05)  # of its connections that a layer keeps that is pruned alone
FILTERS = (0.004, 0.0018)  # the sizes whose filters are drawn, beside the unpruned ones


def layer_table(parameters, X):
    """The paper's Table 3 of a network, see `prun_parameters.layer_table`; activations are counted after pooling.

    X : pictures of shape (784, m), uint8
    """
    front, *dense = convolution.layers_of(parameters)
    found = []
    for first in range(0, X.shape[1], 1000):
        A = nn.as_floating(X[:, first:first + 1000], np.float32)
        pooled, A = A.reshape(*convolution.PICTURE, -1), front.forward(A)
        for layer in front.layers[:2]:
            pooled = layer.forward(pooled)
        found.append([np.count_nonzero(values, axis=-1).ravel() for values in (pooled, A, dense[0].forward(A))])
    pooled, features, units = (sum(counts) / X.shape[1] for counts in zip(*found))
    first, _, second, _ = front.layers
    inputs = [np.ones(len(first.places)), pooled[second.places].mean(axis=1), features, units]
    positions = [first.places.shape[1], second.places.shape[1], 1, 1]
    return prun_parameters.table_rows(parameters, inputs, [pooled, features, units, np.ones(mnist.DIGITS)], positions)


def prune_alone(study, folder, kept_in, job):
    """Prune each layer of a trained network alone to several sizes, without retraining (the paper's Fig. 6).

    Returns a row for each layer and size; for the arguments see `digits.run`
    """
    data, rows = mnist.load_mnist(folder), []
    path = kept_in and digits.network_file(study, kept_in, job, study.training)
    parameters = (networks.load_exported(path) if path and os.path.exists(path) else
                  digits.take_step(study, data, None, study.training, 0, job, None))
    for name in (f"W{l}" for l in range(1, 5)):
        W = parameters[name]
        for size in ALONE:
            masks = {name: prun_mask.keep_largest(np.abs(W), round(size * W.size), among=W != 0)}
            rows.append({"size": size, "epochs": study.training.epochs,
                         **digits.measure(study, data, prun_mask.apply_masks(parameters, masks))})
    return rows


STUDY = digits.Study(
    name="lenet5",
    title="LeNet-5",
    weights=430_500,
    new_parameters=convolution.new_parameters,
    descent=convolution.minibatch_descent,
    layers_of=convolution.layers_of,
    layer_table=layer_table,
    alone=prune_alone,
    factors=(150, 14, 1, 25),
    dropout=(0.4, 0.5),  # at the inputs of the two dense layers of the unpruned network
    training=digits.Stage((), 12, 0.04, 128, 3e-5),
    retraining=(digits.Stage((0.0405,), 10, 0.05, 64, 3e-5),
                digits.Stage((0.0085, 0.004), 8, 0.05, 64, 3e-5),
                digits.Stage((0.003,), 6, 0.04, 64, 5e-5),
                digits.Stage((0.0024, 0.0018), 10, 0.04, 64, 5e-5)),
    controls={0.0405: (8, 16, 121), 0.004: (4, 8, 19), 0.0024: (3, 6, 16)},  # about 12, 120 and 200 times
    one_shot=(0.46, 0.19, 0.0625),  # about 2, 4 and 8 times
    without=("restarts",),  # unpruned, at 0.05, its cost becomes NaN within 200 iterations, at all three seeds
    tolerance=0.1,
    held_out=10_000,
    paper={"the paper, unpruned": (1, 0.80), "the paper, pruned": (12, 0.77)},  # Table 1
    later={"dynamic network surgery": (2016, 111, 0.91),
           "soft weight-sharing": (2017, 200, 0.97),
           "sparse variational dropout": (2017, 280, 0.75),  # arXiv 1701.05369, Table 1, as those above
           "sparse momentum": (2019, (11, 111, 200, 250), (0.64, 0.89, 1.14, 1.40)),  # the repository of 1907.04840
           "ADMM": (2018, 71, 0.80)})  # that of 1804.03294


def print_alone(rows):
    """Print the errors with each layer pruned alone, and by how much the first layer is worse than the others."""
    weights, lines = [W.size for name, W in convolution.new_parameters(1).items() if name[0] == "W"], []
    for size in ALONE[::2]:  # enough for the page
        errors = [[row["error"] for row in digits.of(rows, "layers alone", size) if row[f"kept_{l}"] < number]
                  for l, number in enumerate(weights, start=1)]
        if not all(errors):
            return
        lead = [first - max(rest) for first, *rest in zip(*errors)]
        lines.append([f"{size:.0%}", *(results.median_and_range(layer, unit="") for layer in errors),
                      f"{min(lead):+.2f}"])
    results.print_table("lenet5: layers alone", results.table(
        ["kept", "layer 1", "layer 2", "layer 3", "layer 4", "least lead of layer 1"], lines))


def draw_filters(networks_by_title, path, show=False):
    """Draw the filters of layer 1, a row for each network; a pruned weight is dark, a filter that is gone a cross."""
    size = len(networks_by_title), convolution.UNITS[0]
    figure, rows = drawing.subplots(*size, figsize=(12, 2.4), layout="constrained")
    limit = max(np.abs(parameters["W1"]).max() for parameters in networks_by_title.values())
    for axes_of_row, (title, parameters) in zip(rows, networks_by_title.items()):
        axes_of_row[0].set_ylabel(title.replace(" times ", " times\n"), rotation=0, ha="right", va="center", fontsize=9)
        for axes, weights in zip(axes_of_row, parameters["W1"]):
            axes.set_facecolor("0.25")
            shown = axes.imshow(np.ma.masked_equal(weights, 0).reshape(convolution.KERNEL, -1), cmap="RdBu",
                                vmin=-limit, vmax=limit)
            axes.set(xticks=[], yticks=[])
            if not weights.any():
                axes.plot([[0, 0], [1, 1]], [[0, 1], [1, 0]], "0.7", transform=axes.transAxes)
    figure.colorbar(shown, ax=rows, label="weight", fraction=0.02, pad=0.01)
    drawing.save_figure(figure, path, show)


def draw_all(study, rows, others, options):
    """Print the tables and draw the figures; for the arguments see `digits.main`."""
    digits.print_tables(study, rows, others)
    print_alone(rows)
    digits.draw(study, rows, others, (0.5, 2.1), (1, 2, 4, 8, 12, 25, 50, 100, 200, 300),
                f"{options.figures}/lenet5.png", options.show)
    if options.networks and digits.of(rows, "iterative", FILTERS[-1], 1):
        found, job = {}, {"method": "iterative", "seed": 1, "digits": rows[0]["digits"]}
        for size in (1, *FILTERS):
            stage = study.training._replace(fractions=() if size == 1 else (size,))
            times = digits.ratio(digits.of(rows, "iterative", size, 1)[0])
            name = "unpruned" if size == 1 else f"{times:.0f} times fewer"
            found[name] = networks.load_exported(digits.network_file(study, options.networks, job, stage))
        draw_filters(found, f"{options.figures}/lenet5_filters.png", options.show)


@user_input.exit_status
def main(argv=()):
    return digits.main(STUDY, argv, __doc__.splitlines()[0], draw_all, EXPORT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
