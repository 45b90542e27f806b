"""What the studies on MNIST share: the network LeNet-300-100, how networks are pruned and measured, their tables and
figure, and the command line.
"""

import os
from typing import NamedTuple

import numpy as np

import nn_functions as nn
import prun_mask
import prun_parameters
from datasets import files, mnist, networks, user_input
from figure import drawing
from figure.results import median_and_range

SIZES = (784, 300, 100, 10)
WEIGHTS = sum(rows * columns for rows, columns in zip(SIZES, SIZES[1:]))
SEEDS = (1, 2, 3, 4, 5)
MOMENTUM = 0.9
STEP_BY_STEP = ("iterative", "low rate")  # lines of the studies, of which each job gives the networks of all steps


class Point(NamedTuple):
    """A network of a run."""

    left: tuple  # the number of connections of each layer
    error: float  # in percent


# The next two are for `figure.lenet` and `figure.lenet5`. They are here because what is kept in a --cache is found by
# the name of its class, and a script that is run has no other name than "__main__".

class Stage(NamedTuple):
    """How the network is trained, or retrained after each of several steps of pruning."""

    shares: tuple  # of the connections that the steps keep, before the factors of the layers; training has none
    epochs: int
    learning_rate: float  # falls to 0 along half a cosine in every training and retraining
    batch: int
    l2: float


class Run(NamedTuple):
    """What a job of a study gives."""

    points: list  # of `Point`, a network each
    parameters: list  # of these networks, where they are asked for


class Results(NamedTuple):
    """What the jobs of a study found, for its tables and its figure."""

    points: dict  # from a job, (line, seed, share of a control's size or None), to a list of `Point`
    lines: dict  # from the name of a line to its style and what it is
    shares: tuple  # the sizes with controls
    training: Stage
    retraining: tuple  # of `Stage`
    weights: int  # of the unpruned network
    what: str  # whose error it is


def new_parameters(seed, sizes=SIZES):
    """A network before training, in float32."""
    return {name: value.astype(np.float32) for name, value in nn.initialize_parameters(sizes, seed, "he").items()}


def measure(data, parameters, layers_of=None):
    """The `Point` of a network; layers_of : see `nn_functions.activations`."""
    left = tuple(np.count_nonzero(parameters[f"W{l}"]) for l in range(1, nn.number_of_layers(parameters) + 1))
    return Point(left, 100 - nn.accuracy(nn.predict(data.X_test, parameters, layers_of), data.Y_test))


def ratio(point, weights=WEIGHTS):
    """How many times fewer connections there are than in the unpruned network, which has so many weights."""
    return weights / sum(point.left)


# --------------------------------------------------------------------------------------------- training and pruning

def keep_fraction(parameters, fraction, factors):
    """The masks that keep each layer's factor times a fraction of its connections (at most all), the strongest.

    Without dead neurons.
    """
    masks = {}
    for l, factor in enumerate(factors, start=1):
        W = parameters[f"W{l}"]
        number = min(np.count_nonzero(W), max(1, round(min(1, factor * fraction) * W.size)))
        masks[f"W{l}"] = prun_mask.keep_largest(np.abs(W), number, among=W != 0)
    return prun_mask.without_dead_neurons(masks)


