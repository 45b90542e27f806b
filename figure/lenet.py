"""LeNet-300-100 on MNIST, the first row of the paper's Table 1; how far the method gets; and what it is compared with.

The network is trained, pruned in many small steps and retrained after each (sections 3 and 3.4), with L2 and dropout
(sections 3.1 and 3.2). The last layer is pruned less than the others, as in the paper. Each retraining begins at a high
rate again, which is later than the paper: Renda et al. (arXiv 2003.02389, learning rate rewinding), Le and Hua
(2105.03193), Zimmer et al. (2111.00843). The controls are `digits.METHODS`. Leaves a row for each network,
figure/lenet.csv; draws the error against the ratio, figure/lenet.png, and the pattern of the connections that are kept,
figure/lenet_pattern.png; with --networks it writes the first seed's network at the size that the held-out digits tell
to datasets/lenet.npz (with --figures DIR, there). Needs the digits (`python -m datasets.fetch_mnist`).

All settings were chosen on the last 10,000 training digits, held out (--held-out), without a look at the test digits.
Time on 2 cores: about two hours; it goes on after the jobs that are done.
"""

import os
import sys

import numpy as np

import nn_functions as nn
import prun_parameters
from datasets import mnist, networks, user_input
from figure import digits, drawing

EXPORT = "datasets/lenet.npz"
STUDY = digits.Study(
    name="lenet",
    title="LeNet-300-100",
    weights=266_200,
    new_parameters=digits.new_parameters,
    descent=nn.minibatch_descent,
    layers_of=nn.dense_layers,
    layer_table=prun_parameters.layer_table,
    alone=None,
    factors=(0.8, 2.4, 25),
    dropout=(0.25, 0.1),  # in the two hidden layers of the unpruned network
    training=digits.Stage((), 20, 0.1, 128, 3e-4),
    retraining=(digits.Stage((0.5, 0.25), 6, 0.2, 128, 3e-4),
                digits.Stage((0.12, 0.085, 0.0723, 0.0614), 8, 0.2, 64, 3e-4),
                digits.Stage((0.0522, 0.0444, 0.0377, 0.0321, 0.0273, 0.0232), 8, 0.2, 64, 2e-4),
                digits.Stage((0.0197, 0.0167, 0.0142, 0.0121, 0.0103, 0.0084, 0.0069, 0.0057, 0.0046, 0.0038, 0.0031),
                             10, 0.2, 64, 2e-4)),
    controls={fraction: (784, *hidden, 10) for fraction, hidden in (
        (0.0723, (24, 28)), (0.0232, (8, 18)), (0.0103, (3, 44)))},  # about 13.5, 40 and 91 times
    one_shot=(),
    tolerance=0,
    held_out=10_000,
    paper={"the paper, unpruned": (1, 1.64), "the paper, pruned": (12, 1.59)},  # Table 1
    later={"dynamic network surgery": (2016, 56, 1.99),
           "soft weight-sharing": (2017, 23, 1.94),
           "sparse variational dropout": (2017, 68, 1.92),  # arXiv 1701.05369, Table 1, as those above
           "sparse momentum": (2019, (12, 50, 100), (1.43, 1.99, 2.36))})  # the repository of 1907.04840


def draw_pattern(parameters, path, show=False):
    """Draw which connections of layer 1 are kept, as the paper's Fig. 4, and how many each pixel has."""
    connections = parameters["W1"] != 0
    connections = connections[connections.any(axis=1)]
    title = (f"the {np.count_nonzero(connections)} connections of layer 1 that are kept; "
             f"{len(parameters['W1']) - len(connections)} of {len(parameters['W1'])} units are gone")
    figure = drawing.figure(figsize=(10, 6.6), layout="constrained")
    above, below = figure.subfigures(2, height_ratios=(1, 1.1))
    axes = above.subplots()
    axes.imshow(connections, cmap="Blues", aspect="auto", interpolation="nearest", vmax=1.3)
    axes.set(title=title, xlabel="pixel: 28 rows of the picture, one after another", ylabel="unit of layer 1",
             xticks=range(0, 785, 56))
    number, magnitude = below.subplots(1, 2)
    for axes, values, name in ((number, connections.sum(axis=0), "number of connections"),
                               (magnitude, np.abs(parameters["W1"]).sum(axis=0), "sum of their magnitudes")):
        shown = axes.imshow(values.reshape(mnist.SIZE, mnist.SIZE), cmap="Blues")
        below.colorbar(shown, ax=axes, label=name)
        axes.set_title(f"each pixel: {name}")
    drawing.save_figure(figure, path, show)


def draw_all(study, rows, others, options):
    """Print the tables and draw the figures; for the arguments see `digits.main`."""
    digits.print_tables(study, rows, others)
    digits.draw(study, rows, others, (1, 4), (1, 2, 4, 8, 12, 20, 40, 80, 150, 300), f"{options.figures}/lenet.png",
                options.show)
    exported = digits.export_path(options, EXPORT)
    if os.path.exists(exported):
        draw_pattern(networks.load_exported(exported), f"{options.figures}/lenet_pattern.png", options.show)


@user_input.exit_status
def main(argv=()):
    return digits.main(STUDY, argv, __doc__.splitlines()[0], draw_all, EXPORT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
