"""One experiment, a hundred roundings: the recorded run from starts that differ by at most 1e-12 in one bias.

At the original experiment's step sizes and at those used here. Draws the cost of training and retraining, one curve a
run, coloured by the size of its perturbation, and the accuracies after the last step: figure/roundings.png. Where the
original's own parameters.npy is at hand, its published cost trace is drawn below.

Time on 2 cores: one to four minutes.
"""

import functools
import itertools
import os
import sys
import textwrap
from typing import NamedTuple

import numpy as np

import nn_functions as nn
import nn_main
import prun_mask
import pruning
from datasets import files, npy, pictures, user_input
from figure import drawing, studies


class StepSizes(NamedTuple):
    """Learning rate and iterations of training, learning rate of retraining, and the number of runs."""

    training_rate: float
    iterations: int
    retraining_rate: float
    runs: int


STEP_SIZES = {"the original's steps: 0.035 and 0.05": StepSizes(0.035, 4000, 0.05, 90),
              "steps here: 0.0035 and 0.005": StepSizes(nn_main.LEARNING_RATE, nn_main.ITERATIONS,
                                                        pruning.LEARNING_RATE, 10)}
PERTURBATION = 1e-12  # the largest, added to the first bias of layer 1
RISE = 0.02  # of the cost, from one iteration to the next, that counts as a jump


class Run(NamedTuple):
    """What one run gives."""

    training_costs: np.ndarray
    retraining_costs: np.ndarray  # of all steps, one after the other
    evaluations: np.ndarray  # of the unpruned network and after each step: cost and both accuracies, (steps + 1, 3)
    constant: np.ndarray  # for the same networks, whether all training pictures get the same verdict, (steps + 1,) bool
    AL: np.ndarray  # the last network's probabilities of a car, (1, m)


def run(data_file, steps, job):
    """Train, prune and retrain from a perturbed start; job : `StepSizes` and the perturbation. Returns a `Run`."""
    sizes, perturbation = job
    data = pictures.load_data(data_file)
    start = nn.initialize_parameters((len(data.X_train), *nn_main.LAYERS, 1), nn_main.SEED)
    start["b1"][0] += perturbation

    unpruned, costs = nn.gradient_descent(data.X_train, data.Y_train, start, sizes.training_rate, sizes.iterations)
    done = list(itertools.islice(pruning.prune_iteratively(
        data, unpruned, lambda _, network: prun_mask.make_masks(network, pruning.PERCENT),
        learning_rate=sizes.retraining_rate), steps))
    parameters = [unpruned, *(step.parameters for step in done)]
    outputs = [nn.predict(data.X_train, network) for network in parameters]
    return Run(costs, np.concatenate([step.costs for step in done]),
               np.array([nn.evaluate(data, network) for network in parameters]),
               np.array([len(np.unique(AL > 0.5)) == 1 for AL in outputs]), outputs[-1])


def collapse(constant):
    """The step from which a run's networks are constant to the end, None if the last is not; constant : see `Run`."""
    if not constant[-1]:
        return None
    constant_at_the_end = np.argmin(np.append(constant[::-1], False))
    return len(constant) - constant_at_the_end


def rises(costs):
    """How often a cost trace jumps up by more than RISE, and at which iteration first."""
    jumps = np.flatnonzero(np.diff(costs) > RISE)
    return f"{len(jumps)} rises of more than {RISE}" + (f", the first at iteration {jumps[0]}" if len(jumps) else "")


def print_wrapped(line):
    """Print a line, or if it is long, lines."""
    print(textwrap.fill(line, 100, subsequent_indent="    "))


