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
import prun_mask
import prun_parameters
import pruning
from datasets import files, mnist, networks, user_input
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
CONTROL_SEEDS = 2  # the first ones, at most
LINES = {"iterative": ("C0o-", "pruned step by step, high rate at each retraining"),
         "low rate": ("C2v-", "the same at a tenth of the rate, as the paper retrains"),
         "one-shot": ("C1s--", "pruned at once, retrained as long"),
         "as long": ("C4D:", "unpruned, trained as long"),
         "as small": ("C5^:", "dense and as small from the start, trained as long")}

PAPER = {"the paper, unpruned": (1, 1.64), "the paper, pruned": (12, 1.59)}  # ratio, and error in percent: Table 1
PAPER_LAYERS = "the paper (Table 2) keeps 8 % of layer 1, 9 % of layer 2, 26 % of layer 3, and needs 8, 4, 17 % of FLOP"
# As collected by the authors of the last, arXiv 1701.05369: year, ratio, error in percent.
LATER = {"soft weight-sharing": (2017, 23, 1.94), "dynamic network surgery": (2016, 56, 1.99),
         "sparse variational dropout": (2017, 68, 1.92)}


def keep_share(parameters, share):
    """The masks that keep a share of the connections, by LAYER_FACTORS, and no dead neurons; strongest first."""
    masks = {}
    for l, factor in enumerate(LAYER_FACTORS, start=1):
        W = parameters[f"W{l}"]
        masks[f"W{l}"] = prun_mask.keep_largest(W, max(1, round(min(1, factor * share) * W.size)))
    return prun_mask.without_dead_neurons(masks)


