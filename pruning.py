"""The main job: prune the trained network, retrain what is left, and again (sections 3 and 3.4 of the paper).

Each step removes the connections of smallest magnitude from every layer but the last, and retrains the others: for a
number of steps, or with --tolerance for as long as the accuracy allows. Writes the network after every step to
prun_parameter/ and the record of all steps to degree_costs.npy, and draws cost and accuracy against the pruning degree.
"""

import itertools
import os
import sys
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

import nn_functions as nn
import nn_main
import prun_mask
from datasets import files, networks, pictures, record, user_input
from figure import drawing

DATA = "datasets/carvnocar.h5"
PARAMETERS = "datasets/parameters.npy"
PERCENT = 5.0  # of the remaining weights, in each step
STEPS = 39
CRITERION = "percentile"
QUALITY = 1.0  # in standard deviations, for the criterion "std"
LEARNING_RATE = 0.005  # of retraining; the original's was 0.05: see README.md
ITERATIONS = 220  # of retraining, in each step
OUT = "datasets"
FIGURES = "figure"

# The options that a record is bound to: a run is resumed only with the same.
SETTINGS = ("criterion", "percent", "quality", "learning_rate", "iterations", "l1", "l2")
BATCH_SETTINGS = ("batch", "momentum")  # those that a run with --batch has besides


class Step(NamedTuple):
    """One step of `prune_iteratively`."""

    number: int
    pruned: dict  # the parameters after pruning
    parameters: dict  # after retraining
    costs: np.ndarray  # of retraining


def prune_iteratively(data, parameters, masks_of, first_step=1, learning_rate=LEARNING_RATE, iterations=ITERATIONS,
                      descent=None, **settings):
    """Prune, retrain, again (sections 3 and 3.4). Yields a `Step` at a time, for as long as the caller asks for more.

    data : has X_train of shape (n_x, m) and Y_train of shape (n_L, m)
    masks_of : a function of the step's number and the parameters before it. Returns the step's masks, for example
        {"W1": bool array of W1's shape, ...}, or None to stop
    descent : None for `nn_functions.gradient_descent`, or `nn_functions.minibatch_descent`
    settings : its further arguments
    """
    if descent is None:
        descent = nn.gradient_descent
        settings.setdefault("gram", nn.GramMatrices(data.X_train))  # carried from step to step
    for number in itertools.count(first_step):
        masks = masks_of(number, parameters)
        if masks is None:
            return
        pruned = prun_mask.apply_masks(parameters, masks)
        parameters, costs = descent(data.X_train, data.Y_train, pruned, learning_rate, iterations, masks, **settings)
        yield Step(number, pruned, parameters, costs)


# ------------------------------------------------------------------------------------- which masks, and how many steps

def choose_masks(options, unpruned):
    """The `masks_of` of a run, for `prune_iteratively`, as the command line has it.

    Where nothing but --tolerance ends the run, it ends where a step would prune nothing.
    """
    def masks_of(step, parameters):
        masks = prun_mask.make_masks(
            parameters, options.quality if options.criterion == "std" else options.percent, options.criterion, unpruned,
            lambda name: tqdm.write(f"step {step} would empty {name}: its last connection is kept"))
        if options.steps is None and all(np.array_equal(mask, parameters[name] != 0) for name, mask in masks.items()):
            tqdm.write(f"step {step} would prune nothing")
            return None
        return masks

    return masks_of


def accuracy_that_counts(data, parameters, train_accuracy):
    """What --tolerance compares: a network's training accuracy (%), or -inf where it judges all pictures alike."""
    return -np.inf if nn_main.judges_all_alike(data.X_train, data.Y_train, parameters) else train_accuracy


def steps_within_tolerance(train_accuracies, unpruned_accuracy, tolerance):
    """How many steps there are before the first that loses more than `tolerance` points of training accuracy."""
    lowest = unpruned_accuracy - tolerance - 1e-9  # so that rounding does not decide where they are equal
    too_low = [accuracy < lowest for accuracy in train_accuracies]
    return too_low.index(True) if True in too_low else len(too_low)


def is_over(train_accuracies, unpruned_accuracy, steps, tolerance):
    """Whether a run has done its steps, or has exceeded its tolerance; either may be None: no limit."""
    done = len(train_accuracies)
    return (steps is not None and done >= steps
            or tolerance is not None and steps_within_tolerance(train_accuracies, unpruned_accuracy, tolerance) < done)


# ------------------------------------------------------------------------------------------------------- the script