def print_runs(name, runs, Y):
    """Print how often the runs of one kind collapse, and where, and how small the 1e-5 makes their gradient then."""
    evaluations = np.array([result.evaluations for result in runs])
    print(f"\n{name}: {len(runs)} runs")
    print(f"training cost of the run with no perturbation: {rises(runs[0].training_costs)}")
    steps = len(runs[0].constant) - 1
    for what, accuracies in (("unpruned", evaluations[:, 0, 1:]), (f"after step {steps}", evaluations[:, -1, 1:])):
        kinds, counts = np.unique(accuracies, axis=0, return_counts=True)
        print_wrapped(f"{what}, training / test accuracy: " + ", ".join(
            f"{train:.2f} / {test:.2f} % in {count}" for (train, test), count in zip(kinds, counts)))
    collapses = [step for step in (collapse(result.constant) for result in runs) if step is not None]
    returned = sum(result.constant.any() and not result.constant[-1] for result in runs)
    print_wrapped(f"judge all pictures alike to the end: {len(collapses)}" + "".join(
        f", {collapses.count(step)} of them from step {step} on" for step in sorted(set(collapses)))
        + f"; some time, and return: {returned}")
    print_gradients([result for result in runs if collapse(result.constant) is not None], Y)
    last = np.array([result.training_costs[-1] for result in runs])
    print(f"the last costs of training differ by {np.ptp(last):.0e}, "
          f"those of retraining by {np.ptp(evaluations[:, -1, 0]):.0e}")


def print_gradients(collapsed, Y):
    """Print what the gradient of a picture of a car is in runs that have collapsed.

    At the output it is -(1 - A) times A / (A + 1e-5); without the original's 1e-5 it would be -(1 - A).
    """
    if not Y.any():
        return
    ends = [(result.AL[0, Y[0] == 1], result.evaluations[-1, 0]) for result in collapsed]
    costs = [cost for A, cost in ends if A.max() < 1e-5]
    factors = [A / (A + 1e-5) for A, _ in ends if A.max() < 1e-5]
    others = [(A.min(), A.max(), cost) for A, cost in ends if A.max() >= 1e-5]
    if costs:
        print(f"in {len(costs)} of these no picture of a car is given a probability above 1e-5; "
              f"the cost is {min(costs):.1f} to {max(costs):.1f}, and\n"
              f"a car's gradient at most {np.max(factors):.0e} of what it would be without the 1e-5 "
              f"(median {np.median(factors):.0e})")
    if others:
        lowest, highest, costs = np.array(others).T
        print(f"in {len(others)}, cars are given probabilities of {lowest.min():.2f} to {highest.max():.2f}, "
              f"and the cost is {costs.min():.3f} to {costs.max():.3f}")


def stored_costs(path):
    """The costs in a file that `nn_main.py` wrote, or the original experiment, as an array. Raises InputError.

    They are stored as an array, or as a list of numbers or arrays. Nothing else is handed to NumPy, which would read
    text as numbers and look through lists in lists.
    """
    costs = npy.load_dict(path).get("costs")
    parts = costs if isinstance(costs, list) else [costs]
    if all(isinstance(part, float) or isinstance(part, (np.ndarray, np.generic)) and part.dtype.kind in "fiu"
           for part in parts):
        with np.errstate(all="ignore"):  # of long double there are numbers too large for float64
            costs = np.concatenate([np.ravel(part).astype(float) for part in parts] or [[]])
        if costs.size and np.isfinite(costs).all():
            return costs
    raise user_input.InputError(f"{path}: holds no costs of training")


