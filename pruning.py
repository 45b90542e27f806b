"""The main job: prune the trained network, retrain what is left, and again (section 3 and 3.4 of the paper).

Each step takes the connections of smallest magnitude out of every layer but the last, and trains the surviving ones for
a while: for a number of steps, or with --tolerance for as long as the network bears it. Writes the network after every
step to prun_parameter/, the record of all steps to degree_costs.npy, and draws cost and accuracy against the pruning
degree.
"""

import argparse
import hashlib
import os
import sys

import numpy as np
from tqdm import tqdm

import nn_functions as nn
import prun_mask

DATA = "datasets/carvnocar.h5"
PARAMETERS = "datasets/parameters.npy"
PERCENT = 5.0  # of the remaining weights, in each step
STEPS = 39
CRITERION = "percentile"
QUALITY = 1.0  # in standard deviations, for the criterion "std"
DELTA = 0.0  # by which the percentage, or the quality, is raised at every step: the original's unused hyper-parameter
LEARNING_RATE = 0.005  # of retraining; the original's was 0.05: see README.md
ITERATIONS = 220  # of retraining, in each step
OUT = "datasets"
FIGURES = "figure"


def judge(data, parameters):
    """A network's cost on the training pictures, and its accuracy on the training and on the test pictures in percent."""
    X_train, Y_train, X_test, Y_test = data
    AL = nn.predict(X_train, parameters)
    return nn.compute_cost(AL, Y_train).item(), nn.accuracy(AL, Y_train), nn.accuracy(nn.predict(X_test, parameters), Y_test)


def prune_and_retrain(data, parameters, masks, learning_rate=LEARNING_RATE, iterations=ITERATIONS, **descent):
    """One step of the paper's (sections 3 and 3.4): take out the connections outside the masks, train the others.

    descent : further arguments of `nn_functions.gradient_descent`
    Returns the network as pruned, the network as retrained, and the costs of retraining.
    """
    X_train, Y_train, _, _ = data
    pruned = prun_mask.apply_masks(parameters, masks)
    retrained, costs = nn.gradient_descent(X_train, Y_train, pruned, learning_rate, iterations, masks, **descent)
    return pruned, retrained, costs


def network_file(out, step):
    """Where the network after a step is kept."""
    return f"{out}/prun_parameter/prun_parameters{step}.npy"


def new_record(options):
    """The record of a run before its first step: four lists with a number a step, and what the run was started from."""
    with open(options.data, "rb") as data, open(options.parameters, "rb") as parameters:
        run = {"data": hashlib.sha256(data.read()).hexdigest(), "parameters": hashlib.sha256(parameters.read()).hexdigest()}
    for name in ("criterion", "percent", "quality", "delta", "learning_rate", "iterations", "l1", "l2"):
        run[name] = getattr(options, name)
    return {"degree": [], "costs": [], "train_accuracy": [], "test_accuracy": [], "run": run}


def resumed_record(new, path):
    """The record in `path`, to go on with, if it is one of the same run as `new`. Raises InputError."""
    record = nn.load_dict(path)
    run, lists = record.get("run"), [record.get(name) for name in new if name != "run"]
    if (not isinstance(run, dict) or not all(isinstance(values, list) for values in lists)
            or len({len(values) for values in lists}) > 1
            or not all(isinstance(value, float) and np.isfinite(value) for values in lists for value in values)):
        raise nn.InputError(f"{path}: cannot resume, it is not a record that pruning.py wrote")
    differing = [name.replace("_", " ") for name, value in new["run"].items()
                 if not isinstance(run.get(name), (str, int, float)) or run[name] != value]
    if differing:
        raise nn.InputError(f"{path}: cannot resume, it was made with other {', '.join(differing)}")
    return record


def what_is_kept(record, path, out):
    """What to say of an interrupted run: how many steps the record on the disk has, if it is of this run."""
    try:
        kept = len(resumed_record(record, path)["degree"])
    except (nn.InputError, OSError):
        kept = 0
    if kept == 0:
        return "no step was done"
    return f"{kept} {'step is' if kept == 1 else 'steps are'} kept in {out}; the same command with --resume goes on"


def resumed_network(options, done, n_x, gram):
    """The network after the last of the steps that are done, and the Gram matrices brought to where they were then.

    The matrices are carried from step to step and so have a rounding of their own. They go once more through the masks
    of all steps, so that the rest of the run comes out in the same bits. Raises InputError.
    """
    for step in range(1, done + 1):
        file = network_file(options.out, step)
        if not os.path.exists(file):
            raise nn.InputError(f"{file}: missing; to resume, the networks of all earlier steps are needed")
        parameters = nn.load_parameters(file, n_x)
        mask = parameters["W1"] != 0
        if nn.cheaper_way(gram, len(mask), mask, options.iterations, options.l1) == "sample space":
            gram.for_mask(mask)
    return parameters


def amount_of_step(options, step):
    """How much the criterion prunes in a step: a percentage, of which 100 is the most, or a number of standard deviations."""
    if options.criterion == "std":
        return options.quality + (step - 1) * options.delta
    return min(options.percent + (step - 1) * options.delta, 100)


