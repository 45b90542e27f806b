"""One experiment, a hundred roundings: the recorded run from starts that differ by at most 1e-12 in one bias.

At the original experiment's step sizes and at those used here. Draws the cost of training and retraining, one curve a
run, coloured by how far its start is off, and the accuracies after the last step: figure/roundings.png. Where the
original's own parameters.npy is at hand, its published cost trace is drawn below. Three to six minutes on 2 cores.
"""

import functools
import itertools
import os
import sys

import numpy as np

import figure
import nn_functions as nn
import nn_main
import prun_mask
import pruning

# Learning rate and iterations of training, and learning rate of retraining; and the number of runs.
STEP_SIZES = {"the original's steps: 0.035 and 0.05": (0.035, 4000, 0.05, 90),
              "steps here: 0.0035 and 0.005": (nn_main.LEARNING_RATE, nn_main.ITERATIONS, pruning.LEARNING_RATE, 10)}
PERTURBATION = 1e-12  # the largest, added to the first bias of layer 1
ORIGINAL = "../shared/original/parameters.npy"
RISE = 0.02  # of the cost, from one iteration to the next, that counts as a jump


def run(data_file, job):
    """Train, prune and retrain from a perturbed start.

    Returns the costs of training; those of all retraining, one after the other; for the unpruned network and after each
    step the cost, both accuracies, and whether all training pictures are judged alike, shape (steps + 1, 4); and the
    pruned network's probabilities of a car, (1, m).
    """
    (training_rate, iterations, retraining_rate, _), perturbation = job
    data = X_train, Y_train, _, _ = nn.load_data(data_file)
    gram = nn.GramMatrices(X_train)
    parameters = nn.initialize_parameters((len(X_train), *nn_main.LAYERS, 1), nn_main.SEED)
    parameters["b1"][0] += perturbation
    parameters, costs = nn.gradient_descent(X_train, Y_train, parameters, training_rate, iterations, gram=gram)

    def judged(parameters):
        return *pruning.judge(data, parameters), len(np.unique(nn.predict(X_train, parameters) > 0.5)) == 1

    values, retraining_costs = [judged(parameters)], []
    for _ in range(pruning.STEPS):
        masks = prun_mask.prune_masks(parameters, pruning.PERCENT)
        _, parameters, costs_of_step = pruning.prune_and_retrain(data, parameters, masks, retraining_rate, gram=gram)
        values.append(judged(parameters))
        retraining_costs.append(costs_of_step)
    return costs, np.concatenate(retraining_costs), np.array(values), nn.predict(X_train, parameters)


def collapse(values):
    """The step from which on a run's networks judge all pictures alike, to the end; None if the last does not."""
    if not values[-1, 3]:
        return None
    return len(values) - np.argmin(np.append(values[::-1, 3], 0))  # as many as there are alike at the end, counted back


def rises(costs):
    """How often a cost trace jumps up by more than RISE, and at which iteration first."""
    jumps = np.flatnonzero(np.diff(costs) > RISE)
    return f"{len(jumps)} rises of more than {RISE}" + (f", the first at iteration {jumps[0]}" if len(jumps) else "")


def report(name, runs, Y):
    """Print how often a kind of run collapses, where, and what the 1e-5 in the gradient leaves of it then."""
    values = np.array([values for _, _, values, _ in runs])
    print(f"\n{name}: {len(runs)} runs")
    print(f"training cost of the run with no perturbation: {rises(runs[0][0])}")
    for what, accuracies in (("unpruned", values[:, 0, 1:3]), (f"after step {pruning.STEPS}", values[:, -1, 1:3])):
        kinds, counts = np.unique(accuracies, axis=0, return_counts=True)
        print(f"{what}, training / test accuracy: " + ", ".join(
            f"{train:.2f} / {test:.2f} % in {count}" for (train, test), count in zip(kinds, counts)))
    steps = [step for step in map(collapse, values) if step is not None]
    returned = sum(of_run[:, 3].any() and not of_run[-1, 3] for of_run in values)
    print(f"judge all pictures alike to the end: {len(steps)}" + "".join(
        f", {steps.count(step)} of them from step {step} on" for step in sorted(set(steps))) + f"; some time, and return: {returned}")
    # At the output, a picture of a car has the gradient -(1 - A) times A / (A + 1e-5); without the 1e-5, -(1 - A).
    ends = [(AL[0, Y[0] == 1], of_run[-1, 0]) for _, _, of_run, AL in runs if collapse(of_run) is not None]
    costs = [cost for A, cost in ends if A.max() < 1e-5]
    factors = [A / (A + 1e-5) for A, _ in ends if A.max() < 1e-5]
    if costs:
        print(f"in {len(costs)} of these no picture of a car is given a probability above 1e-5; the cost is {min(costs):.1f} to "
              f"{max(costs):.1f}, and\na car's gradient at most {np.max(factors):.0e} of what it would be without the 1e-5 "
              f"(median {np.median(factors):.0e})")
    for A, cost in ends:
        if A.max() >= 1e-5:
            print(f"in one, cars are given probabilities of {A.min():.2f} to {A.max():.2f}, and the cost is {cost:.3f}")
    last = np.array([costs[-1] for costs, _, _, _ in runs])
    print(f"the last costs of training differ by {np.ptp(last):.0e}, those of retraining by {np.ptp(values[:, -1, 0]):.0e}")