def draw_runs(name, runs, panels, colours):
    """Draw the runs of one kind in three panels: the costs of training, those of retraining, and the accuracies."""
    training, retraining, histogram = panels
    steps = len(runs[0].constant) - 1
    for k, result in enumerate(runs):
        style = {"color": colours(k / len(runs)), "alpha": 0.5, "linewidth": 0.6}
        training.plot(result.training_costs, **style)
        iterations = len(result.retraining_costs)
        retraining.plot(np.arange(1, iterations + 1) * steps / iterations, result.retraining_costs, **style)
    training.set(title=f"training, {len(runs)} runs", xlabel="iteration", xlim=(0, len(runs[0].training_costs)),
                 ylabel=f"{name}\n\ncost")
    retraining.set(title=f"pruning and retraining, {len(runs)} runs", xlabel="pruning steps done", xlim=(0, steps))
    accuracies = np.array([result.evaluations[-1, 1:] for result in runs]).T
    for label, values, color in (("training", accuracies[0], "C0"), ("test", accuracies[1], "C1")):
        histogram.bar(*np.unique(values, return_counts=True), width=1.2, label=label, color=color)  # at the value
    histogram.set(title=f"after step {steps}", xlabel="accuracy (%)", ylabel="runs",
                  xlim=(min(50, accuracies.min() - 3), 103), ylim=(0, 1.25 * len(runs)))
    histogram.legend(loc="upper center", ncols=2, frameon=False)


def draw(results, original, path, show=False):
    """Draw a row of panels for each kind of run, and the original's published trace if there is one.

    results : a dict from the names in STEP_SIZES to lists of `Run`; original : None or the costs
    """
    plt = drawing.pyplot(show)
    from matplotlib import colormaps

    rows = len(results) + (original is not None)
    figure, grid = plt.subplots(rows, 3, figsize=(10, 2.9 * rows), layout="constrained", squeeze=False)
    for (name, runs), panels in zip(results.items(), grid):
        draw_runs(name, runs, panels, colormaps["viridis"])
    cost_panels = list(grid[:len(results), :2].flat)
    if original is not None:
        for axes in grid[-1]:
            axes.remove()
        below = figure.add_subplot(grid[-1, 0].get_gridspec()[-1, :])
        below.plot(original, linewidth=0.6, color="C3")
        below.set(title="the original's own published trace of training, on other pictures", xlabel="iteration",
                  xlim=(0, len(original)), ylabel="cost")
        cost_panels.append(below)
    for axes in cost_panels:
        axes.set_yscale("log")
        axes.grid(alpha=0.3)
    figure.suptitle("colour: how far the start is off, from 0 (dark) to 1e-12 (light)", fontsize=9)
    drawing.save_figure(figure, path, show)


def study(data_file, figures, step_sizes=STEP_SIZES, steps=pruning.STEPS, original=None, cluster=None, show=False):
    """Do the runs, print what comes out and draw the figure. Raises InputError.

    figures : the folder for the figure; step_sizes : as STEP_SIZES
    original : None, or the costs of the original's training
    """
    Y_train = pictures.load_data(data_file).Y_train
    jobs = [(sizes, PERTURBATION * k / sizes.runs) for sizes in step_sizes.values() for k in range(sizes.runs)]
    runs = iter(studies.in_parallel(functools.partial(run, data_file, steps), jobs, cluster=cluster))
    results = {name: list(itertools.islice(runs, sizes.runs)) for name, sizes in step_sizes.items()}

    for name, runs_of_kind in results.items():
        print_runs(name, runs_of_kind, Y_train)
    if original is not None:
        print(f"\nthe original's published trace: {rises(original)}")
    draw(results, original, f"{figures}/roundings.png", show)


@user_input.exit_status
def main(argv=()):
    first, *_ = STEP_SIZES
    parser = studies.make_parser(__doc__.splitlines()[0])
    parser.add_argument("--original", type=user_input.path, metavar="FILE",
                        help="the original experiment's parameters.npy, of which the costs are drawn")
    parser.add_argument("--runs", type=user_input.integer(1, 100_000), default=STEP_SIZES[first].runs, metavar="N",
                        help="with the original's step sizes")
    studies.add_run_options(parser)
    options = parser.parse_args(argv)
    original = stored_costs(options.original) if options.original else None
    files.check_folder(options.figures)
    step_sizes = {**STEP_SIZES, first: STEP_SIZES[first]._replace(runs=options.runs)}
    study(os.path.join(user_input.PROJECT, nn_main.DATA), options.figures, step_sizes, original=original,
          cluster=options.cluster, show=options.show)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