def settings_of(stage, m, seed=1):
    """The arguments of `nn_functions.minibatch_descent` in a stage, but for the data; m : the number of pictures."""
    iterations = stage.epochs * -(-m // stage.batch)
    return {"learning_rate": nn.half_cosine(stage.learning_rate, iterations), "iterations": iterations, "seed": seed,
            "batch": stage.batch, "l2": stage.l2, "momentum": digits.MOMENTUM, "dropout": DROPOUT}


def train(data, stage, seed, sizes=digits.SIZES, **more):
    """A trained network; more : arguments of the descent other than those of the stage."""
    settings = {**settings_of(stage, data.X_train.shape[1], seed), **more}
    return nn.minibatch_descent(data.X_train, data.Y_train, digits.new_parameters(seed, sizes), **settings)[0]


def prune_in_steps(data, parameters, stages, seed):
    """Prune and retrain, once for each share of each stage. Returns the parameters before, and after each step."""
    found = [parameters]
    for stage in stages:

        def masks_of(step, before, shares=stage.shares):
            return keep_share(before, shares[step - 1])

        steps = pruning.prune_iteratively(data, found[-1], masks_of, descent=nn.minibatch_descent,
                                          **settings_of(stage, data.X_train.shape[1], seed))
        found += [step.parameters for step in itertools.islice(steps, len(stage.shares))]
    return found


def step_of(share, retraining):
    """The index of the network that keeps a share, in the iterative line."""
    return 1 + [at for stage in retraining for at in stage.shares].index(share)


def epochs_until(share, training, retraining):
    """How many epochs the iterative network has been trained when it is retrained at a share."""
    epochs_of = [(at, stage.epochs) for stage in retraining for at in stage.shares]
    return training.epochs + sum(epochs for _, epochs in epochs_of[:step_of(share, retraining)])


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
        epochs = epochs_until(share, training, retraining)
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

def print_points(line, points_of_seeds, what):
    """Print a row for each step: median ratio, connections left, and the errors' median and range."""
    print(f"\n| {LINES[line][1]} ({len(points_of_seeds)} seeds): ratio | connections left | {what}, median (range) |")
    print("| ---: | ---: | ---: |")
    for points in zip(*points_of_seeds):
        left = np.median([sum(point.left) for point in points])
        print(f"| {np.median([digits.ratio(point) for point in points]):.1f} | {left:.0f} | "
              f"{studies.median_and_range([point.error for point in points])} |")


def at_control(points, line, share, retraining):
    """The points of a line at the size of a control, a dict from seed to `digits.Point`."""
    step = step_of(share, retraining) if line in ("iterative", "low rate") else 0
    return {job[1]: found[step] for job, found in points.items() if job[0] == line and job[2] in (None, share)}


def print_controls(points, controls, training, retraining, what):
    """Print the table of the sizes with controls; points : a dict from job to a list of `digits.Point`."""
    seeds = {line: len(at_control(points, line, next(iter(controls)), retraining)) for line in LINES}
    print(f"\n| {what}, median (range) | epochs | "
          + " | ".join(f"{text} ({seeds[line]} seeds)" for line, (_, text) in LINES.items()) + " |")
    print("| --- | ---: |" + " ---: |" * len(LINES))
    differences = []
    for share in controls:
        at = {line: at_control(points, line, share, retraining) for line in LINES}
        times = np.median([digits.ratio(point) for point in at["iterative"].values()])
        cells = [studies.median_and_range([point.error for point in found.values()]) for found in at.values()]
        print(f"| {times:.1f} times | {epochs_until(share, training, retraining)} | " + " | ".join(cells) + " |")
        less = [f"{at['iterative'][seed].error - point.error:+.2f}" for seed, point in at["as long"].items()]
        differences.append(f"{times:.1f} times: {', '.join(less)}")
    print("\nerror of the pruned network less that of the unpruned one trained as long, seed by seed, in points:\n"
          + "; ".join(differences))


def print_results(points, controls, training, retraining, what):
    """Print the tables; points : a dict from job to a list of `digits.Point`; what : whose error it is."""
    for line in ("iterative", "low rate"):
        print_points(line, [found for job, found in points.items() if job[0] == line], what)
    print_controls(points, controls, training, retraining, what)
    print("\n| reported by others | year | ratio | error |\n| --- | ---: | ---: | ---: |")
    for name, row in {**{name: (2015, *point) for name, point in PAPER.items()}, **LATER}.items():
        print("| {} | {} | {} | {:.2f} % |".format(name, *row))


def print_layers(seed, iterative, parameters, exported, X):
    """Print the tables by layer of a seed's network: the one nearest to 12 times, and the one that is exported.

    iterative, parameters : its points and networks; exported : the index; X : pictures on which activations are counted
    """
    near_12 = min(range(len(iterative)), key=lambda i: abs(digits.ratio(iterative[i]) - 12))
    for at in sorted({near_12, exported}):
        print(f"\nseed {seed}, {digits.ratio(iterative[at]):.1f} times:")
        prun_parameters.print_layer_table(prun_parameters.layer_table(parameters[at], X))
    print(f"\n{PAPER_LAYERS}")


def draw(points, controls, retraining, what, path, show=False):
    """Draw the error against the ratio; for the arguments see `print_results`."""
    plt = drawing.pyplot(show)
    figure, axes = plt.subplots(figsize=(9, 6), layout="constrained")
    for line, (style, label) in LINES.items():
        runs = [[(digits.ratio(point), point.error) for point in found] for job, found in points.items()
                if job[0] == line]
        if line in ("iterative", "low rate"):
            for curve in runs:
                axes.plot(*zip(*curve), style[:2] + style[3:], linewidth=0.6, alpha=0.5)
            number, curve = len(runs), np.median(runs, axis=0)
        else:
            at = [at_control(points, line, share, retraining).values() for share in controls]
            places = [np.median([digits.ratio(point) for point in at_control(points, "iterative", share, retraining)
                                .values()]) for share in controls]
            for place, found in zip(places, at):
                axes.plot([place] * len(found), [point.error for point in found], style[:3], markersize=3, alpha=0.5)
            number, curve = len(at[0]), [(place, np.median([point.error for point in found]))
                                         for place, found in zip(places, at)]
        axes.plot(*zip(*curve), style, linewidth=2, markersize=5, label=f"{label}: median of {number}")
    axes.plot(*zip(*PAPER.values()), "*", color="C3", markersize=12, label="the paper (2015): unpruned, and 12 times")
    for (name, (year, times, error)), marker in zip(LATER.items(), "sD^"):
        axes.plot(times, error, marker, color="0.35", markersize=7, label=f"{name} ({year})")
    axes.set(xscale="log", xlabel="ratio: connections of the unpruned network / connections left",
             ylabel=f"{what} (%)", ylim=(1, 4), title="LeNet-300-100 on MNIST; thin lines and small marks: each seed")
    ticks = [1, 2, 4, 8, 12, 20, 40, 80, 150, 300]
    axes.set_xticks(ticks, [f"{tick}×" for tick in ticks])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left", frameon=False, fontsize=8)
    drawing.save_figure(figure, path, show)


def draw_pattern(parameters, X, path, show=False):
    """Draw which connections of layer 1 are left, as the paper's Fig. 4, and how many each pixel has; X : pictures."""
    plt = drawing.pyplot(show)
    connections = parameters["W1"] != 0
    connections = connections[connections.any(axis=1)]
    title = f"the {np.count_nonzero(connections)} connections of layer 1 that are left, at {len(connections)} units"
    figure = plt.figure(figsize=(10, 6.6), layout="constrained")
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

    folder : of the digits; figures : the folder for the figures; export : the file that the network is written to
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
    results = dict(zip(jobs, studies.in_parallel(do, jobs, "networks", cluster)))

    what = f"error on {held_out} held-out digits" if held_out else "error on the test digits"
    points = {job: result.points for job, result in results.items()}
    print_results(points, controls, training, retraining, what)
    first, at = results["iterative", seeds[0], None], step_of(exported_share, retraining)
    print_layers(seeds[0], first.points, first.parameters, at, data.X_test)
    networks.export_parameters(export, first.parameters[at])
    exported = networks.load_parameters(export, digits.SIZES[0], digits.SIZES[-1])
    bits, overhead = networks.index_storage(exported)
    print(f"\nnetwork exported: {export}, {os.path.getsize(export)} bytes, error "
          f"{digits.measure(data, exported).error:.2f} %; bits of an index, layer by layer: "
          f"{', '.join(map(str, bits))}; overhead {overhead:.1f} %")
    draw(points, controls, retraining, what, f"{figures}/lenet.png", show)
    draw_pattern(first.parameters[at], data.X_train, f"{figures}/lenet_pattern.png", show)


@user_input.exit_status
def main(argv=()):
    parser = digits.make_parser(__doc__.splitlines()[0])
    parser.add_path("--export", EXPORT, "FILE.npz", "the first seed's network at the size chosen on held-out digits")
    options = parser.parse_args(argv)
    files.check_folder(options.figures)
    files.check_file(options.export)
    study(options.data, options.figures, options.export, range(1, options.seeds + 1), held_out=options.held_out,
          cache=options.cache, cluster=options.cluster, show=options.show)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