def parse_options(argv):
    """The command line."""
    parser = user_input.ArgumentParser("Prune the trained network and retrain it, step by step.")
    parser.add_path("--data", DATA, "FILE", "the pictures, HDF5")
    parser.add_path("--parameters", PARAMETERS, "FILE", "the trained network")
    parser.add_argument("--criterion", choices=prun_mask.CRITERIA, default=CRITERION,
                        help="what is pruned. percentile: --percent of each layer's weights; std: what is below "
                             "--quality standard deviations of the layer's weights; global: --percent of all layers' "
                             "weights together")
    parser.add_argument("--percent", type=user_input.real(above=0, below=100),
                        help=f"share of the remaining weights that a step prunes (default: {PERCENT:g})")
    parser.add_argument("--quality", type=user_input.real(above=0),
                        help="threshold of --criterion std, in standard deviations of the unpruned layer's weights "
                             f"(default: {QUALITY:g})")
    parser.add_argument("--steps", type=user_input.integer(), metavar="N",
                        help=f"prune-and-retrain steps (default: {STEPS}, or with --tolerance as many as it takes)")
    parser.add_argument("--tolerance", type=user_input.real(at_least=0), metavar="POINTS",
                        help="go on until the retrained network's training accuracy is more than this many percentage "
                             "points below the unpruned network's")
    user_input.add_descent_options(parser, LEARNING_RATE, ITERATIONS, "each retraining")
    parser.add_folders(OUT, FIGURES)
    parser.add_argument("--resume", action="store_true", help="go on after the last step that --out holds")
    options = parser.parse_args(argv)

    by_percent = options.criterion != "std"
    if not by_percent and options.percent is not None:
        parser.error("--percent does not go with --criterion std, which has --quality")
    if by_percent and options.quality is not None:
        parser.error("--quality goes with --criterion std only")
    options.percent = PERCENT if options.percent is None else options.percent
    options.quality = QUALITY if options.quality is None else options.quality
    if options.steps is None and options.tolerance is None:
        options.steps = STEPS
    return options


ROW = "{:8} {:9.3f}  {:>9} {:>9} {:9.2f} {:9.2f}   {:.6f}"


def print_unpruned(degree, evaluation, steps_done):
    """Print the head of the table of steps, and its first row."""
    print("        degree    accuracy (%), pruned   and retrained         cost")
    print("step       (%)       train      test     train      test")
    print(ROW.format("unpruned", degree, "", "", evaluation.train_accuracy, evaluation.test_accuracy, evaluation.cost))
    if steps_done:
        print(f"steps 1 to {steps_done} were done before")


def print_network(title, out, run, step, data):
    """Print what a step of a run has come to: what is left in the layers that are pruned, and the accuracies.

    run : its record. Raises InputError
    """
    file = record.find_network(out, run, step)
    parameters = networks.load_parameters(file, len(data.X_train))
    weights = [parameters[name] for name in prun_mask.pruned_layers(parameters)]
    left = [np.count_nonzero(W) for W in weights]
    print(f"{title}: {step}, with {run['degree'][step - 1]:.3f} % of the weights pruned: {file}")
    print(f"connections left: {sum(left)} of {sum(W.size for W in weights)}; by layer {', '.join(map(str, left))}")
    nn_main.print_accuracies(data, parameters)


def print_result(run, counted, unpruned, tolerance, out, data):
    """Print what the run has come to. Raises InputError.

    run : its record; counted : `accuracy_that_counts` of each step; unpruned : the evaluation of the unpruned network
    """
    print()
    if tolerance is not None:
        steps = steps_within_tolerance(counted, unpruned.train_accuracy, tolerance)
        if steps:
            print_network("last good step", out, run, steps, data)
        else:
            print("last good step: none")
    if run["degree"]:
        print_network("last step", out, run, len(run["degree"]), data)
        print(f"(unpruned: train {unpruned.train_accuracy:.2f} %, test {unpruned.test_accuracy:.2f} %)")
    if -np.inf in counted:
        print(f"collapsed: after {counted.count(-np.inf)} of {len(counted)} steps, the first of them step "
              f"{counted.index(-np.inf) + 1}, every training picture gets the same verdict")


def draw_record(run, unpruned, commoner, path, show=False):
    """Draw cost and accuracies against the degree.

    run : the record; unpruned : the evaluation before it; commoner : see `pictures.commoner_label`
    """
    plt = drawing.pyplot(show)
    figure, (above, below) = plt.subplots(2, figsize=(7, 7), sharex=True, layout="constrained")
    for axes, values, marker, color, label, before in (
            (above, run["costs"], "o", "C3", "pruned and retrained", unpruned.cost),
            (below, run["train_accuracy"], "o", "C0", "training", unpruned.train_accuracy),
            (below, run["test_accuracy"], "s", "C1", "test", unpruned.test_accuracy)):
        axes.plot(run["degree"], values, f"{marker}-", color=color, markersize=3, label=label)
        axes.axhline(before, color=color, linestyle="--", linewidth=1)
        axes.plot(0, before, "D--", color=color, markersize=5, linewidth=1, clip_on=False,
                  label="unpruned" if axes is above else f"{label}, unpruned")
    always, *shares = commoner
    kinds = [("", "0.4")] if shares[0] == shares[1] else [(", training", "C0"), (", test", "C1")]
    for (part, color), share in zip(kinds, shares):
        below.axhline(share, color=color, linestyle=":", linewidth=1.5, label=always + part)
    above.set(ylabel="cost on the training pictures", ylim=(0, None))
    below.set(xlabel="pruning degree (%)", ylabel="accuracy (%)")
    for axes in (above, below):
        axes.grid(alpha=0.3)
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, frameon=False)  # never over the curves
    figure.suptitle(f"Prune and retrain, {len(run['degree'])} steps")
    drawing.save_figure(figure, path, show)


