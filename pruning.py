"""The main job: prune the trained network, retrain what is left, and again (section 3 and 3.4 of the paper).

Each step takes the connections of smallest magnitude out of every layer but the last, and trains the surviving ones for
a while. Writes the network after every step to prun_parameter/, the record of all steps to degree_costs.npy, and draws
cost and accuracy against the pruning degree.
"""

import hashlib
import os
import sys

import numpy as np
from tqdm import tqdm

import nn_functions as nn
import prun_mask

DATA = "datasets/carvnocar.h5"
PARAMETERS = "datasets/parameters.npy"
PERCENT = 5  # of the remaining weights, in each step
STEPS = 39
LEARNING_RATE = 0.005  # of retraining; the original's was 0.05: see README.md
ITERATIONS = 220  # of retraining, in each step
OUT = "datasets"
FIGURES = "figure"


def judge(data, parameters):
    """A network's cost on the training pictures, and its accuracy on the training and on the test pictures in percent."""
    X_train, Y_train, X_test, Y_test = data
    AL = nn.predict(X_train, parameters)
    return nn.compute_cost(AL, Y_train).item(), nn.accuracy(AL, Y_train), nn.accuracy(nn.predict(X_test, parameters), Y_test)


def network_file(out, step):
    """Where the network after a step is kept."""
    return f"{out}/prun_parameter/prun_parameters{step}.npy"


def new_record(options):
    """The record of a run before its first step: four lists with a number a step, and what the run was started from."""
    with open(options.data, "rb") as data, open(options.parameters, "rb") as parameters:
        run = {"data": hashlib.sha256(data.read()).hexdigest(),
               "parameters": hashlib.sha256(parameters.read()).hexdigest(),
               "percent": float(options.percent), "learning_rate": options.learning_rate, "iterations": options.iterations}
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


def resumed_network(out, done, n_x, gram, iterations):
    """The network after the last of the steps that are done, and the Gram matrices brought to where they were then.

    The matrices are carried from step to step and so have a rounding of their own. They go once more through the masks
    of all steps, so that the rest of the run comes out in the same bits. Raises InputError.
    """
    for step in range(1, done + 1):
        if not os.path.exists(network_file(out, step)):
            raise nn.InputError(f"{network_file(out, step)}: missing; to resume, the networks of all earlier steps are needed")
        parameters = nn.load_parameters(network_file(out, step), n_x)
        mask = parameters["W1"] != 0
        if nn.cheaper_way(gram, len(mask), mask, iterations) == "sample space":
            gram.for_mask(mask)
    return parameters


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
    nn.save_figure(figure, path)
    if show:
        plt.show()


def parse_options(argv):
    """The command line."""
    parser = nn.ArgumentParser("Prune the trained network and retrain it, step by step.")
    parser.add_argument("--data", default=DATA, metavar="FILE", help="the pictures, HDF5")
    parser.add_argument("--parameters", default=PARAMETERS, metavar="FILE", help="the trained network")
    parser.add_argument("--percent", type=nn.percentage, default=PERCENT,
                        help="share of each layer's remaining weights that a step prunes")
    parser.add_argument("--steps", type=nn.positive_integer, default=STEPS, metavar="N", help="prune-and-retrain steps")
    parser.add_argument("--learning-rate", type=nn.positive_number, default=LEARNING_RATE, metavar="RATE",
                        help="step size of retraining")
    parser.add_argument("--iterations", type=nn.positive_integer, default=ITERATIONS, metavar="N",
                        help="iterations of each retraining")
    parser.add_argument("--out", default=OUT, metavar="DIR", help="folder for degree_costs.npy and prun_parameter/")
    parser.add_argument("--figures", default=FIGURES, metavar="DIR", help="folder for degree_costs.png")
    parser.add_argument("--resume", action="store_true", help="go on after the last step that --out holds")
    parser.add_argument("--show", action="store_true", help="show the figure in a window, too")
    return parser.parse_args(argv)


@nn.exit_status
def main(argv=None):
    options = parse_options(argv)
    data = X_train, Y_train, _, _ = nn.load_data(options.data)
    parameters = nn.load_parameters(options.parameters, len(X_train))
    unpruned = (prun_mask.degree(parameters), *judge(data, parameters))
    record_file = f"{options.out}/degree_costs.npy"
    record = new_record(options)
    gram = nn.GramMatrices(X_train)
    resumed = options.resume and os.path.exists(record_file)
    if resumed:
        record = resumed_record(record, record_file)
    kept = len(record["degree"])  # steps whose network and record are on the disk
    if 0 < kept < options.steps:
        parameters = resumed_network(options.out, kept, len(X_train), gram, options.iterations)
    nn.make_folder(f"{options.out}/prun_parameter")
    nn.make_folder(options.figures)

    print("        degree    accuracy (%), pruned   and retrained         cost")
    print("step       (%)       train      test     train      test")
    line = "{:8} {:9.3f}  {:>9} {:>9} {:9.2f} {:9.2f}   {:.6f}".format
    print(line("unpruned", unpruned[0], "", "", *unpruned[2:], unpruned[1]))
    if kept:
        print(f"steps 1 to {kept} were done before")
    with tqdm(total=options.steps * options.iterations, initial=kept * options.iterations, unit=" iterations",
              disable=None) as bar:
        try:
            for step in range(kept + 1, options.steps + 1):
                start = bar.n
                masks = prun_mask.prune_masks(parameters, options.percent)
                pruned = prun_mask.apply_masks(parameters, masks)
                parameters, costs = nn.gradient_descent(
                    X_train, Y_train, pruned, options.learning_rate, options.iterations, masks,
                    lambda done, _: bar.update(start + done - bar.n), gram)
                if step == 1:
                    nn.save_dict(record_file, record)  # empty: no network of an earlier run may pass for one of this
                cost, train_accuracy, test_accuracy = judge(data, parameters)
                for name, value in (("degree", prun_mask.degree(parameters)), ("costs", cost),
                                    ("train_accuracy", train_accuracy), ("test_accuracy", test_accuracy)):
                    record[name].append(value)
                nn.save_parameters(network_file(options.out, step), parameters, costs)
                nn.save_dict(record_file, record)
                _, train_before, test_before = judge(data, pruned)
                bar.write(line(step, record["degree"][-1], f"{train_before:.2f}", f"{test_before:.2f}", train_accuracy,
                               test_accuracy, cost))
        except KeyboardInterrupt:
            on_disk = os.path.exists(record_file) and len(nn.load_dict(record_file)["degree"])
            kept = step if on_disk == step else step - 1
            raise KeyboardInterrupt(f"{kept} steps are kept in {options.out}; the same command with --resume goes on")

    print(f"\n{record['degree'][-1]:.3f} % of the weights are pruned; accuracy on the training pictures "
          f"{record['train_accuracy'][-1]:.2f} % (unpruned {unpruned[2]:.2f} %),\n"
          f"on the test pictures {record['test_accuracy'][-1]:.2f} % (unpruned {unpruned[3]:.2f} %)")
    print(f"networks saved: {options.out}/prun_parameter")
    draw_record(record, unpruned, f"{options.figures}/degree_costs.png", options.show)
    return 0


if __name__ == "__main__":
    sys.exit(main())
