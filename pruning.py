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
                      descent=nn.gradient_descent, **settings):
    """Prune, retrain, again (sections 3 and 3.4). Yields a `Step` at a time, for as long as the caller asks for more.

    data : has X_train of shape (n_x, m) and Y_train of shape (n_L, m)
    masks_of : a function of the step's number and the parameters before it. Returns the step's masks, for example
        {"W1": array of W1's shape, of bool or of 0 and 1, ...}, or None to stop
    first_step : the number of the first step; who goes on with a run of several calls counts on
    descent : `nn_functions.gradient_descent`, or one that draws pictures, `nn_functions.minibatch_descent` or its like:
        it is given step=number, so that each step sees other pictures
    settings : its further arguments
    Raises ValueError, see `nn_functions.check_data` and `nn_functions.checked_masks`, and FloatingPointError.
    """
    if descent is nn.gradient_descent:
        settings["gram"] = settings.get("gram") or nn.GramMatrices(data.X_train)  # carried from step to step
    for number in itertools.count(first_step):
        masks = masks_of(number, parameters)
        if masks is None:
            return
        pruned = prun_mask.apply_masks(parameters, masks)
        if descent is not nn.gradient_descent:
            settings["step"] = number
        with nn_main.limit_blas(settings.get("batch", data.Y_train.shape[1])):
            parameters, costs = descent(data.X_train, data.Y_train, pruned, learning_rate, iterations, masks,
                                        **settings)
        yield Step(number, pruned, parameters, costs)


# ------------------------------------------------------------------------------------- which masks, and how many steps

def good_steps(run, unpruned_accuracy, tolerance):
    """How many steps there are before the first that loses more than `tolerance` points, or predicts one class.

    run : a record; unpruned_accuracy, tolerance : of the training accuracy, in percent
    """
    lowest = unpruned_accuracy - tolerance - 1e-9  # so that rounding does not decide where they are equal
    is_good = [accuracy >= lowest and not one_class
               for accuracy, one_class in zip(run["train_accuracy"], run["predicts_one_class"])]
    return [*is_good, False].index(False)


def choose_masks(options, unpruned, unpruned_accuracy, run):
    """The `masks_of` of a run, for `prune_iteratively`, as the command line has it. Here a run ends.

    After its steps; with --tolerance after the first step that exceeds it, or where a step would prune nothing.
    run : its record, which grows with each step
    """
    def masks_of(step, parameters):
        if options.steps is not None and step > options.steps:
            return None
        if options.tolerance is not None and good_steps(run, unpruned_accuracy, options.tolerance) < step - 1:
            return None
        amount = options.quality if options.criterion == "std" else options.percent
        masks = prun_mask.make_masks(parameters, amount, options.criterion, unpruned,
                                     lambda line: tqdm.write(f"step {step}: {line}"))
        if options.steps is None and all(np.array_equal(mask, parameters[name] != 0) for name, mask in masks.items()):
            tqdm.write(f"step {step} would prune nothing")
            return None
        return masks

    return masks_of


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
                        help=f"of the remaining weights, which a step prunes (default: {PERCENT:g})")
    parser.add_argument("--quality", type=user_input.real(above=0),
                        help="threshold of --criterion std, in standard deviations of the unpruned layer's weights "
                             f"(default: {QUALITY:g})")
    parser.add_argument("--steps", type=user_input.integer(), metavar="N",
                        help=f"prune-and-retrain steps (default: {STEPS}, or with --tolerance as many as it takes)")
    parser.add_argument("--tolerance", type=user_input.real(at_least=0), metavar="POINTS",
                        help="go on until the retrained network's training accuracy is more than this many percentage "
                             "points below the unpruned network's")
    user_input.add_descent_options(parser, LEARNING_RATE, ITERATIONS, "each retraining", fewest=0)
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


def print_result(run, unpruned, tolerance, out, data):
    """Print what the run has come to. Raises InputError.

    run : its record; unpruned : the evaluation of the unpruned network
    """
    print()
    steps = len(run["degree"])
    if tolerance is not None:
        good = good_steps(run, unpruned.train_accuracy, tolerance)
        if good:
            print_network("last good step", out, run, good, data)
        else:
            print("last good step: none")
    if steps:
        print_network("last step", out, run, steps, data)
        print(f"(unpruned: train {unpruned.train_accuracy:.2f} %, test {unpruned.test_accuracy:.2f} %)")
    one_class = run["predicts_one_class"]
    if True in one_class:
        print(f"collapsed: after {one_class.count(True)} of {steps} steps, the first of them step "
              f"{one_class.index(True) + 1}, one class is predicted for every training picture")
    later = record.network_file(out, steps + 1)
    if os.path.exists(later):
        print(f"{later} and those after it are of an earlier run")


def draw_record(run, unpruned, majority, path, show=False):
    """Draw cost and accuracies against the degree: after retraining, and dotted before it, as in the paper's Fig. 5.

    run : the record; unpruned : the evaluation before it; majority : see `pictures.majority_class`
    """
    figure, (above, below) = drawing.subplots(2, figsize=(7, 7), sharex=True, layout="constrained")
    for axes, name, marker, color, label, before in (
            (above, "costs", "o", "C3", "pruned and retrained", unpruned.cost),
            (below, "train_accuracy", "o", "C0", "training", unpruned.train_accuracy),
            (below, "test_accuracy", "s", "C1", "test", unpruned.test_accuracy)):
        axes.plot(run["degree"], run[name], f"{marker}-", color=color, markersize=3, label=label)
        axes.axhline(before, color=color, linestyle="--", linewidth=1)
        axes.plot(0, before, "D--", color=color, markersize=5, linewidth=1, clip_on=False,
                  label="unpruned" if axes is above else f"{label}, unpruned")
        if axes is below:
            axes.plot(run["degree"], run[f"pruned_{name}"], ":", color=color, label=f"{label}, not yet retrained")
    always, *accuracies = majority
    kinds = [("", "0.4")] if accuracies[0] == accuracies[1] else [(", training", "C0"), (", test", "C1")]
    for (part, color), accuracy in zip(kinds, accuracies):
        below.axhline(accuracy, color=color, linestyle="-.", linewidth=1, alpha=0.6, label=always + part)
    above.set(ylabel="cost on the training pictures", ylim=(0, None))
    below.set(xlabel="pruning degree (%)", ylabel="accuracy (%)")
    for axes in (above, below):
        axes.grid(alpha=0.3)
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, frameon=False)  # never over the curves
    figure.suptitle(f"Prune and retrain, {len(run['degree'])} steps")
    drawing.save_figure(figure, path, show)


