"""LeNet-5 on MNIST, the second row of the paper's Table 1: convolutions pruned; how far the method gets.

The network is trained, pruned in steps and retrained after each (sections 3 and 3.4), with L2 and dropout (sections 3.1
and 3.2). At three sizes there are controls, which are trained for as many epochs as the pruned network has been: the
unpruned network; the trained network pruned at once (one-shot). And the same run, retrained at a tenth of the rate of
training, as the paper does. Prunes each layer alone as well, as in the paper's Fig. 6. Draws the error against the
ratio, figure/lenet5.png, and the filters of the first layer, figure/lenet5_filters.png; writes the first seed's network
after one of the steps, EXPORTED_SHARE, to datasets/lenet5.npz. Needs the digits (`python -m
datasets.fetch_mnist`).

The settings were chosen on the last 10,000 training digits, held out (--held-out 10000), before the test digits were
looked at; EXPORTED_SHARE later, on the held-out digits alone.

Time on 2 cores: about four hours; with --cache it goes on after the last step that was done.
"""

import functools
import os
import sys

import joblib
import numpy as np

import nn_functions as nn
import prun_mask
import prun_parameters
import pruning
from datasets import mnist, networks, user_input
from figure import convolution, digits, drawing, studies
from figure.results import median_and_range

DROPOUT = (0.4, 0.5)  # at the inputs of the two dense layers of the unpruned network
LAYER_FACTORS = (150, 14, 1, 25)  # a layer keeps this factor times a step's share of its connections; all, at most
EXPORT = "datasets/lenet5.npz"

TRAINING = digits.Stage((), 12, 0.04, 128, 3e-5)
RETRAINING = (digits.Stage((0.0405,), 10, 0.05, 64, 3e-5),
              digits.Stage((0.0085, 0.004), 8, 0.05, 64, 3e-5),
              digits.Stage((0.003,), 6, 0.04, 64, 5e-5),
              digits.Stage((0.0024, 0.0018), 10, 0.04, 64, 5e-5))
LOW_RATE = 0.1  # times that of training: the paper's rate of retraining for LeNet (section 4.1)
# The furthest step of seed 1 that loses at most 0.1 points on held-out digits: 0.87 % at 12 times, 0.96 % at 55 times,
# for 0.82 % unpruned.
EXPORTED_SHARE = 0.0405

CONTROLS = (0.0405, 0.004, 0.0024)  # the sizes with controls, a step's share: about 12, 120 and 200 times
CONTROL_SEEDS = 3  # the first ones, at most
LINES = {"iterative": ("C0o-", "pruned step by step, high rate at each retraining"),
         "low rate": ("C2v-", "the same at a tenth of the rate, as the paper retrains"),
         "one-shot": ("C1s--", "pruned at once, retrained as long"),
         "as long": ("C4D:", "unpruned, trained as long")}
SENSITIVITY_SHARES = (0.5, 0.4, 0.3, 0.2, 0.1, 0.05)  # of its connections that a layer keeps that is pruned alone

PAPER = {"the paper, unpruned": (1, 0.80), "the paper, pruned": (12, 0.77)}  # ratio, and error in percent: Table 1
PAPER_LAYERS = """\
the paper (Table 3) keeps 66, 12, 8, 19 % of the layers' weights, 8 % in all;
needs 66, 10, 6, 10 % of FLOP, 16 % in all; of its activations 82, 72, 55, 100 % are not 0, 77 % in all"""
# As collected by the authors of the third, arXiv 1701.05369: year, ratio, error in percent. And arXiv 1810.07378.
LATER = {"dynamic network surgery": (2016, 111, 0.91), "soft weight-sharing": (2017, 200, 0.97),
         "sparse variational dropout": (2017, 280, 0.75)}
WITHOUT_NUMBER = {"progressive ADMM": (2018, 246, '"almost zero" loss of accuracy, no number')}


