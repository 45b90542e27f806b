"""Keeping the surviving weights, or drawing new ones (section 3.3 of the paper): the same masks, the same iterations.

Prints a table: the accuracy of the network after the recorded run's last pruning, not yet retrained; retrained from the
weights that survived; trained from new random weights in the same masks, as long, and as long as a first training; and
for comparison trained from those new weights with nothing pruned.

Time on 2 cores: half a minute.
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
from typing import NamedTuple

import numpy as np

import nn_functions as nn
import nn_main
import prun_mask
import pruning
from datasets import pictures, user_input
from figure import studies

LEARNED = 0.6  # a cost below this means that something was learned; 0.40 for every picture costs 0.67
NEW_SEED = 1000  # is added to the network's own


class Case(NamedTuple):
    """How the network is trained after the last pruning."""

    weights: str  # that it starts from: "surviving" or "new"
    iterations: int
    learning_rate: float
    masked: bool


CASES = {"surviving weights, not retrained": Case("surviving", 0, 0, True),
         "surviving weights": Case("surviving", pruning.ITERATIONS, pruning.LEARNING_RATE, True),
         "new weights": Case("new", pruning.ITERATIONS, pruning.LEARNING_RATE, True),
         "new weights, as long as a first training": Case("new", nn_main.ITERATIONS, nn_main.LEARNING_RATE, True),
         "new weights, nothing pruned": Case("new", nn_main.ITERATIONS, nn_main.LEARNING_RATE, False)}


def run(data_file, steps, cases, job):
    """Prune and retrain a seed's trained network in the recorded steps, the last of them once for each case.

    job : the seed and the network's parameters
    Returns the cost and the accuracies of the trained network and of each case, an array of shape (1 + cases, 3).
    """
    seed, unpruned = job
    data = studies.load_data(data_file)
    gram = nn.GramMatrices(data.X_train)
    evaluations = [nn.evaluate(data, unpruned)]
    pruning_steps = pruning.prune_iteratively(data, unpruned, pruning.recorded_masks, gram=gram)
    *_, last_but_one = itertools.islice(pruning_steps, steps - 1)
    last_masks = pruning.recorded_masks(steps, last_but_one.parameters)
    starts = {"surviving": last_but_one.parameters,
              "new": nn.initialize_parameters(nn.layer_sizes(unpruned), NEW_SEED + seed)}
    for case in cases.values():
        masks = last_masks if case.masked else {}
        parameters = prun_mask.apply_masks(starts[case.weights], masks)
        if case.iterations:
            parameters, _ = nn.gradient_descent(data.X_train, data.Y_train, parameters, case.learning_rate,
                                                case.iterations, masks, gram=gram)
        evaluations.append(nn.evaluate(data, parameters))
    return np.array(evaluations)


def print_table(iterations, values):
    """Print a row for each kind of network.

    iterations : a dict from the row's name to the iterations of training; values : an array (rows, 3, seeds)
    """
    print(f"| | iterations | learned, of {values.shape[2]} | training accuracy, median (range) | "
          "test accuracy, median (range) |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for (name, number), (costs, *accuracies) in zip(iterations.items(), values):
        learned = np.count_nonzero(costs < LEARNED)
        print(f"| {name} | {number} | {learned} | {' | '.join(map(studies.median_and_range, accuracies))} |")


@user_input.exit_status
def main(argv=None, seeds=studies.SEEDS, training_iterations=nn_main.ITERATIONS, steps=pruning.STEPS, cases=CASES):
    parser = user_input.ArgumentParser(__doc__.splitlines()[0])
    parser.add_path("--data", nn_main.DATA, "FILE", "the pictures, HDF5")
    studies.add_run_options(parser, "the first N at which training learns anything")
    options = parser.parse_args(argv)
    pictures.load_data(options.data)  # says once what is to be said of it

    networks = studies.trained_networks(options.data, options.seeds or seeds, training_iterations, options.cluster)
    values = np.array(studies.in_parallel(functools.partial(run, options.data, steps, cases), list(networks.items()),
                                          cluster=options.cluster))

    iterations = {"unpruned": training_iterations, **{name: case.iterations for name, case in cases.items()}}
    print_table(iterations, values.transpose(1, 2, 0))
    return 0


if __name__ == "__main__":
    sys.exit(main())
