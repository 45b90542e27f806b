"""LeNet-300-100 on MNIST, the first row of the paper's Table 1; and how far the paper's method gets if done patiently.

The network is trained, pruned in many small steps and retrained after each (sections 3 and 3.4), with L2 and dropout
(sections 3.1 and 3.2). The last layer is pruned less than the others, as in the paper. For comparison the trained
network is also pruned at once to some of the same sizes (one-shot), and retrained once. Draws the error against the
ratio, figure/lenet.png, and the pattern of the connections that are left, figure/lenet_pattern.png; writes the first
seed's network at the furthest point without loss to datasets/lenet.npz. Needs the digits (`python -m
datasets.fetch_mnist`).

All settings were chosen on the last 10,000 training digits, held out (--held-out 10000). The test digits were looked
at in the end only.

Time on 2 cores: seven to ten minutes.
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
ONE_SHOT = digits.Stage((0.12, 0.0614, 0.0321, 0.0197, 0.0103), 8, 0.2, 64, 3e-4)

PAPER = {"the paper, unpruned": (1, 1.64), "the paper, pruned": (12, 1.59)}  # ratio, and error in percent: Table 1
PAPER_LAYERS = "the paper (Table 2) keeps 8 % of layer 1, 9 % of layer 2, 26 % of layer 3, and needs 8, 4, 17 % of FLOP"
# As collected by the authors of the last, arXiv 1701.05369.
LATER = {"soft weight-sharing": (23, 1.94), "dynamic network surgery": (56, 1.99),
         "sparse variational dropout": (68, 1.92)}


def keep_share(parameters, share):
    """The masks that keep a share of the connections, by LAYER_FACTORS, and no dead neurons; strongest first."""
    masks = {}
    for l, factor in enumerate(LAYER_FACTORS, start=1):
        W = parameters[f"W{l}"]
        masks[f"W{l}"] = prun_mask.keep_largest(W, max(1, round(min(1, factor * share) * W.size)))
    return prun_mask.without_dead_neurons(masks)


def settings_of(stage, m):
    """The arguments of `nn_functions.minibatch_descent` in a stage, but for the data; m : the number of pictures."""
    iterations = stage.epochs * -(-m // stage.batch)
    return {"learning_rate": nn.half_cosine(stage.learning_rate, iterations), "iterations": iterations,
            "batch": stage.batch, "l2": stage.l2, "momentum": digits.MOMENTUM, "dropout": DROPOUT}


def steps_of(data, parameters, stage, seed):
    """Prune and retrain once for each share of a stage. Returns the parameters after each step."""

    def masks_of(step, parameters):
        return keep_share(parameters, stage.shares[step - 1])

    steps = pruning.prune_iteratively(data, parameters, masks_of, descent=nn.minibatch_descent, seed=seed,
                                      **settings_of(stage, data.X_train.shape[1]))
    return [step.parameters for step in itertools.islice(steps, len(stage.shares))]


def run(folder, held_out, training, retraining, one_shot, seed):
    """Train, prune and retrain in float32. Returns a `digits.Run`."""
    data = mnist.load_mnist(folder, held_out)
    trained, _ = nn.minibatch_descent(data.X_train, data.Y_train, digits.new_parameters(seed), seed=seed,
                                      **settings_of(training, data.X_train.shape[1]))
    iterative = [trained]
    for stage in retraining:
        iterative += steps_of(data, iterative[-1], stage, seed)
    at_once = [parameters for share in one_shot.shares
               for parameters in steps_of(data, trained, one_shot._replace(shares=(share,)), seed)]
    return digits.Run([digits.measure(data, parameters) for parameters in iterative],
               [digits.measure(data, parameters) for parameters in at_once], iterative)


# --------------------------------------------------------------------------------------------------------- results

def medians(points_of_seeds):
    """The median ratio and error at each point; points_of_seeds : for each seed a list of `digits.Point`."""
    return [(np.median([digits.ratio(point) for point in points]), np.median([point.error for point in points]))
            for points in zip(*points_of_seeds)]


def furthest_without_loss(points):
    """The index of the last point whose error is not above that of the first, the unpruned network's."""
    return max(i for i, point in enumerate(points) if point.error <= points[0].error)


def print_points(title, points_of_seeds):
    """Print a row for each step: median ratio, connections left, and the errors' median and range."""
    print(f"\n| {title}: ratio | connections left | test error, median (range) |")
    print("| ---: | ---: | ---: |")
    for points in zip(*points_of_seeds):
        left = np.median([sum(point.left) for point in points])
        print(f"| {np.median([digits.ratio(point) for point in points]):.1f} | {left:.0f} | "
              f"{studies.median_and_range([point.error for point in points])} |")