def load_steps(options, run, data, settings):
    """The network after the last step of a run that is resumed, and each step's `accuracy_that_counts`.

    Raises InputError.
    An uninterrupted run updates its Gram matrices from step to step, which rounds differently from computing them anew.
    So those in `settings` are updated once more for the masks of all steps, and the rest of the run gives the same
    bits.
    """
    counted = []
    for step, accuracy in enumerate(run["train_accuracy"], start=1):
        parameters = networks.load_parameters(record.find_network(options.out, run, step), len(data.X_train))
        counted.append(accuracy_that_counts(data, parameters, accuracy))
        mask, gram = parameters["W1"] != 0, settings.get("gram")
        if gram and nn.cheaper_method(gram, len(mask), mask, options.iterations, options.l1) == "gram":
            gram.update_mask(mask)
    return parameters, counted


def run_steps(options, data, unpruned, before, run):
    """Do the steps of a run that are not recorded yet, and print and save each.

    options : the command line; unpruned, before : the network and its evaluation; run : the record, which grows
    Returns the `accuracy_that_counts` of each step.
    """
    descent, settings = nn_main.choose_descent(options)
    if not options.batch:
        settings["gram"] = nn.GramMatrices(data.X_train)
    parameters, counted, steps_done = unpruned, [], len(run["degree"])
    if steps_done:
        parameters, counted = load_steps(options, run, data, settings)

    print_unpruned(prun_mask.degree(unpruned), before, steps_done)
    with tqdm(total=options.steps and options.steps * options.iterations, initial=steps_done * options.iterations,
              unit=" iterations", disable=None) as bar:
        steps = prune_iteratively(data, parameters, choose_masks(options, unpruned), steps_done + 1,
                                  options.learning_rate, options.iterations, descent,
                                  progress=lambda iterations, cost: bar.update(iterations), **settings)
        while not is_over(counted, before.train_accuracy, options.steps, options.tolerance):
            step = next(steps, None)
            if step is None:
                break
            pruned, after = nn.evaluate(data, step.pruned), nn.evaluate(data, step.parameters)
            degree = prun_mask.degree(step.parameters)
            record.save_step(options.out, run, step.parameters, step.costs, (degree, *after))
            counted.append(accuracy_that_counts(data, step.parameters, after.train_accuracy))
            tqdm.write(ROW.format(step.number, degree, f"{pruned.train_accuracy:.2f}", f"{pruned.test_accuracy:.2f}",
                                  after.train_accuracy, after.test_accuracy, after.cost)
                       + ("  all judged alike" if counted[-1] == -np.inf else ""))
    return counted


@user_input.exit_status
def main(argv=()):
    options = parse_options(argv)
    data = pictures.load_data(options.data, scale=not options.batch)
    for note in data.notes:
        print(note)
    unpruned = networks.load_trained(options.parameters, options.data)
    files.check_folder(options.figures)
    if os.path.dirname(os.path.realpath(options.parameters)) == os.path.realpath(f"{options.out}/prun_parameter"):
        raise user_input.InputError(f"{options.parameters}: stands where this run writes its networks; name another "
                                    "folder with --out")
    nothing_learned = nn_main.print_if_nothing_learned(options.parameters, data, unpruned,
                                                       *networks.load_start(options.parameters, unpruned))
    if nothing_learned and options.tolerance is not None:
        raise user_input.InputError(f"{options.parameters}: --tolerance needs a network that has learned something")
    names = SETTINGS + (BATCH_SETTINGS if options.batch else ())
    run = record.new_record(options.data, options.parameters, {name: getattr(options, name) for name in names})

    with nn_main.limit_blas(options.batch or data.Y_train.size), record.exclusive(options.out):
        before = nn.evaluate(data, unpruned)
        print(f"network: {options.parameters}")
        if options.resume and os.path.exists(record.record_file(options.out)):
            run = record.resume(options.out, run)
        elif options.resume:
            print(f"{options.out}: holds no run to go on with; this one starts with step 1")
        try:
            counted = run_steps(options, data, unpruned, before, run)
        except KeyboardInterrupt:
            print(f"{user_input.program()}: interrupted; the same command with --resume goes on after the "
                  f"steps that are saved in {options.out}", file=sys.stderr)
            return 130

    print_result(run, counted, before, options.tolerance, options.out, data)
    later = record.network_file(options.out, len(run["degree"]) + 1)
    if os.path.exists(later):
        print(f"{later} and those after it are of an earlier run")
    if run["degree"]:
        draw_record(run, before, pictures.commoner_label(data), f"{options.figures}/degree_costs.png", options.show)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
