"""Keeping the surviving weights, or drawing new ones (section 3.3 of the paper): the same masks, the same iterations.

Prints a table: the accuracy of the network after the recorded run's last pruning, not yet retrained; retrained from the
weights that survived; trained from new random weights in the same masks, as long, and as long as a first training; and
for comparison trained from those new weights with nothing pruned. About a minute on 2 cores.
"""

import functools
import sys

import numpy as np

import figure
import nn_functions as nn
import nn_main
import prun_mask
import pruning

LEARNED = 0.6  # a network whose cost is below this has learned something; saying 0.40 of everything costs 0.67
NEW_SEED = 1000  # is added to the network's own
# Which weights are trained, for how many iterations, at which learning rate, and whether in the masks.
CASES = {"surviving weights, not retrained": ("surviving", 0, 0, True),
         "surviving weights": ("surviving", pruning.ITERATIONS, pruning.LEARNING_RATE, True),
         "new weights": ("new", pruning.ITERATIONS, pruning.LEARNING_RATE, True),
         "new weights, as long as a first training": ("new", nn_main.ITERATIONS, nn_main.LEARNING_RATE, True),
         "new weights, nothing pruned": ("new", nn_main.ITERATIONS, nn_main.LEARNING_RATE, False)}


def run(data_file, job):
    """Prune and retrain a seed's trained network in the recorded steps, the last of them once for each case.

    Returns the cost and the accuracies of the trained network and of each case, an array of shape (1 + cases, 3).
    """
    seed, parameters = job
    data = X_train, Y_train, _, _ = nn.load_data(data_file)
    gram = nn.GramMatrices(X_train)
    values = [pruning.judge(data, parameters)]
    for _ in range(pruning.STEPS - 1):
        masks = prun_mask.prune_masks(parameters, pruning.PERCENT)
        _, parameters, _ = pruning.prune_and_retrain(data, parameters, masks, gram=gram)
    last_masks = prun_mask.prune_masks(parameters, pruning.PERCENT)
    starts = {"surviving": parameters, "new": nn.initialize_parameters((len(X_train), *nn_main.LAYERS, 1), NEW_SEED + seed)}
    for which, iterations, learning_rate, in_masks in CASES.values():
        masks = last_masks if in_masks else {}
        network = prun_mask.apply_masks(starts[which], masks)
        if iterations:
            network, _ = nn.gradient_descent(X_train, Y_train, network, learning_rate, iterations, masks, gram=gram)
        values.append(pruning.judge(data, network))
    return np.array(values)


@nn.exit_status
def main(argv=None):
    parser = nn.ArgumentParser(__doc__.splitlines()[0])
    parser.add_argument("--data", default=nn_main.DATA, metavar="FILE", help="the pictures, HDF5")
    options = parser.parse_args(argv)
    networks = figure.trained_networks(options.data)
    values = np.array(figure.in_parallel(functools.partial(run, options.data), list(networks.items())))
    print(f"| | iterations | learned, of {len(networks)} | training accuracy, median (range) | test accuracy, median (range) |")
    print("| --- | ---: | ---: | ---: | ---: |")
    rows = {"unpruned": nn_main.ITERATIONS, **{name: iterations for name, (_, iterations, _, _) in CASES.items()}}
    for (name, iterations), of_seeds in zip(rows.items(), values.transpose(1, 2, 0)):
        accuracies = (f"{np.median(accuracy):.2f} % ({accuracy.min():.2f} to {accuracy.max():.2f})" for accuracy in of_seeds[1:])
        learned = np.count_nonzero(of_seeds[0] < LEARNED)
        print(f"| {name} | {iterations} | {learned} | {' | '.join(accuracies)} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
