"""LeNet-300-100 on MNIST, the first row of the paper's Table 1; how far the method gets; and what it is compared with.

The network is trained, pruned in many small steps and retrained after each (sections 3 and 3.4), with L2 and dropout
(sections 3.1 and 3.2). The last layer is pruned less than the others, as in the paper. At three sizes there are
controls, which are trained for as many epochs as the pruned network has been: the unpruned network; the trained network
pruned at once (one-shot); a dense network of as few weights. And the same run, retrained at a tenth of the rate of
training, as the paper does. Draws the error against the ratio, figure/lenet.png, and the pattern of the connections
that are left, figure/lenet_pattern.png; writes the first seed's network at a size that was chosen on held-out digits
to datasets/lenet.npz. Needs the digits (`python -m datasets.fetch_mnist`).

All settings were chosen on the last 10,000 training digits, held out (--held-out 10000). The test digits were looked
at in the end only.

Time on 2 cores: about an hour.
"""

import functools
import itertools
import os
import sys

import joblib
import numpy as np

import nn_functions as nn
import prun_parameters
import pruning
from datasets import mnist, networks, user_input
from figure import digits, drawing, studies

DROPOUT = (0.25, 0.1)  # in the two hidden layers of the unpruned network
LAYER_FACTORS = (0.8, 2.4, 25)  # a layer keeps this factor times a step's share of its connections; all, at most
EXPORT = "datasets/lenet.npz"

TRAINING = digits.Stage((), 20, 0.1, 128, 3e-4)
RETRAINING = (digits.Stage((0.5, 0.25), 6, 0.2, 128, 3e-4),
              digits.Stage((0.12, 0.085, 0.0723, 0.0614), 8, 0.2, 64, 3e-4),
              digits.Stage((0.0522, 0.0444, 0.0377, 0.0321, 0.0273, 0.0232), 8, 0.2, 64, 2e-4),
              digits.Stage((0.0197, 0.0167, 0.0142, 0.0121, 0.0103, 0.0084, 0.0069, 0.0057, 0.0046, 0.0038, 0.0031),
                           10, 0.2, 64, 2e-4))
LOW_RATE = 0.1  # times that of training: the paper's rate of retraining (section 4.1)
EXPORTED_SHARE = 0.0167  # the furthest step of seed 1 with no more errors than unpruned, on held-out digits

# The sizes with controls: a step's share, and the hidden layers of a dense network with as few weights.
CONTROLS = {0.0723: (24, 28), 0.0232: (8, 18), 0.0103: (3, 44)}
CONTROL_SEEDS = 3  # the first ones, at most
LINES = {"iterative": ("C0o-", "pruned step by step, high rate at each retraining"),
         "low rate": ("C2v-", "the same at a tenth of the rate, as the paper retrains"),
         "one-shot": ("C1s--", "pruned at once, retrained as long"),
         "as long": ("C4D:", "unpruned, trained as long"),
         "as small": ("C5^:", "dense and as small from the start, trained as long")}

PAPER = {"the paper, unpruned": (1, 1.64), "the paper, pruned": (12, 1.59)}  # ratio, and error in percent: Table 1
PAPER_LAYERS = "the paper (Table 2) keeps 8, 9, 26 % of the three layers' weights, and needs 8, 4, 17 % of FLOP"
# As collected by the authors of the last, arXiv 1701.05369: year, ratio, error in percent.
LATER = {"soft weight-sharing": (2017, 23, 1.94), "dynamic network surgery": (2016, 56, 1.99),
         "sparse variational dropout": (2017, 68, 1.92)}


def train(data, stage, seed, sizes=digits.SIZES, **more):
    """A trained network; more : arguments of the descent other than those of the stage."""
    settings = {**digits.settings_of(stage, data.X_train.shape[1], seed, DROPOUT), **more}
    return nn.minibatch_descent(data.X_train, data.Y_train, digits.new_parameters(seed, sizes), **settings)[0]


def prune_in_steps(data, parameters, stages, seed, factors=LAYER_FACTORS):
    """Prune and retrain, once for each share of each stage. Returns the parameters before, and after each step."""
    found = [parameters]
    for stage in stages:

        def masks_of(step, before, shares=stage.shares):
            return digits.keep_fraction(before, shares[step - 1], factors)

        steps = pruning.prune_iteratively(data, found[-1], masks_of, descent=nn.minibatch_descent,
                                          **digits.settings_of(stage, data.X_train.shape[1], seed, DROPOUT))
        found += [step.parameters for step in itertools.islice(steps, len(stage.shares))]
    return found


