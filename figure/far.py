"""How far can the network be pruned? Cost and accuracy against the pruning degree up to 99.9 %, for several seeds.

The control: as many connections of each layer are removed, drawn at random instead of by magnitude. And which layers
limit it: all layers are pruned, as in the recorded run; only layer 1; and only layers 2 to 4, half of them at a step,
because 5 % of so few weights soon are less than one. Draws each seed and the median of the seeds, along the connections
that are left, on a logarithmic scale: figure/far.png.

Time on 2 cores: two to four minutes.
"""

import functools
import itertools
import os
import sys

import numpy as np

import nn_main
import pruning
from datasets import files, user_input
from figure import drawing, studies

STEPS = 168  # of 5 %; the last with anything left to prune
TOLERANCE = 2  # points of training accuracy
DEGREES = (0, 51, 80, 90, 95, 99, 99.5, 99.8, 99.9)  # percent, at which the medians are printed
CASES = {"all layers": studies.Pruning(STEPS),
         "all layers, at random": studies.Pruning(STEPS, draw=1),
         "layer 1 alone": studies.Pruning(STEPS, layers=("W1",)),
         "layers 2 to 4 alone": studies.Pruning(6, 50, ("W2", "W3", "W4"))}


def where_lost(degree, accuracy):
    """List the degrees at which more than TOLERANCE points of the unpruned accuracy are lost, and the lowest accuracy.

    degree, accuracy : before and after each step, shape (steps + 1,)
    """
    stretches = []
    for lost, steps in itertools.groupby(range(len(degree)), lambda step: accuracy[step] < accuracy[0] - TOLERANCE):
        if lost:
            steps = list(steps)
            first, last = steps[0], steps[-1]
            until = f" to {degree[last]:.3f}" if last > first else ""
            stretches.append(f"{degree[first]:.3f}{until} ({accuracy[first:last + 1].min():.2f})")
    return stretches or ["never"]


def print_runs(case, runs):
    """Print, for each seed, how a case ends, and where more than TOLERANCE points are lost; last, for their median.

    runs : a dict from seed to what `run` returned
    """
    print(f"\npruned: {case}\n"
          "        training / test accuracy (%)                      highest  "
          f"degrees that lose over {TOLERANCE} points\n"
          "seed    unpruned         in the end          connections     cost  of training accuracy (lowest)")
    for seed, values in {**runs, "median": np.median(list(runs.values()), axis=0)}.items():
        degree, cost, train, test = values[:, :4].T
        connections = "-".join(f"{number:.0f}" for number in values[-1, 4:])
        stretches = f"\n{'':67}".join(where_lost(degree, train))
        print(f"{seed:6}  {train[0]:6.2f} / {test[0]:6.2f}  {train[-1]:6.2f} / {test[-1]:6.2f}  {connections:>14}  "
              f"{cost.max():7.2f}  {stretches}")


def print_medians(case, values, steps):
    """Print the median of the seeds and their range after some steps; values : an array (seeds, steps + 1, ...)."""
    print(f"\npruned: {case}\n| degree | connections left | training accuracy, median (range) | "
          "test accuracy, median (range) |")
    print("| ---: | ---: | ---: | ---: |")
    for step in steps:
        connections = "-".join(f"{number:.0f}" for number in values[0, step, 4:])
        accuracies = map(studies.median_and_range, values[:, step, 2:4].T)
        print(f"| {values[0, step, 0]:.3f} % | {connections} | {' | '.join(accuracies)} |")


def draw(values, path, show=False):
    """Draw the runs; values : a dict from case to an array of shape (seeds, steps + 1, 4 + L - 1), see `run`."""
    plt = drawing.pyplot(show)
    figure, panels = plt.subplots(3, figsize=(8, 9), sharex=True, layout="constrained")
    labels = ("cost on the training pictures", "training accuracy (%)", "test accuracy (%)")
    for k, (axes, label) in enumerate(zip(panels, labels), start=1):
        for case, style in (("all layers", "C0-"), ("all layers, at random", "C3-"), ("layer 1 alone", "C0--")):
            left = 100 - values[case][0, :, 0]  # the same for all seeds, as only the sizes of the layers decide it
            curves = values[case][:, :, k]
            median, = axes.plot(left, np.median(curves, axis=0), style, linewidth=2, label=f"{case}: median")
            if case != "layer 1 alone":
                lines = axes.plot(left, curves.T, color=median.get_color(), linewidth=0.6, alpha=0.6)
                lines[0].set_label("each seed")
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
    panels[0].set_yscale("log")
    panels[0].legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, frameon=False, fontsize=9)
    degrees = [0, 50, 80, 90, 95, 98, 99, 99.5, 99.8, 99.9]
    panels[2].set(xscale="log", xlim=(100, 0.09), xlabel="pruning degree (%)")
    panels[2].set_xticks([100 - degree for degree in degrees], [f"{degree:g}" for degree in degrees])
    panels[2].minorticks_off()
    seeds, points, _ = values["all layers"].shape
    figure.suptitle(f"Prune {pruning.PERCENT:g} % and retrain, {points - 1} times, {seeds} seeds")
    drawing.save_figure(figure, path, show)


def study(data_file, figures, seeds=studies.SEEDS, iterations=nn_main.ITERATIONS, cases=CASES, perturbation=0.0,
          cluster=None, show=False):
    """Train the networks, prune them, print the tables and draw the figure. Raises InputError.

    figures : the folder for the figure; seeds, iterations : of training, see `studies.trained_networks`
    cases : as CASES, with at least its first and its last; perturbation : is added to the first bias of each network
    """
    trained = studies.trained_networks(data_file, seeds, iterations, cluster)
    for parameters in trained.values():
        parameters["b1"][0] += perturbation
    jobs = [(seed, parameters, case) for case in cases.values() for seed, parameters in trained.items()]
    results = iter(studies.in_parallel(functools.partial(studies.prune, data_file), jobs, cluster=cluster))
    values = {case: np.array(list(itertools.islice(results, len(trained)))) for case in cases}

    for case, runs in values.items():
        print_runs(case, dict(zip(trained, runs)))
    reached = values["all layers"][0, :, 0]
    steps = [np.argmax(reached >= degree) for degree in DEGREES if degree <= reached[-1]]
    print_medians("all layers", values["all layers"], steps)
    print_medians("all layers, at random", values["all layers, at random"], steps)
    print_medians("layers 2 to 4 alone", values["layers 2 to 4 alone"], range(values["layers 2 to 4 alone"].shape[1]))
    draw(values, f"{figures}/far.png", show)


@user_input.exit_status
def main(argv=()):
    parser = studies.make_parser(__doc__.splitlines()[0])
    parser.add_argument("--perturbation", type=user_input.real(at_least=0), default=0.0, metavar="SIZE",
                        help="is added to the first bias of each trained network, to see whether rounding decides")
    studies.add_run_options(parser, "the first N at which training learns anything")
    options = parser.parse_args(argv)
    files.check_folder(options.figures)
    study(os.path.join(user_input.PROJECT, nn_main.DATA), options.figures, options.seeds or studies.SEEDS,
          perturbation=options.perturbation, cluster=options.cluster, show=options.show)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