def settings_of(stage, m, seed, dropout):
    """The arguments of a mini-batch descent in a stage, but for the data; m : the number of pictures."""
    iterations = stage.epochs * -(-m // stage.batch)
    return {"learning_rate": nn.half_cosine(stage.learning_rate, iterations), "iterations": iterations, "seed": seed,
            "batch": stage.batch, "l2": stage.l2, "momentum": MOMENTUM, "dropout": dropout}


def step_of(share, retraining):
    """The index of the network that keeps a share, in the iterative line."""
    return 1 + [at for stage in retraining for at in stage.shares].index(share)


def epochs_until(share, training, retraining):
    """How many epochs the iterative network has been trained when it is retrained at a share."""
    epochs_of = [(at, stage.epochs) for stage in retraining for at in stage.shares]
    return training.epochs + sum(epochs for _, epochs in epochs_of[:step_of(share, retraining)])


# --------------------------------------------------------------------------------------------------- tables, figure

def heading(what, number):
    """The head of a column of `median_and_range` of so many values."""
    return f"{what}, median (range)" if number > 1 else what


def print_points(results, line):
    """Print a row for each step: median ratio, connections left, in all and by layer, and the errors."""
    runs = [points for job, points in results.points.items() if job[0] == line]
    print(f"\n{results.lines[line][1]}; seeds: {len(runs)}\n\n| ratio | connections left | by layer | "
          f"{heading(results.what, len(runs))} |\n| ---: | ---: | --- | ---: |")
    for points in zip(*runs):
        times = np.median([ratio(point, results.weights) for point in points])
        by_layer = ", ".join(f"{left:.0f}" for left in np.median([point.left for point in points], axis=0))
        print(f"| {times:.1f} | {np.median([sum(point.left) for point in points]):.0f} | {by_layer} | "
              f"{median_and_range([point.error for point in points])} |")


def at_control(results, line, share):
    """The points of a line at the size of a control, a dict from seed to `Point`."""
    step = step_of(share, results.retraining) if line in STEP_BY_STEP else 0
    return {job[1]: found[step] for job, found in results.points.items()
            if job[0] == line and (line in STEP_BY_STEP or job[2] == share)}


def median_ratio(results, share):
    """The median ratio of the iterative line at the size of a control."""
    return np.median([ratio(point, results.weights) for point in at_control(results, "iterative", share).values()])


def print_controls(results):
    """Print the table of the sizes with controls, a row for each line."""
    print("\n" + "\n".join(f"{line}: {text}" for line, (_, text) in results.lines.items()))
    ratios = [f"{median_ratio(results, share):.1f} times" for share in results.shares]
    epochs = [str(epochs_until(share, results.training, results.retraining)) for share in results.shares]
    print(f"\n| {results.what} | seeds | {' | '.join(ratios)} |\n| --- | ---: |{' ---: |' * len(ratios)}\n"
          f"| epochs | | {' | '.join(epochs)} |")
    found = {line: [at_control(results, line, share) for share in results.shares] for line in results.lines}
    for line, at in found.items():
        cells = [median_and_range([point.error for point in points.values()]) for points in at]
        print(f"| {line} | {len(at[0])} | {' | '.join(cells)} |")
    print("\nerror of the pruned network less that of the unpruned one trained as long, seed by seed, in points:")
    for times, pruned, as_long in zip(ratios, found["iterative"], found["as long"]):
        print(f"{times}: " + ", ".join(f"{pruned[seed].error - point.error:+.2f}" for seed, point in as_long.items()))


def print_results(results, paper, later):
    """Print the tables; paper, later : what others report, from a name to ratio and error, and to year, ratio, error.
    """
    for line in STEP_BY_STEP:
        print_points(results, line)
    print_controls(results)
    print("\n| reported by others | year | ratio | error |\n| --- | ---: | ---: | ---: |")
    for name, (year, times, error) in {**{name: (2015, *point) for name, point in paper.items()}, **later}.items():
        print(f"| {name} | {year} | {times} | " + (error if isinstance(error, str) else f"{error:.2f} %") + " |")


def print_layers(seed, run, exported, weights, table_of, paper):
    """Print the tables by layer of a seed's network nearest to 12 times, as the paper's, and of the exported one.

    run : the `Run` of its iterative line; exported : the index of the step; weights : of the unpruned network
    table_of : makes the table of a network, see `prun_parameters.layer_table`; paper : the paper's table, in words
    Returns the index of the step nearest to 12 times.
    """
    ratios = [ratio(point, weights) for point in run.points]
    near_12 = int(np.abs(np.array(ratios) - 12).argmin())
    for at in sorted({near_12, exported}):
        print(f"\nseed {seed}, {ratios[at]:.1f} times:")
        prun_parameters.print_layer_table(table_of(run.parameters[at]))
    print(f"\n{paper}")
    return near_12


def print_export(path, parameters, point):
    """Print how large the file of an exported network is, and its error."""
    bits, overhead = networks.index_storage(parameters)
    print(f"\nnetwork exported: {path}, {os.path.getsize(path)} bytes, error {point.error:.2f} %\n"
          f"bits of an index, layer by layer: {', '.join(map(str, bits))}; overhead {overhead:.1f} %")


def draw(results, paper, later, name, ylim, ticks, path, show=False):
    """Draw the error against the ratio.

    paper, later : see `print_results`; name : of the network; ylim : of the errors; ticks : of the ratios
    """
    figure, axes = drawing.subplots(figsize=(9, 6), layout="constrained")
    for line, (style, label) in results.lines.items():
        if line in STEP_BY_STEP:
            runs = [[(ratio(point, results.weights), point.error) for point in found]
                    for job, found in results.points.items() if job[0] == line]
            for curve in runs:
                axes.plot(*zip(*curve), style[:2] + style[3:], linewidth=0.6, alpha=0.5)
            number, curve = len(runs), np.median(runs, axis=0)
        else:
            at = [at_control(results, line, share).values() for share in results.shares]
            places = [median_ratio(results, share) for share in results.shares]
            for place, found in zip(places, at):
                axes.plot([place] * len(found), [point.error for point in found], style[:3], markersize=3, alpha=0.5)
            number, curve = len(at[0]), [(place, np.median([point.error for point in found]))
                                         for place, found in zip(places, at)]
        axes.plot(*zip(*curve), style, linewidth=2, markersize=5,
                  label=f"{label}: median of {number}" if number > 1 else label)
    axes.plot(*zip(*paper.values()), "*", color="C3", markersize=12, label="the paper (2015): unpruned, and 12 times")
    for (method, (year, times, error)), marker in zip(later.items(), "sD^"):
        axes.plot(times, error, marker, color="0.35", markersize=7, label=f"{method} ({year})")
    axes.set(xscale="log", xlabel="ratio: connections of the unpruned network / connections left",
             ylabel=f"{results.what} (%)", ylim=ylim, title=f"{name} on MNIST; thin lines and small marks: each seed")
    axes.set_xticks(ticks, [f"{tick}×" for tick in ticks])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left", frameon=False, fontsize=8)
    drawing.save_figure(figure, path, show)


# ------------------------------------------------------------------------------------------------- the command line

def add_run_options(parser, seeds=None):
    """The options of a study of many runs, side by side; seeds : what --seeds counts, if the study has seeds."""
    if seeds:
        parser.add_argument("--seeds", type=user_input.integer(1, 100_000), default=len(SEEDS), metavar="N",
                            help=f"how many seeds: {seeds}")
    parser.add_argument("--cache", type=user_input.path, metavar="DIR",
                        help="keep the result of each seed in this folder as soon as it is there, and take from it "
                             "what an interrupted study left; delete the folder after a change of the code or data")
    parser.add_argument("--cluster", type=user_input.path, metavar="ADDRESS",
                        help="run on the Dask cluster of this scheduler")


def make_parser(description, export=None):
    """The command line of a study on MNIST; export : None, or the file that it writes a network to."""
    parser = user_input.ArgumentParser(description)
    parser.add_path("--data", mnist.MNIST, "DIR", "the digits")
    parser.add_argument("--held-out", type=user_input.integer(), default=0, metavar="N",
                        help="judge by the last N training digits, which are held out, and not by the test digits")
    parser.add_path("--figures", "figure", "DIR", "folder for the figures")
    parser.add_argument("--show", action="store_true", help="show the figures in a window, too")
    add_run_options(parser, "1 to N")
    if export:
        parser.add_argument("--export", type=user_input.path, metavar="FILE.npz",
                            help="the first seed's network at the size chosen on held-out digits "
                                 f"(default: {export}, beside the figures if they are elsewhere, with --held-out none)")
    return parser


def parse_options(argv, description, export):
    """The command line of a study that exports a network. Raises InputError where it cannot be written."""
    parser = make_parser(description, export)
    options = parser.parse_args(argv)
    files.check_folder(options.figures)
    if options.export is None and not options.held_out:
        recorded = options.figures == parser.get_default("figures")
        options.export = (user_input.default_path(export) if recorded
                          else os.path.join(options.figures, os.path.basename(export)))
    if options.export:
        files.check_file(options.export)
    return options


def describe_error(held_out):
    """Whose error a study measures, for its tables."""
    return f"error on {held_out} held-out digits" if held_out else "error on the test digits"
