"""How far can the network be pruned? Cost and accuracy against the pruning degree up to 99.9 %, for several seeds.

The control: as many connections of each layer are removed at random instead of by magnitude. And which layers limit it:
all layers are pruned, as in the recorded run; only layer 1; and only layers 2 to 4, half of them at a step, because 5 %
of so few weights soon are less than one. Leaves every third step in figure/far.csv, and draws the medians of the seeds
and how many have collapsed, that is, predict one class: figure/far.png.

Time on 2 cores: two to four minutes.
"""

import functools
import os
import sys

import numpy as np

import nn_main
import prun_mask
import pruning
from datasets import files, pictures, user_input
from figure import drawing, results, studies

STEPS = range(0, 169, 3)  # that are measured, of 5 %; the last has nothing left to prune
FEW_STEPS = range(7)  # of 50 %, of layers 2 to 4
DEGREES = (0, 51, 99.5, 99.8, 99.9)  # percent, of the table
LINES = {"by magnitude": "C0-", "at random": "C3-", "layer 1 alone": "C0--"}  # cases that are drawn
FEW = "layers 2 to 4 alone"
COLUMNS = ("case", "seed", "step", "degree", "kept_1", "kept_2", "kept_3", "kept_4", "cost", "train_accuracy",
           "test_accuracy", "predicts_one_class")


def measure_seed(data_file, iterations, steps, few_steps, job):
    """The rows of a seed: its network is trained, and pruned in each case; for the arguments see `study`."""
    data, seed = pictures.load_data(data_file), job["seed"]
    _, unpruned = studies.train(data, seed, iterations)
    cases = {"by magnitude": (studies.masks_of(), steps),
             "at random": (studies.masks_of(random=np.random.default_rng([seed, 1])), steps),
             "layer 1 alone": (studies.masks_of(layers=("W1",)), steps),
             FEW: (studies.masks_of(50, ("W2", "W3", "W4")), few_steps)}
    return [{"case": case, "step": step, **{f"kept_{name[1:]}": np.count_nonzero(network[name])
                                            for name in prun_mask.pruned_layers(network)},
             **studies.measure(data, network)}
            for case, (masks_of, of_case) in cases.items()
            for step, network in studies.prune(data, unpruned, masks_of, of_case)]


def study(data_file, path, seeds=studies.SEEDS, iterations=nn_main.ITERATIONS, steps=STEPS, few_steps=FEW_STEPS,
          **how):
    """Train and prune the network of each seed. Returns the rows of the file `path`. Raises InputError.

    iterations : of training; steps, few_steps : see STEPS and FEW_STEPS; how : see `results.run`
    """
    settings = {"data": files.sha256(data_file), "iterations": iterations, "percent": pruning.PERCENT,
                "steps": list(steps), "few_steps": list(few_steps)}
    do = functools.partial(measure_seed, data_file, iterations, steps, few_steps)
    return results.run(do, [{"seed": seed} for seed in seeds], path, settings, COLUMNS, unit="seeds", **how)


# ----------------------------------------------------------------------------------------------- tables and figure

def of_case(rows, case, column):
    """The values of a column in a case, an array of shape (seeds, steps)."""
    seeds = dict.fromkeys(row["seed"] for row in rows)
    return np.array([[row[column] for row in rows if (row["case"], row["seed"]) == (case, seed)] for seed in seeds])


def print_medians(name, rows, cases, steps):
    """Print the accuracies of some cases at some of the steps that are measured, given by their indices."""
    lines = []
    for step in steps:
        kept = "-".join(str(of_case(rows, cases[0], f"kept_{l}")[0, step]) for l in range(1, 5))
        cells = [results.median_and_range(of_case(rows, case, column)[:, step], unit="")
                 for column in ("train_accuracy", "test_accuracy") for case in cases]
        lines.append([f"{of_case(rows, cases[0], 'degree')[0, step]:.3f}", kept, *cells])
    head = [f"{what} accuracy, {case} (%)" for what in ("training", "test") for case in cases]
    results.print_table(f"far: {name}", results.table(["degree (%)", "connections left", *head], lines, left=0))


def report(rows):
    """Print the tables."""
    reached = of_case(rows, "by magnitude", "degree")[0]
    steps = [np.argmax(reached >= degree) for degree in DEGREES if degree <= reached[-1]]
    print_medians("medians", rows, ("by magnitude", "at random"), steps)
    print_medians("layers 2 to 4", rows, (FEW,), (0, -1))


def draw(rows, path, show=False):
    """Draw the medians of the seeds, and how many have collapsed."""
    figure, panels = drawing.subplots(4, figsize=(8, 9.5), sharex=True, layout="constrained",
                                      height_ratios=(2, 2, 2, 1))
    labels = {"cost": "cost, median", "train_accuracy": "training accuracy (%),\nmedian",
              "test_accuracy": "test accuracy (%),\nmedian", "predicts_one_class": "seeds\ncollapsed"}
    seeds = len({row["seed"] for row in rows})
    for axes, (column, label) in zip(panels, labels.items()):
        for case, style in LINES.items():
            values = of_case(rows, case, column)
            curve = values.sum(axis=0) if column == "predicts_one_class" else np.median(values, axis=0)
            axes.plot(100 - of_case(rows, case, "degree")[0], curve, style, linewidth=1.8, label=case)
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
    panels[0].set_yscale("log")
    panels[0].legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, frameon=False)
    panels[-1].set(ylim=(-0.2, seeds + 0.2), yticks=range(seeds + 1))
    drawing.set_degrees(panels[-1], (0, 50, 80, 90, 95, 98, 99, 99.5, 99.8, 99.9), 99.91)
    figure.suptitle(f"Prune {pruning.PERCENT:g} % and retrain, again and again: {seeds} seeds")
    drawing.save_figure(figure, path, show)


@user_input.exit_status
def main(argv=()):
    parser = studies.make_parser(__doc__.splitlines()[0])
    results.add_options(parser, "the first N at which training learns anything", len(studies.SEEDS),
                        most=len(studies.ALL_SEEDS))
    options = parser.parse_args(argv)
    path = results.find_file(options, "far")
    rows = results.read(path, COLUMNS) if options.draw else study(
        os.path.join(user_input.PROJECT, nn_main.DATA), path, studies.ALL_SEEDS[:options.seeds], fresh=options.fresh,
        cluster=options.cluster)
    report(rows)
    draw(rows, f"{options.figures}/far.png", options.show)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
