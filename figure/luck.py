"""Does magnitude tell which weights matter? Two starts, pruned by magnitude and, the control, at random.

With the recorded start (--init original, hidden layers of 5, 4, 3 and 2 units) training changes a weight by a small
part of what it was drawn as, so its magnitude tells its luck at the start. With --init he --layers 16 8 a weight starts
smaller. Prints and draws both: the change beside the start, and cost and accuracy against the degree: figure/luck.png.

Time on 2 cores: five to ten minutes.
"""

import functools
import itertools
import os
import sys
from typing import NamedTuple

import numpy as np

import nn_functions as nn
import nn_main
from datasets import files, user_input
from figure import drawing, studies

STEPS = (39, 80)  # of 5 %, after which the networks are compared
DRAWS = 8  # at random, of each network


class Start(NamedTuple):
    """What training begins with."""

    init: str
    layers: list
    seeds: tuple


STARTS = {"original 5-4-3-2": Start("original", nn_main.LAYERS, studies.SEEDS),
          "he 16-8": Start("he", [16, 8], (1, 2, 3, 4, 5))}


def first_and_change(start, trained):
    """How large the weights of layer 1 were at first, and how much training changed them, of each seed.

    trained : a dict from seed to parameters
    Returns an array of shape (seeds, 2, n_1, n_x).
    """
    pairs = []
    for seed, parameters in trained.items():
        first = nn.initialize_parameters(nn.layer_sizes(parameters), seed, start.init)["W1"]
        pairs.append((np.abs(first), np.abs(parameters["W1"] - first)))
    return np.array(pairs)


def print_weights(weights):
    """Print how large a weight is at the start, and its change; weights : a dict from start to `first_and_change`."""
    print("| start | median weight at the start, median of the seeds (range) | median change by training |")
    print("| --- | ---: | ---: |")
    for name, pairs in weights.items():
        medians = np.median(pairs, axis=(2, 3)).T
        first, change = (studies.median_and_range(values, "{:.4f}", "") for values in medians)
        print(f"| {name} | {first} | {change} |")


def print_runs(runs, step):
    """Print each network after a step.

    runs : a dict from start to a dict from seed to an array of shape (1 + draws, steps + 1, ...), see `studies.prune`:
        by magnitude, then each draw
    """
    degrees = [f"{name} {next(iter(networks.values()))[0, step, 0]:.1f} %" for name, networks in runs.items()]
    print(f"\nafter step {step}, pruned: {', '.join(degrees)}\n"
          "by magnitude, and at random: median (range) of the draws")
    for form, columns in (("{:.4f}", {"cost": 1}), ("{:.2f}", {"training accuracy (%)": 2, "test accuracy (%)": 3})):
        print(f"| start | seed | {' | at random | '.join(columns)} | at random |\n| --- |"
              + " ---: |" * (1 + 2 * len(columns)))
        for name, networks in runs.items():
            for seed, values in networks.items():
                cells = [(form.format(values[0, step, k]), studies.median_and_range(values[1:, step, k], form, ""))
                         for k in columns.values()]
                print(f"| {name} | {seed} | {' | '.join(itertools.chain(*cells))} |")
    for name, networks in runs.items():
        costs = np.array(list(networks.values()))[:, :, step, 1]  # (seeds, 1 + draws)
        lower = (costs[:, 1:] < costs[:, :1]).sum()
        print(f"{name}: {lower} of {costs[:, 1:].size} draws have a lower cost than the same network by magnitude")


def draw(weights, runs, path, show=False):
    """Draw both starts side by side; for the arguments see `print_weights` and `print_runs`."""
    plt = drawing.pyplot(show)
    figure, panels = plt.subplots(3, 2, figsize=(9, 9), sharex="row", sharey="row", layout="constrained")
    for (name, networks), column in zip(runs.items(), panels.T):
        for magnitudes, label in zip(weights[name].swapaxes(0, 1), ("at the start", "change by training")):
            logarithms = np.log10(np.maximum(magnitudes, 1e-9)).ravel()
            column[0].hist(logarithms, bins=120, range=(-6, 0), density=True, histtype="step", label=label)
        column[0].set_title(f"{name}, {len(networks)} seeds", pad=24)
        column[0].set_xlabel("magnitude of a weight of layer 1")
        column[0].set_xticks(range(-6, 1, 2), [f"$10^{{{power}}}$" for power in range(-6, 1, 2)])
        values = np.array(list(networks.values()))  # (seeds, 1 + draws, steps + 1, ...)
        left = 100 - values[0, 0, :, 0]
        for axes, k in zip(column[1:], (1, 3)):
            for chosen, label, colour in ((values[:, :1], "by magnitude", "C0"), (values[:, 1:], "at random", "C3")):
                curves = chosen[..., k].reshape(-1, len(left))
                axes.plot(left, np.median(curves, axis=0), color=colour, linewidth=2, label=label)
                axes.fill_between(left, *np.percentile(curves, (0, 100), axis=0), color=colour, alpha=0.15, linewidth=0)
            axes.grid(alpha=0.3)
        column[1].set_yscale("log")
        degrees = [0, 50, 80, 90, 95, 98]
        for axes in column[1:]:
            axes.set(xscale="log", xlim=(100, left[-1]), xlabel="pruning degree (%)")
            axes.set_xticks([100 - degree for degree in degrees], [f"{degree:g}" for degree in degrees])
            axes.xaxis.minorticks_off()
        for axes in column[:2]:
            axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, frameon=False, fontsize=9)
    for axes, label in zip(panels[:, 0], ("density", "cost on the training pictures", "test accuracy (%)")):
        axes.set_ylabel(label)
    figure.suptitle("Pruned by magnitude and at random: median and range of all seeds and draws")
    drawing.save_figure(figure, path, show)


def study(data_file, figures, starts=STARTS, iterations=nn_main.ITERATIONS, steps=STEPS, draws=DRAWS, cluster=None,
          show=False):
    """Train the networks, prune them, print the tables and draw the figure. Raises InputError.

    figures : the folder for the figure; starts : as STARTS; iterations : of training
    steps, draws : as STEPS and DRAWS
    """
    hows = [studies.Pruning(max(steps), draw=number or None) for number in range(draws + 1)]
    weights, jobs = {}, []
    for name, start in starts.items():
        trained = studies.trained_networks(data_file, start.seeds, iterations, cluster, start.init, start.layers)
        weights[name] = first_and_change(start, trained)
        jobs += [(seed, parameters, how) for seed, parameters in trained.items() for how in hows]
    results = iter(studies.in_parallel(functools.partial(studies.prune, data_file), jobs, cluster=cluster))
    runs = {name: {seed: np.array([next(results) for _ in hows]) for seed in start.seeds}
            for name, start in starts.items()}

    print_weights(weights)
    for step in steps:
        print_runs(runs, step)
    draw(weights, runs, f"{figures}/luck.png", show)


@user_input.exit_status
def main(argv=()):
    parser = studies.make_parser(__doc__.splitlines()[0])
    studies.add_run_options(parser)
    options = parser.parse_args(argv)
    files.check_folder(options.figures)
    study(os.path.join(user_input.PROJECT, nn_main.DATA), options.figures, cluster=options.cluster, show=options.show)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