def steps_of(line, share, training, retraining):
    """What is done to a network of a line, a tuple of stages with one share or none.

    share : of a control's size; where "low rate" ends; None for "iterative"
    """
    steps = [stage._replace(shares=(at,)) for stage in retraining for at in stage.shares]
    if line == "low rate":
        steps = [step._replace(learning_rate=LOW_RATE * training.learning_rate)
                 for step in steps[:digits.step_of(share, retraining)]]
    if line in digits.STEP_BY_STEP:
        return training, *steps
    epochs = digits.epochs_until(share, training, retraining)
    if line == "as long":
        return (training._replace(epochs=epochs),)
    return training, steps[digits.step_of(share, retraining) - 1]._replace(epochs=epochs - training.epochs)


def take_step(data, before, folder, held_out, factors, dropout, steps, seed):
    """Train, or prune and retrain, as the last of some steps says. Returns the parameters.

    data, before : the digits, and the parameters after the steps before. They follow from the other arguments, by which
        the cache knows the result
    """
    *_, stage = steps
    settings = digits.settings_of(stage, data.X_train.shape[1], seed, dropout)
    if before is None:
        return convolution.minibatch_descent(data.X_train, data.Y_train, convolution.new_parameters(seed),
                                             **settings)[0]

    def masks_of(_, parameters):
        return digits.keep_fraction(parameters, stage.shares[0], factors)

    return next(pruning.prune_iteratively(data, before, masks_of, descent=convolution.minibatch_descent,
                                          **settings)).parameters


def run(cache, folder, held_out, factors, dropout, training, retraining, job):
    """Do one job, in float32: a line and a seed, and for a control the share of its size. The cache keeps each step.

    Returns a `digits.Run`: of all steps, or for a control of the last one.
    """
    line, seed, share = job
    data = mnist.load_mnist(folder, held_out)
    step = joblib.Memory(cache, verbose=0).cache(take_step, ignore=["data", "before"])
    steps, found, before = steps_of(line, share, training, retraining), [], None
    for number in range(1, len(steps) + 1):
        before = step(data, before, folder, held_out, factors, dropout, steps[:number], seed)
        found.append(before)
    found = found if line in digits.STEP_BY_STEP else found[-1:]
    return digits.Run([measure(data, parameters) for parameters in found], found if line == "iterative" else [])


def measure(data, parameters):
    """The `digits.Point` of a network."""
    return digits.measure(data, parameters, convolution.layers_of)


def prune_alone(folder, held_out, shares, parameters):
    """Prune each layer alone to several shares, without retraining (the paper's Fig. 6).

    Returns the errors in percent, an array of shape (layers, shares).
    """
    data, errors = mnist.load_mnist(folder, held_out), []
    for name in convolution.SIZES:
        masks = [prun_mask.keep_largest(parameters[name], round(share * parameters[name].size)) for share in shares]
        errors.append([measure(data, prun_mask.apply_masks(parameters, {name: mask})).error for mask in masks])
    return np.array(errors)


# --------------------------------------------------------------------------------------------------------- results

def layer_table(parameters, X):
    """The paper's Table 3 of a network, see `prun_parameters.layer_table`; activations are counted after pooling.

    X : pictures of shape (784, m), uint8
    """
    every = {name: np.ones(shape, bool) for name, shape in convolution.SIZES.items()}
    front, *dense = convolution.layers_of(parameters, every)
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


def print_sensitivity(errors, shares, what):
    """Print what `prune_alone` found for each seed, errors : of shape (seeds, layers, shares)."""
    print(f"\neach layer pruned alone, not retrained: {digits.heading(what, len(errors))}, in percent\n\n| kept | "
          + " | ".join(f"layer {l}" for l in range(1, 1 + errors.shape[1])) + " |")
    print("| ---: |" + " ---: |" * errors.shape[1])
    for share, found in zip(shares, np.moveaxis(errors, 2, 0)):
        print(f"| {share:.0%} | " + " | ".join(median_and_range(layer, unit="") for layer in found.T) + " |")
    print("\n| kept | error with layer 1 alone pruned less the worst of the others, seed by seed, in points |")
    print("| ---: | ---: |")
    for share, found in zip(shares, np.moveaxis(errors, 2, 0)):
        print(f"| {share:.0%} | {', '.join(f'{first - max(others):+.2f}' for first, *others in found)} |")