def print_results(seeds, runs, X):
    """Print the tables; runs : a `digits.Run` for each seed; X : pictures on which activations are counted."""
    print_points("iterative", [result.iterative for result in runs])
    print_points("one-shot", [result.one_shot for result in runs])
    print("\n| reported by others | ratio | test error |\n| --- | ---: | ---: |")
    for name, (times, error) in {**PAPER, **LATER}.items():
        print(f"| {name} | {times} | {error:.2f} % |")
    print()
    for seed, result in zip(seeds, runs):
        unpruned, point = result.iterative[0], result.iterative[furthest_without_loss(result.iterative)]
        print(f"seed {seed}: no loss up to {digits.ratio(point):.1f} times, error {point.error:.2f} % "
              f"(unpruned {unpruned.error:.2f} %)")
    first = runs[0]
    near_12 = min(range(len(first.iterative)), key=lambda i: abs(digits.ratio(first.iterative[i]) - 12))
    for at in sorted({near_12, furthest_without_loss(first.iterative)}):
        print(f"\nseed {seeds[0]}, {digits.ratio(first.iterative[at]):.1f} times:")
        prun_parameters.print_layer_table(prun_parameters.layer_table(first.parameters[at], X))
    print(f"\n{PAPER_LAYERS}")


def draw(runs, path, show=False):
    """Draw the error against the ratio; runs : a `digits.Run` for each seed."""
    plt = drawing.pyplot(show)
    figure, axes = plt.subplots(figsize=(9, 5.5), layout="constrained")
    for kind, color, style in (("iterative", "C0", "-"), ("one_shot", "C1", "--")):
        points_of_seeds = [getattr(result, kind) for result in runs]
        for points in points_of_seeds:
            axes.plot([digits.ratio(point) for point in points], [point.error for point in points], style, color=color,
                      linewidth=0.7, alpha=0.5)
        axes.plot(*zip(*medians(points_of_seeds)), f"o{style}", color=color, linewidth=2.2, markersize=4,
                  label=f"{kind.replace('_', '-')}, median of {len(runs)} seeds")
    axes.plot(*zip(*PAPER.values()), "*", color="C3", markersize=12, label="the paper: unpruned, and 12 times fewer")
    for (name, (times, error)), marker in zip(LATER.items(), "sD^"):
        axes.plot(times, error, marker, color="0.35", markersize=7, label=name)
    axes.set(xscale="log", xlabel="ratio: connections of the unpruned network / connections left",
             ylabel="error on the test digits (%)", ylim=(1, 4), title="LeNet-300-100 on MNIST, pruned and retrained")
    ticks = [1, 2, 4, 8, 12, 20, 40, 80, 150, 300]
    axes.set_xticks(ticks, [f"{tick}×" for tick in ticks])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left", frameon=False)
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


def study(folder, figures, export, seeds=digits.SEEDS, training=TRAINING, retraining=RETRAINING, one_shot=ONE_SHOT,
          held_out=0, cache=None, cluster=None, show=False):
    """Train, prune and retrain with each seed; print the tables, export a network and draw. Raises InputError.

    folder : of the digits; figures : the folder for the figures; export : the file that the network is written to
    training, retraining, one_shot : a `digits.Stage`, several, and one; held_out : see `mnist.load_mnist`
    cache : None, or the folder that keeps the result of each seed
    """
    data = mnist.load_mnist(folder, held_out)
    run_of_seed = functools.partial(joblib.Memory(cache, verbose=0).cache(run), os.path.abspath(folder), held_out,
                                    training, retraining, one_shot)
    runs = studies.in_parallel(run_of_seed, seeds, "seeds", cluster)

    print_results(seeds, runs, data.X_test)
    best = runs[0].parameters[furthest_without_loss(runs[0].iterative)]
    networks.export_parameters(export, best)
    exported = networks.load_parameters(export, digits.SIZES[0], digits.SIZES[-1])
    print(f"\nnetwork exported: {export}, {os.path.getsize(export)} bytes, error "
          f"{digits.measure(data, exported).error:.2f} %")
    draw(runs, f"{figures}/lenet.png", show)
    draw_pattern(best, data.X_train, f"{figures}/lenet_pattern.png", show)


@user_input.exit_status
def main(argv=()):
    parser = digits.make_parser(__doc__.splitlines()[0])
    parser.add_path("--export", EXPORT, "FILE.npz", "the first seed's network at the furthest point without loss")
    options = parser.parse_args(argv)
    files.check_folder(options.figures)
    files.check_file(options.export)
    study(options.data, options.figures, options.export, range(1, options.seeds + 1), held_out=options.held_out,
          cache=options.cache, cluster=options.cluster, show=options.show)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
