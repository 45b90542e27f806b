"""Does a pruned network get faster? LeNet-300-100 and LeNet-5 on a CPU: `python -m tests.benchmark_lenet`.

Classifies the 10,000 test digits at once by the network of datasets/lenet.npz: dense, with its zeros; without the
pixels and units that have no connections (`prun_mask.compact`); and by SciPy's sparse matrices (CSR). Then times an
epoch of training and of retraining, against the textbook loop, and PyTorch's with masks. All with one thread and in
float32. Prints medians as Markdown tables; what is not installed is left out.
"""

import functools
import sys

import numpy as np
import threadpoolctl

import nn_functions as nn
import prun_mask
from datasets import mnist, networks, user_input
from figure import convolution, digits, lenet, lenet5

from .benchmark import medians, torch, torch_descent, torch_set, versions
from .test_nn_functions import orders, written_out

try:
    import scipy.sparse
except ImportError:
    scipy = None

FRACTIONS = {"lenet": (1, 0.0232), "lenet5": (1, 0.0405, 0.0024)}  # about 40, and 12 and 200 times fewer connections
PARTS = {"lenet": 1, "lenet5": 5}  # of an epoch, this part is timed


def classifiers(parameters):
    """Ways to classify: a function of X, (784, m), by its name."""
    pixels, small = prun_mask.compact(parameters)
    ways = {"unpruned": functools.partial(nn.predict, parameters=digits.new_parameters(1)),
            "pruned, dense": functools.partial(nn.predict, parameters=parameters),
            "pruned, compact": lambda X: nn.predict(X[pixels], small)}
    if scipy:
        layers = [(scipy.sparse.csr_matrix(small[f"W{l}"]), small[f"b{l}"]) for l in (1, 2, 3)]

        def sparse(X):
            A = X[pixels]
            for W, b in layers[:-1]:
                A = np.maximum(W @ A + b, 0)
            return nn.softmax(layers[-1][0] @ A + layers[-1][1])

        ways["pruned, compact, CSR"] = sparse
    return ways


def torch_network(study, dropout):
    """The network of a study in PyTorch."""
    layers = [torch.nn.Linear(784, 300), torch.nn.ReLU(), torch.nn.Dropout(dropout[0]), torch.nn.Linear(300, 100),
              torch.nn.ReLU(), torch.nn.Dropout(dropout[1]), torch.nn.Linear(100, 10)]
    if study.name == "lenet5":
        layers = [torch.nn.Unflatten(1, convolution.PICTURE), torch.nn.Conv2d(1, 20, 5), torch.nn.MaxPool2d(2),
                  torch.nn.Conv2d(20, 50, 5), torch.nn.MaxPool2d(2), torch.nn.Flatten(), torch.nn.Dropout(dropout[0]),
                  torch.nn.Linear(800, 500), torch.nn.ReLU(), torch.nn.Dropout(dropout[1]), torch.nn.Linear(500, 10)]
    return torch.nn.Sequential(*layers)


def epochs(study, X, Y, parameters, masks, stage):
    """Ways to train or retrain for an epoch of these digits: functions by their names."""
    rate, m = stage.learning_rate / 4, Y.shape[1]
    iterations = -(-m // stage.batch)
    settings = {"batch": stage.batch, "momentum": digits.MOMENTUM, "l2": stage.l2, "dropout": study.dropout, "seed": 1}
    ways = {"here": lambda: study.descent(X, Y, parameters, rate, iterations, masks, **settings)}
    inputs = nn.as_floating(X, np.float32)
    if study.name == "lenet":
        ways["textbook"] = lambda: written_out(inputs, Y.astype(np.float32), parameters, [rate] * iterations,
                                               orders(m, stage.batch, 1), digits.MOMENTUM, stage.l2, masks)
    if torch:
        dropout = nn.dropout_rates(study.dropout if study.name == "lenet" else (0, *study.dropout), parameters, masks)
        network = torch_network(study, dropout[-2:])
        torch_set(network, parameters)
        pictures, labels = torch.from_numpy(inputs.T.copy()), torch.from_numpy(Y.argmax(axis=0))
        ways["PyTorch"] = lambda: torch_descent(
            network, torch.nn.CrossEntropyLoss(), pictures, labels, torch.randperm(m).split(stage.batch), masks,
            lr=rate, momentum=digits.MOMENTUM, weight_decay=stage.l2)
    return ways


def print_epochs(study, data, repetitions):
    """The table of a study: seconds for an epoch."""
    m = data.X_train.shape[1] // PARTS[study.name]
    X, Y = data.X_train[:, :m], data.Y_train[:, :m]
    rate, batch = study.training.learning_rate, study.training.batch
    trained, _ = study.descent(X, Y, study.new_parameters(1), rate, 300, batch=batch, momentum=digits.MOMENTUM)
    print(f"\n| {study.title}: an epoch of | batch | here, s | textbook loop, s | PyTorch, s |\n"
          "| --- | ---: | ---: | ---: | ---: |")
    for fraction in FRACTIONS[study.name]:
        masks = {}
        if fraction < 1:
            masks = prun_mask.without_dead_neurons(digits.keep_fraction(trained, fraction, study.factors))
        stage = next((stage for stage in study.retraining if fraction in stage.fractions), study.training)
        found = medians(epochs(study, X, Y, prun_mask.apply_masks(trained, masks), masks, stage), repetitions)
        title = (f"retraining, {study.weights / sum(mask.sum() for mask in masks.values()):.0f} times fewer connections"
                 if masks else "training")
        times = [f"{found[name][0] * PARTS[study.name]:.2f}" if name in found else ""
                 for name in ("here", "textbook", "PyTorch")]
        print(f"| {title} | {stage.batch} | {' | '.join(times)} |", flush=True)


@user_input.exit_status
def main(argv=()):
    parser = user_input.ArgumentParser(__doc__.splitlines()[0])
    parser.add_path("--data", mnist.MNIST, "DIR", "the digits")
    parser.add_argument("--repetitions", type=user_input.integer(), default=3, help="of every measurement")
    options = parser.parse_args(argv)
    data = mnist.load_mnist(options.data)
    print(f"Medians of {options.repetitions} runs with one thread; {versions()}.")
    if torch:
        torch.set_num_threads(1)
    X = nn.as_floating(data.X_test, np.float32)
    pruned = networks.load_parameters(user_input.default_path(lenet.EXPORT), len(X), len(data.Y_test))
    ways = classifiers({name: value.astype(np.float32) for name, value in pruned.items()})
    with threadpoolctl.threadpool_limits(1):
        found = medians({name: functools.partial(classify, X) for name, classify in ways.items()}, options.repetitions)
        print(f"\n| {X.shape[1]} digits at once | µs a digit | times faster |\n| --- | ---: | ---: |")
        for name, (seconds, _) in found.items():
            print(f"| {name} | {seconds / X.shape[1] * 1e6:.2f} | {found['unpruned'][0] / seconds:.1f} |")
        for study in (lenet.STUDY, lenet5.STUDY):
            print_epochs(study, data, options.repetitions)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