def good_steps(record, unpruned_accuracy, tolerance):
    """How many steps leave the training accuracy at most `tolerance` points below the unpruned network's, until one does not."""
    lowest = unpruned_accuracy - tolerance - 1e-9  # so that rounding does not decide where they are equal
    too_low = [accuracy < lowest for accuracy in record["train_accuracy"]]
    return too_low.index(True) if True in too_low else len(too_low)


def draw_record(record, unpruned, path, show=False):
    """Draw cost and accuracies against the degree; `unpruned`: degree, cost and accuracies of the network before step 1."""
    plt = nn.pyplot(show)
    _, cost, train_accuracy, test_accuracy = unpruned
    figure, (above, below) = plt.subplots(2, figsize=(7, 7), sharex=True, layout="constrained")
    above.plot(record["degree"], record["costs"], "o-", color="C3", markersize=3, label="pruned and retrained")
    above.axhline(cost, color="C3", linestyle="--", label="unpruned")
    above.set(ylabel="cost on the training pictures", ylim=(0, None))
    below.plot(record["degree"], record["train_accuracy"], "o-", color="C0", markersize=3, label="training")
    below.axhline(train_accuracy, color="C0", linestyle="--", label="training, unpruned")
    below.plot(record["degree"], record["test_accuracy"], "s-", color="C1", markersize=3, label="test")
    below.axhline(test_accuracy, color="C1", linestyle="--", label="test, unpruned")
    below.set(xlabel="pruning degree (%)", ylabel="accuracy (%)")
    for axes in (above, below):
        axes.grid(alpha=0.3)
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=4, frameon=False)  # never over the curves
    figure.suptitle(f"Prune and retrain, {len(record['degree'])} steps")
    nn.save_figure(figure, path, show)


def parse_options(argv):
    """The command line."""
    parser = nn.ArgumentParser("Prune the trained network and retrain it, step by step.")
    parser.add_argument("--data", default=DATA, metavar="FILE", help="the pictures, HDF5")
    parser.add_argument("--parameters", default=PARAMETERS, metavar="FILE", help="the trained network")
    parser.add_argument("--criterion", choices=prun_mask.CRITERIA, default=CRITERION,
                        help="what is pruned. percentile: --percent of each layer's weights; std: what is below --quality "
                             "standard deviations of the layer's weights; global: --percent of all layers' weights together")
    parser.add_argument("--percent", type=nn.percentage, default=argparse.SUPPRESS,
                        help=f"share of the remaining weights that a step prunes (default: {PERCENT:g})")
    parser.add_argument("--quality", type=nn.positive_number, default=argparse.SUPPRESS,
                        help="threshold of --criterion std, in standard deviations of the unpruned layer's weights "
                             f"(default: {QUALITY:g})")
    parser.add_argument("--delta", type=nn.number_from_zero, default=DELTA,
                        help="raise --percent, or --quality, by this at every step")
    parser.add_argument("--steps", type=nn.positive_integer, metavar="N", default=argparse.SUPPRESS,
                        help=f"prune-and-retrain steps (default: {STEPS}, or with --tolerance as many as it takes)")
    parser.add_argument("--tolerance", type=nn.number_from_zero, metavar="POINTS", default=argparse.SUPPRESS,
                        help="go on until the retrained network's training accuracy is more than this many percentage "
                             "points below the unpruned network's")
    parser.add_argument("--learning-rate", type=nn.positive_number, default=LEARNING_RATE, metavar="RATE",
                        help="step size of retraining")
    parser.add_argument("--iterations", type=nn.positive_integer, default=ITERATIONS, metavar="N",
                        help="iterations of each retraining")
    nn.add_penalties(parser)
    parser.add_argument("--out", default=OUT, metavar="DIR", help="folder for degree_costs.npy and prun_parameter/")
    parser.add_argument("--figures", default=FIGURES, metavar="DIR", help="folder for degree_costs.png")
    parser.add_argument("--resume", action="store_true", help="go on after the last step that --out holds")
    parser.add_argument("--show", action="store_true", help="show the figure in a window, too")
    options = parser.parse_args(argv)
    if options.criterion == "std" and "percent" in options:
        parser.error("--percent does not go with --criterion std, which has --quality")
    if options.criterion != "std" and "quality" in options:
        parser.error("--quality goes with --criterion std only")
    defaults = {"percent": PERCENT, "quality": QUALITY, "tolerance": None, "steps": None if "tolerance" in options else STEPS}
    for name, value in defaults.items():
        setattr(options, name, getattr(options, name, value))
    if options.criterion != "std" and options.steps and options.percent + (options.steps - 1) * options.delta >= 100:
        parser.error(f"--delta {options.delta:g} would take the percentage to 100 within {options.steps} steps")
    return options


def is_over(record, unpruned_accuracy, options):
    """Whether a run has done its steps, or gone beyond its tolerance."""
    if options.steps and len(record["degree"]) >= options.steps:
        return True
    return options.tolerance is not None and good_steps(record, unpruned_accuracy, options.tolerance) < len(record["degree"])