def load_step(options, run, step, data, gram):
    """The network after a step of a run that is resumed. Raises InputError.

    An uninterrupted run updates its Gram matrices from step to step, which rounds differently from computing them anew.
    So they are updated once more for the masks of all steps, and the rest of the run gives the same bits.
    """
    parameters = networks.load_parameters(record.find_network(options.out, run, step), len(data.X_train))
    W = parameters["W1"]
    if gram and nn.cheaper_method(gram.X.shape, len(W), True, options.iterations, options.l1) == "gram":
        gram.update_mask(W != 0)
    return parameters


ROW = "{:8} {:9.3f}  {:>9} {:>9} {:9.2f} {:9.2f}   {:.6f}"


def run_steps(options, data, unpruned, before, run):
    """Do the steps of a run that are not recorded yet, and print and save each.

    options : the command line; unpruned, before : the network and its evaluation; run : the record, which grows
    """
    descent, settings = nn_main.choose_descent(options, nn_main.SEED)
    gram = None if options.batch else nn.GramMatrices(data.X_train)
    settings |= {} if options.batch else {"gram": gram}
    print("        degree    accuracy (%), pruned   and retrained         cost")
    print("step       (%)       train      test     train      test")
    print(ROW.format("unpruned", prun_mask.degree(unpruned), "", "", before.train_accuracy, before.test_accuracy,
                     before.cost))
    parameters, steps_done = unpruned, len(run["degree"])
    for step in range(1, steps_done + 1):
        parameters = load_step(options, run, step, data, gram)
    if steps_done:
        print(f"steps 1 to {steps_done} were done before")
    with tqdm(total=options.steps and options.steps * options.iterations, initial=steps_done * options.iterations,
              unit=" iterations", disable=None) as bar:
        masks_of = choose_masks(options, unpruned, before.train_accuracy, run)
        for step in prune_iteratively(data, parameters, masks_of, steps_done + 1, options.learning_rate,
                                      options.iterations, descent,
                                      progress=lambda iterations, cost: bar.update(iterations), **settings):
            pruned, after = nn.evaluate(data, step.pruned), nn.evaluate(data, step.parameters)
            degree = prun_mask.degree(step.parameters)
            one_class = nn_main.predicts_one_class(data.X_train, data.Y_train, step.parameters)
            if step.number == 1 and (moved := record.set_aside(options.out, run, options.steps)):
                tqdm.write(moved)
            record.save_step(options.out, run, step.parameters, step.costs,
                             (degree, *after, pruned.train_accuracy, pruned.test_accuracy, one_class))
            tqdm.write(ROW.format(step.number, degree, f"{pruned.train_accuracy:.2f}", f"{pruned.test_accuracy:.2f}",
                                  after.train_accuracy, after.test_accuracy, after.cost)
                       + ("  predicts one class" if one_class else ""))


@user_input.exit_status
def main(argv=()):
    options = parse_options(argv)
    print(f"network: {options.parameters}")
    data = pictures.load_data(options.data, scale=not options.batch)
    unpruned = networks.load_parameters(options.parameters, len(data.X_train))
    other_data = networks.other_data(options.parameters, options.data)
    if other_data:
        raise user_input.InputError(f"{other_data}; name that one with --data, or train a network on this one")
    if os.path.dirname(os.path.realpath(options.parameters)) == os.path.realpath(f"{options.out}/prun_parameter"):
        raise user_input.InputError(f"{options.parameters}: stands where this run writes its networks; name another "
                                    "folder with --out")
    nothing_learned = nn_main.print_if_nothing_learned(options.parameters, data, unpruned)
    if nothing_learned and options.tolerance is not None:
        raise user_input.InputError(f"{options.parameters}: --tolerance needs a network that has learned something")
    names = SETTINGS + (BATCH_SETTINGS if options.batch else ())
    run = record.new_record(options.data, options.parameters, {name: getattr(options, name) for name in names})

    with nn_main.limit_blas(options.batch or data.Y_train.size), record.exclusive(options.out):
        before = nn.evaluate(data, unpruned)
        if options.resume and os.path.exists(record.record_file(options.out)):
            run = record.resume(options.out, run)
        elif options.resume:
            print(f"{options.out}: holds no run to go on with; this one starts with step 1")
        try:
            run_steps(options, data, unpruned, before, run)
        except KeyboardInterrupt:
            print(f"{user_input.program()}: interrupted; the same command with --resume goes on after the "
                  f"steps that are saved in {options.out}", file=sys.stderr)
            return 130
        print_result(run, before, options.tolerance, options.out, data)
        if run["degree"]:
            files.remove_temporaries(options.figures, "degree_costs.png")
            draw_record(run, before, pictures.majority_class(data), f"{options.figures}/degree_costs.png",
                        options.show)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
