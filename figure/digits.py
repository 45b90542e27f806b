"""What the studies on MNIST share: the network LeNet-300-100, how it is measured, and the command line."""

from typing import NamedTuple

import numpy as np

import nn_functions as nn
from datasets import mnist, user_input
from figure import studies

SIZES = (784, 300, 100, 10)
SEEDS = (1, 2, 3, 4, 5)
MOMENTUM = 0.9


class Point(NamedTuple):
    """A network of a run."""

    left: tuple  # the number of connections of each layer
    error: float  # in percent


# The next two are for `figure.lenet` alone. They are here because what is kept in its --cache is found by the name of
# its class, and a script that is run has no other name than "__main__".

class Stage(NamedTuple):
    """How the network is trained, or retrained after each of several steps of pruning."""

    shares: tuple  # of the connections that the steps keep, before the factors of the layers; training has none
    epochs: int
    learning_rate: float  # falls to 0 along half a cosine in every training and retraining
    batch: int
    l2: float


class Run(NamedTuple):
    """What a job of `figure.lenet` gives."""

    points: list  # of `Point`, a network each
    parameters: list  # of these networks, where they are asked for


def new_parameters(seed, sizes=SIZES):
    """A network before training, in float32."""
    return {name: value.astype(np.float32) for name, value in nn.initialize_parameters(sizes, seed, "he").items()}


def measure(data, parameters):
    """The `Point` of a network."""
    left = tuple(np.count_nonzero(parameters[f"W{l}"]) for l in range(1, nn.number_of_layers(parameters) + 1))
    return Point(left, 100 - nn.accuracy(nn.predict(data.X_test, parameters), data.Y_test))


def ratio(point):
    """How many times fewer connections there are than in the unpruned network."""
    return sum(rows * columns for rows, columns in zip(SIZES, SIZES[1:])) / sum(point.left)


def make_parser(description):
    """The command line of a study on MNIST."""
    parser = user_input.ArgumentParser(description)
    parser.add_path("--data", mnist.MNIST, "DIR", "the digits")
    parser.add_argument("--held-out", type=user_input.integer(), default=0, metavar="N",
                        help="judge by the last N training digits, which are held out, and not by the test digits")
    parser.add_path("--figures", "figure", "DIR", "folder for the figures")
    parser.add_argument("--show", action="store_true", help="show the figures in a window, too")
    studies.add_run_options(parser, "1 to N", default=len(SEEDS), cache=True)
    return parser
