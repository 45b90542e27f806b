"""The original's unused hyper-parameter δ: a percentage that grows from step to step, beside one that stays.

The committed network is pruned and retrained both ways, in as many steps to about the same degree. Draws cost and
accuracies against the pruning degree: figure/delta.png.

Time on 2 cores: some seconds.
"""

import sys

if __name__ == "__main__":
    if not __package__:  # run by its path: the project's modules are in the folder above
        sys.path[0] += "/.."
    # Ctrl-C while the modules below are imported.
    from datasets import ctrl_c
    ctrl_c.end_process()

import functools
import itertools

import numpy as np

import nn_functions as nn
import prun_mask
import pruning
from datasets import files, networks, pictures, user_input
from figure import drawing, studies

# The percentage of the first step, and δ: by how much it grows at every step.
SCHEDULES = {"5 % at every step (the default)": (pruning.PERCENT, 0), "1 % at first, growing by δ = 0.21": (1, 0.21)}
DEGREES = (20, 40, 60, 70, 80, 84, 85, 86.5)  # percent, at which the values are printed


def run(data_file, unpruned, steps, schedule):
    """Prune and retrain. Returns degree, cost and both accuracies before and after each step, shape (steps + 1, 4)."""
    percent, delta = schedule
    data = studies.load_data(data_file)

    def masks_of(step, parameters):
        return prun_mask.prune_masks(parameters, percent + (step - 1) * delta)

    def measure(parameters):
        return prun_mask.degree(parameters), *nn.evaluate(data, parameters)

    steps = itertools.islice(pruning.prune_iteratively(data, unpruned, masks_of), steps)
    return np.array([measure(unpruned), *(measure(step.parameters) for step in steps)])


def print_runs(runs):
    """Print the values at the steps nearest to DEGREES; runs : a dict from a label to what `run` returned."""
    for name, values in runs.items():
        percent, delta = SCHEDULES[name]
        print(f"{name}\nstep  prunes (%)  degree (%)   cost       accuracy (%), training / test")
        for step in sorted({np.argmin(np.abs(values[:, 0] - degree)) for degree in DEGREES}):
            degree, cost, train_accuracy, test_accuracy = values[step]
            prunes = f"{percent + (step - 1) * delta:.2f}" if step else ""
            print(f"{step:4}{prunes:>12}{degree:12.2f}   {cost:.6f}   {train_accuracy:6.2f} / "
                  f"{test_accuracy:.2f}")


def draw(runs, path, show=False):
    """Draw cost and accuracies; runs : a dict from a label to what `run` returned."""
    plt = drawing.pyplot(show)
    figure, panels = plt.subplots(3, figsize=(7, 8), sharex=True, layout="constrained")
    labels = ("cost on the training pictures", "training accuracy (%)", "test accuracy (%)")
    for k, (axes, label) in enumerate(zip(panels, labels), start=1):
        for (name, values), style in zip(runs.items(), ("o-", "s-")):
            axes.plot(values[:, 0], values[:, k], style, markersize=3, label=name)
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
    panels[0].set_yscale("log")
    panels[0].legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, frameon=False)
    panels[2].set_xlabel("pruning degree (%)")
    drawing.save_figure(figure, path, show)


@user_input.exit_status
def main(argv=None, steps=pruning.STEPS):
    parser = studies.make_parser(__doc__.splitlines()[0], "parameters")
    studies.add_run_options(parser)
    options = parser.parse_args(argv)
    unpruned = networks.load_parameters(options.parameters, len(pictures.load_data(options.data).X_train))
    files.check_folder(options.figures)

    results = studies.in_parallel(functools.partial(run, options.data, unpruned, steps), list(SCHEDULES.values()),
                                  cluster=options.cluster)
    runs = dict(zip(SCHEDULES, results))

    print_runs(runs)
    draw(runs, f"{options.figures}/delta.png", options.show)
    return 0


if __name__ == "__main__":
    sys.exit(main())