def run(folder, held_out, training, retraining, controls, job):
    """Do one job, in float32: a line and a seed, and for a control the share of its size.

    Returns a `digits.Run`.
    """
    line, seed, share = job
    data = mnist.load_mnist(folder, held_out)
    if line in ("iterative", "low rate"):
        rate = {"learning_rate": LOW_RATE * training.learning_rate} if line == "low rate" else {}
        found = prune_in_steps(data, train(data, training, seed), [s._replace(**rate) for s in retraining], seed)
    else:
        epochs = digits.epochs_until(share, training, retraining)
        if line == "as long":
            found = [train(data, training._replace(epochs=epochs), seed)]
        elif line == "as small":  # without dropout, which costs such a network two points on held-out digits
            sizes = (digits.SIZES[0], *controls[share], digits.SIZES[-1])
            found = [train(data, training._replace(epochs=epochs), seed, sizes, dropout=0)]
        else:
            stage = next(stage for stage in retraining if share in stage.shares)
            once = stage._replace(shares=(share,), epochs=epochs - training.epochs)
            found = prune_in_steps(data, train(data, training, seed), [once], seed)[1:]
    return digits.Run([digits.measure(data, parameters) for parameters in found],
                      found if line == "iterative" else [])


# --------------------------------------------------------------------------------------------------------- results

def draw_pattern(parameters, X, path, show=False):
    """Draw which connections of layer 1 are left, as the paper's Fig. 4, and how many each pixel has; X : pictures."""
    connections = parameters["W1"] != 0
    connections = connections[connections.any(axis=1)]
    title = f"the {np.count_nonzero(connections)} connections of layer 1 that are left, at {len(connections)} units"
    figure = drawing.figure(figsize=(10, 6.6), layout="constrained")
    above, below = figure.subfigures(2, height_ratios=(1, 1.1))
    axes = above.subplots()
    axes.imshow(connections, cmap="Blues", aspect="auto", interpolation="nearest", vmax=1.3)
    axes.set(title=title, xlabel="pixel: 28 rows of the picture, one after another", ylabel="unit of layer 1",
             xticks=range(0, 785, 56))
    number, mean = below.subplots(1, 2)
    shown = number.imshow(connections.sum(axis=0).reshape(mnist.SIZE, mnist.SIZE), cmap="Blues")
    below.colorbar(shown, ax=number, label="connections")
    number.set_title("connections of each pixel")
    shown = mean.imshow(nn.as_floating(X).mean(axis=1).reshape(mnist.SIZE, mnist.SIZE), cmap="Greys")
    below.colorbar(shown, ax=mean, label="mean value of the pixel")
    mean.set_title("the mean digit")
    drawing.save_figure(figure, path, show)


def study(folder, figures, export, seeds=digits.SEEDS, training=TRAINING, retraining=RETRAINING, controls=None,
          exported_share=EXPORTED_SHARE, held_out=0, cache=None, cluster=None, show=False):
    """Train, prune and retrain with each seed, and the controls; print the tables, export a network, draw.

    folder : of the digits; figures : the folder for the figures; export : None, or the file to write a network to
    training, retraining : a `digits.Stage`, and several; controls : None for CONTROLS
    exported_share : of the step whose network is exported, the first seed's
    held_out : see `mnist.load_mnist`; cache : None, or the folder that keeps the result of each job
    Raises InputError.
    """
    data, controls = mnist.load_mnist(folder, held_out), CONTROLS if controls is None else controls
    jobs = [("iterative", seed, None) for seed in seeds]
    for seed in seeds[:CONTROL_SEEDS]:
        jobs += [("low rate", seed, None), *((line, seed, share) for line in ("as long", "one-shot", "as small")
                                             for share in controls)]
    do = functools.partial(joblib.Memory(cache, verbose=0).cache(run), os.path.abspath(folder), held_out, training,
                           retraining, controls)
    found = dict(zip(jobs, studies.in_parallel(do, jobs, "networks", cluster)))

    results = digits.Results({job: result.points for job, result in found.items()}, LINES, tuple(controls), training,
                             retraining, digits.WEIGHTS, digits.describe_error(held_out))
    digits.print_results(results, PAPER, LATER)
    first, at = found["iterative", seeds[0], None], digits.step_of(exported_share, retraining)
    digits.print_layers(seeds[0], first, at, digits.WEIGHTS,
                        lambda parameters: prun_parameters.layer_table(parameters, data.X_test), PAPER_LAYERS)
    if export:
        networks.export_parameters(export, first.parameters[at])
        exported = networks.load_parameters(export, digits.SIZES[0], digits.SIZES[-1])
        digits.print_export(export, exported, digits.measure(data, exported))
    digits.draw(results, PAPER, LATER, "LeNet-300-100", (1, 4), (1, 2, 4, 8, 12, 20, 40, 80, 150, 300),
                f"{figures}/lenet.png", show)
    draw_pattern(first.parameters[at], data.X_train, f"{figures}/lenet_pattern.png", show)


@user_input.exit_status
def main(argv=()):
    options = digits.parse_options(argv, __doc__.splitlines()[0], EXPORT)
    study(options.data, options.figures, options.export, range(1, options.seeds + 1), held_out=options.held_out,
          cache=options.cache, cluster=options.cluster, show=options.show)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