def stored_costs(path):
    """The costs in a file that `nn_main.py` wrote, or the original experiment, as an array. Raises InputError."""
    try:
        costs = np.array(nn.load_dict(path)["costs"], float).ravel()
    except (KeyError, TypeError, ValueError) as error:
        raise nn.InputError(f"{path}: holds no costs of training") from error
    if not costs.size:
        raise nn.InputError(f"{path}: holds no costs of training")
    return costs


def draw(results, original, path, show=False):
    """Draw a row of panels for each of STEP_SIZES, and the original's published trace if there is one.

    results : a dict from the names in STEP_SIZES to a list of what `run` returned; original : None or the costs
    """
    plt = nn.pyplot(show)
    rows = len(results) + (original is not None)
    drawing, grid = plt.subplots(rows, 3, figsize=(10, 2.9 * rows), layout="constrained", squeeze=False)
    for (name, runs), (training, retraining, histogram) in zip(results.items(), grid):
        for k, (costs, retraining_costs, _, _) in enumerate(runs):
            style = {"color": plt.cm.viridis(k / len(runs)), "alpha": 0.5, "linewidth": 0.6}
            training.plot(costs, **style)
            retraining.plot(np.arange(1, len(retraining_costs) + 1) / pruning.ITERATIONS, retraining_costs, **style)
        training.set(title=f"training, {len(runs)} runs", xlabel="iteration", xlim=(0, len(costs)), ylabel=f"{name}\n\ncost")
        retraining.set(title=f"pruning and retraining, {len(runs)} runs", xlabel="pruning steps done", xlim=(0, pruning.STEPS))
        accuracies = np.array([values[-1, 1:3] for _, _, values, _ in runs]).T
        histogram.hist(list(accuracies), bins=np.arange(52.5, 105, 5), label=["training", "test"], color=["C0", "C1"])
        histogram.set(title=f"after step {pruning.STEPS}", xlabel="accuracy (%), in bins of 5", ylabel="runs", ylim=(0, 1.25 * len(runs)))
        histogram.legend(loc="upper center", ncols=2, frameon=False)
    with_costs = list(grid[:len(results), :2].flat)
    if original is not None:
        for axes in grid[-1]:
            axes.remove()
        below = drawing.add_subplot(grid[-1, 0].get_gridspec()[-1, :])
        below.plot(original, linewidth=0.6, color="C3")
        below.set(title="the original's own published trace of training, on other pictures", xlabel="iteration",
                  xlim=(0, len(original)), ylabel="cost")
        with_costs.append(below)
    for axes in with_costs:
        axes.set_yscale("log")
        axes.grid(alpha=0.3)
    drawing.suptitle("colour: how far the start is off, from 0 (dark) to 1e-12 (light)", fontsize=9)
    nn.save_figure(drawing, path, show)


@nn.exit_status
def main(argv=None):
    parser = figure.make_parser(__doc__.splitlines()[0])
    parser.add_argument("--original", default=ORIGINAL, metavar="FILE",
                        help="the original experiment's parameters.npy, of which the costs are drawn if it is there")
    options = parser.parse_args(argv)
    nn.make_folder(options.figures)
    _, Y, _, _ = nn.load_data(options.data)
    jobs = [(settings, PERTURBATION * k / settings[-1]) for settings in STEP_SIZES.values() for k in range(settings[-1])]
    runs = iter(figure.in_parallel(functools.partial(run, options.data), jobs))
    results = {name: list(itertools.islice(runs, settings[-1])) for name, settings in STEP_SIZES.items()}
    for name, of_name in results.items():
        report(name, of_name, Y)
    original = None
    if os.path.exists(options.original):
        original = stored_costs(options.original)
        print(f"\nthe original's published trace: {rises(original)}")
    draw(results, original, f"{options.figures}/roundings.png", options.show)
    return 0


if __name__ == "__main__":
    sys.exit(main())