def draw_filters(networks_by_title, path, show=False):
    """Draw the filters of layer 1, a row for each network; a pruned weight is white, a filter that is gone a cross."""
    filters, _ = convolution.SIZES["W1"]
    figure, rows = drawing.subplots(len(networks_by_title), filters, figsize=(12, 2.4), layout="constrained")
    limit = max(np.abs(parameters["W1"]).max() for parameters in networks_by_title.values())
    for axes_of_row, (title, parameters) in zip(rows, networks_by_title.items()):
        axes_of_row[0].set_ylabel(title.replace(" times ", " times\n"), rotation=0, ha="right", va="center", fontsize=9)
        for axes, weights in zip(axes_of_row, parameters["W1"]):
            shown = axes.imshow(np.ma.masked_equal(weights, 0).reshape(convolution.KERNEL, -1), cmap="RdBu",
                                vmin=-limit, vmax=limit)
            axes.set(xticks=[], yticks=[])
            if not weights.any():
                axes.plot([0, 1], [0, 1], "0.5", transform=axes.transAxes)
                axes.plot([0, 1], [1, 0], "0.5", transform=axes.transAxes)
    figure.colorbar(shown, ax=rows, label="weight", fraction=0.02, pad=0.01)
    drawing.save_figure(figure, path, show)


def study(folder, figures, export, seeds=digits.SEEDS, training=TRAINING, retraining=RETRAINING, controls=CONTROLS,
          exported_share=EXPORTED_SHARE, held_out=0, cache=None, cluster=None, show=False):
    """Train, prune and retrain with each seed, and the controls; print the tables, export a network, draw.

    folder : of the digits; figures : the folder for the figures; export : None, or the file to write a network to
    training, retraining : a `digits.Stage`, and several; controls : a share for each size that has them
    exported_share : of the step whose network is exported, the first seed's
    held_out : see `mnist.load_mnist`; cache : None, or the folder that keeps the network after each step
    Raises InputError.
    """
    data, folder = mnist.load_mnist(folder, held_out), os.path.abspath(folder)
    jobs = [("iterative", seed, None) for seed in seeds]
    for seed in seeds[:CONTROL_SEEDS]:
        jobs += [("low rate", seed, min(controls)), *((line, seed, share) for line in ("as long", "one-shot")
                                                      for share in controls)]
    do = functools.partial(run, cache, folder, held_out, LAYER_FACTORS, DROPOUT, training, retraining)
    found = dict(zip(jobs, studies.in_parallel(do, jobs, "networks", cluster)))
    unpruned = [found["iterative", seed, None].parameters[0] for seed in seeds]
    alone = functools.partial(prune_alone, folder, held_out, SENSITIVITY_SHARES)
    errors = np.array(list(studies.in_parallel(alone, unpruned, "seeds", cluster)))

    results = digits.Results({job: result.points for job, result in found.items()}, LINES, controls, training,
                             retraining, convolution.WEIGHTS, digits.describe_error(held_out))
    digits.print_results(results, PAPER, {**LATER, **WITHOUT_NUMBER})
    print_sensitivity(errors, SENSITIVITY_SHARES, results.what)
    first, at = found["iterative", seeds[0], None], digits.step_of(exported_share, retraining)
    near_12 = digits.print_layers(seeds[0], first, at, convolution.WEIGHTS,
                                  lambda parameters: layer_table(parameters, data.X_test), PAPER_LAYERS)
    if export:
        networks.export_parameters(export, first.parameters[at])
        exported = networks.load_exported(export)
        digits.print_export(export, exported, measure(data, exported))
    digits.draw(results, PAPER, LATER, "LeNet-5", (0.5, 2.1), (1, 2, 4, 8, 12, 25, 50, 100, 200, 300),
                f"{figures}/lenet5.png", show)
    titles = {step: f"{digits.ratio(first.points[step], convolution.WEIGHTS):.0f} times fewer weights"
              for step in (near_12, len(first.points) - 1)}
    draw_filters({title: first.parameters[step] for step, title in {0: "unpruned", **titles}.items()},
                 f"{figures}/lenet5_filters.png", show)


@user_input.exit_status
def main(argv=()):
    options = digits.parse_options(argv, __doc__.splitlines()[0], EXPORT)
    study(options.data, options.figures, options.export, range(1, options.seeds + 1), held_out=options.held_out,
          cache=options.cache, cluster=options.cluster, show=options.show)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