def masks_of_step(step, parameters, unpruned, options):
    """The masks of a step, and what is to be said of them, a list of lines.

    The masks are None where a run that goes by its tolerance has nothing left to prune.
    """
    amount = amount_of_step(options, step)
    limits = prun_mask.thresholds(parameters, amount, options.criterion, unpruned)
    said = [f"step {step} would empty {name}: its last connection is kept"
            for name in prun_mask.emptied_layers(parameters, limits) if np.count_nonzero(parameters[name]) > 1]
    masks = prun_mask.masks_above(parameters, limits)
    if options.steps is None and all(np.array_equal(mask, parameters[name] != 0) for name, mask in masks.items()):
        # With --delta a later step may find something, as long as the amount does grow.
        if amount == amount_of_step(options, step + 1) or all(mask.sum() <= 1 for mask in masks.values()):
            return None, [f"step {step} would prune nothing"]
    return masks, said


def do_step(step, data, parameters, masks, record, options, gram, progress):
    """Prune, retrain, judge and save. Returns the retrained network, and the training and test accuracy before retraining."""
    pruned, parameters, costs = prune_and_retrain(data, parameters, masks, options.learning_rate, options.iterations,
                                                  progress=progress, gram=gram, l1=options.l1, l2=options.l2)
    record_file = f"{options.out}/degree_costs.npy"
    if step == 1:
        nn.save_dict(record_file, record)  # empty: no network of an earlier run may pass for one of this
    values = (prun_mask.degree(parameters), *judge(data, parameters))
    for name, value in zip(("degree", "costs", "train_accuracy", "test_accuracy"), values):
        record[name].append(value)
    nn.save_parameters(network_file(options.out, step), parameters, costs)
    nn.save_dict(record_file, record)
    return parameters, judge(data, pruned)[1:]


def report_tolerance(record, unpruned_accuracy, options):
    """Say which step was the last whose network is within the tolerance, and where that network is."""
    steps = good_steps(record, unpruned_accuracy, options.tolerance)
    if steps:
        print(f"last good step: {steps}, with {record['degree'][steps - 1]:.3f} % of the weights pruned and a training accuracy "
              f"of {record['train_accuracy'][steps - 1]:.2f} %: {network_file(options.out, steps)}")
    else:
        print("last good step: none")


@nn.exit_status
def main(argv=None):
    options = parse_options(argv)
    data = X_train, _, _, _ = nn.load_data(options.data)
    parameters = unpruned = nn.load_parameters(options.parameters, len(X_train))
    first_line = degree, cost, train_accuracy, test_accuracy = (prun_mask.degree(unpruned), *judge(data, unpruned))
    record_file = f"{options.out}/degree_costs.npy"
    record = new_record(options)
    gram = nn.GramMatrices(X_train)
    if options.resume and os.path.exists(record_file):
        record = resumed_record(record, record_file)
    kept = len(record["degree"])  # steps whose network and record are on the disk
    if kept and not is_over(record, train_accuracy, options):
        parameters = resumed_network(options, kept, len(X_train), gram)
    nn.make_folder(f"{options.out}/prun_parameter")
    nn.make_folder(options.figures)

    print("        degree    accuracy (%), pruned   and retrained         cost")
    print("step       (%)       train      test     train      test")
    line = "{:8} {:9.3f}  {:>9} {:>9} {:9.2f} {:9.2f}   {:.6f}".format
    print(line("unpruned", degree, "", "", train_accuracy, test_accuracy, cost))
    if kept:
        print(f"steps 1 to {kept} were done before")
    with tqdm(total=options.steps and options.steps * options.iterations, initial=kept * options.iterations,
              unit=" iterations", disable=None) as bar:
        try:
            while not is_over(record, train_accuracy, options):
                step = len(record["degree"]) + 1
                start = bar.n
                masks, said = masks_of_step(step, parameters, unpruned, options)
                for words in said:
                    bar.write(words)
                if masks is None:
                    break
                parameters, before = do_step(step, data, parameters, masks, record, options, gram,
                                             lambda done, _: bar.update(start + done - bar.n))
                bar.write(line(step, record["degree"][-1], *map("{:.2f}".format, before), record["train_accuracy"][-1],
                               record["test_accuracy"][-1], record["costs"][-1]))
        except KeyboardInterrupt:
            raise KeyboardInterrupt(what_is_kept(record, record_file, options.out))

    print()
    if options.tolerance is not None:
        report_tolerance(record, train_accuracy, options)
    if not record["degree"]:
        return 0
    print(f"After step {len(record['degree'])}, {record['degree'][-1]:.3f} % of the weights are pruned; accuracy on the "
          f"training pictures {record['train_accuracy'][-1]:.2f} % (unpruned {train_accuracy:.2f} %),\n"
          f"on the test pictures {record['test_accuracy'][-1]:.2f} % (unpruned {test_accuracy:.2f} %)")
    print(f"networks saved: {options.out}/prun_parameter")
    draw_record(record, first_line, f"{options.figures}/degree_costs.png", options.show)
    return 0


if __name__ == "__main__":
    sys.exit(main())
