"""The settings of `figure.lenet`, one changed at a time, on held-out digits: what the error depends on.

The network is trained on 50,000 training digits, pruned step by step to 40 times fewer connections, and judged by the
last 10,000 training digits; one seed. Prints a table. Needs the digits (`python -m datasets.fetch_mnist`).

Time on 2 cores: ten to twenty minutes.
"""

import functools
import math
import os
import sys

import joblib

from datasets import mnist, user_input
from figure import digits, lenet, studies

HELD_OUT = 10_000
SEED = 1
SHARES = (0.0723, 0.0232)  # of the steps that are printed: 13.5 and 40 times. The last one is the end
# What is changed: fields of the stages of retraining, a factor of the L2 of all stages, the factors of the layers. The
# last are chosen so that the three layers together keep as much.
GRID = {
    "nothing": ({}, 1, lenet.LAYER_FACTORS),
    "nothing is pruned": ({}, 1, (math.inf,) * 3),  # so much is due to the epochs and rates alone
    "rate of retraining 0.05, not 0.2": ({"learning_rate": 0.05}, 1, lenet.LAYER_FACTORS),
    "rate of retraining 0.1": ({"learning_rate": 0.1}, 1, lenet.LAYER_FACTORS),
    "rate of retraining 0.3": ({"learning_rate": 0.3}, 1, lenet.LAYER_FACTORS),
    "L2 halved": ({}, 0.5, lenet.LAYER_FACTORS),
    "L2 doubled": ({}, 2, lenet.LAYER_FACTORS),
    "layers keep 1.06, 1.06, 3.2 times the share, not 0.8, 2.4, 25": ({}, 1, (1.06, 1.06, 3.2)),
    "layers keep 0.6, 3.6, 36 times the share": ({}, 1, (0.6, 3.6, 36)),
}


def run(folder, training, retraining, shares, name):
    """Train, prune and retrain with the settings of that name in GRID. Returns a `digits.Point` for each network."""
    changes, l2, factors = GRID[name]
    data = mnist.load_mnist(folder, HELD_OUT)
    stages = [stage._replace(shares=tuple(share for share in stage.shares if share >= min(shares)), l2=l2 * stage.l2,
                             **changes) for stage in retraining]
    trained = lenet.train(data, training._replace(l2=l2 * training.l2), SEED)
    return [digits.measure(data, parameters)
            for parameters in lenet.prune_in_steps(data, trained, stages, SEED, factors)]


def study(folder, training=lenet.TRAINING, retraining=lenet.RETRAINING, shares=SHARES, cache=None, cluster=None):
    """Do all of GRID and print the table; for the arguments see `figure.lenet.study`. Raises InputError."""
    mnist.load_mnist(folder, HELD_OUT)  # whether it is there, before the work
    do = functools.partial(joblib.Memory(cache, verbose=0).cache(run), os.path.abspath(folder), training, retraining,
                           shares)
    steps = [0, *(digits.step_of(share, retraining) for share in shares)]
    print(f"error in percent on {HELD_OUT} held-out digits; steps of the shares "
          f"{', '.join(map(str, shares))}\n\n| changed | unpruned |" + " ratio | error |" * len(shares))
    print("| --- |" + " ---: |" * (1 + 2 * len(shares)))
    for name, points in zip(GRID, studies.in_parallel(do, list(GRID), "settings", cluster)):
        unpruned, *pruned = (points[step] for step in steps)
        print(f"| {name} | {unpruned.error:.2f} | " + " | ".join(
            f"{digits.ratio(point):.1f} | {point.error:.2f}" for point in pruned) + " |")


@user_input.exit_status
def main(argv=()):
    parser = user_input.ArgumentParser(__doc__.splitlines()[0])
    parser.add_path("--data", mnist.MNIST, "DIR", "the digits")
    digits.add_run_options(parser)
    options = parser.parse_args(argv)
    study(options.data, cache=options.cache, cluster=options.cluster)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
