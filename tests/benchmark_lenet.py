"""Does a pruned network get faster? LeNet-300-100 and LeNet-5 on a CPU: `python -m tests.benchmark_lenet`.

Judges the 10,000 test digits, at once and one at a time, by the network of datasets/lenet.npz: dense, with its zeros;
without the pixels and units that have no connections (`prun_mask.compact`); and by SciPy's sparse matrices (CSR). Then
times an epoch of training and of retraining against PyTorch's usual loop with masks: same batches, same threads. Then
the same for LeNet-5: the digits all at once, by datasets/lenet5.npz, and epochs, of which a part is timed. Prints
Markdown tables of medians. PyTorch and SciPy are left out with a line where they are not installed. All have as many
threads as OMP_NUM_THREADS says.
"""

import os
import platform
import statistics
import sys
import time

import numpy as np

import nn_functions as nn
import prun_mask
from datasets import mnist, user_input
from datasets.networks import load_exported, load_parameters
from figure import convolution, digits, lenet, lenet5

try:
    import scipy.sparse
except ImportError:
    scipy = None
try:
    import torch
except ImportError:
    torch = None

SINGLE = 2000  # digits that are judged one at a time
SHARES = (0.5, 0.12, 0.0323, 0.0103)  # of lenet.py, to which an epoch of retraining is timed
SHARES_5 = (0.0405, 0.004, 0.0018)  # of lenet5.py
PART = 5  # of an epoch of LeNet-5 this part is timed, a fifth


# --------------------------------------------------------------------------------------------------------- judging

def judges(parameters):
    """The ways to judge digits: a dict from a name to a function of X, (784, m), that returns the outputs, (10, m)."""
    full, (pixels, small) = digits.new_parameters(1), prun_mask.compact(parameters)
    ways = {"unpruned": lambda X: nn.predict(X, full), "pruned, dense": lambda X: nn.predict(X, parameters),
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


def judging_table(parameters, X, repetitions):
    """The lines of a table: microseconds a digit, all at once and one at a time."""
    seconds = {name: ([], []) for name in judges(parameters)}
    for _ in range(repetitions):
        for name, judge in judges(parameters).items():
            for k, parts in enumerate(([X], [X[:, i:i + 1] for i in range(SINGLE)])):
                start = time.perf_counter()
                for part in parts:
                    judge(part)
                seconds[name][k].append((time.perf_counter() - start) / sum(part.shape[1] for part in parts))
    medians = {name: [1e6 * statistics.median(values) for values in both] for name, both in seconds.items()}
    lines = [f"| µs a digit | {X.shape[1]} at once | times faster | one at a time | times faster |",
             "| --- | ---: | ---: | ---: | ---: |"]
    for name, (at_once, single) in medians.items():
        faster = [first / now for first, now in zip(medians["unpruned"], (at_once, single))]
        lines.append(f"| {name} | {at_once:.2f} | {faster[0]:.1f} | {single:.1f} | {faster[1]:.1f} |")
    return lines


# -------------------------------------------------------------------------------------------------------- training

def settings_of(share):
    """The settings of lenet.py in training (share 1), or in retraining at that share: one epoch of them."""
    stage = next((stage for stage in lenet.RETRAINING if share >= min(stage.shares)), lenet.RETRAINING[-1])
    return (lenet.TRAINING if share == 1 else stage)._replace(epochs=1)


def lenet_300_100(dropout):
    """LeNet-300-100 in PyTorch."""
    return torch.nn.Sequential(torch.nn.Linear(784, 300), torch.nn.ReLU(), torch.nn.Dropout(dropout[0]),
                               torch.nn.Linear(300, 100), torch.nn.ReLU(), torch.nn.Dropout(dropout[1]),
                               torch.nn.Linear(100, 10))


def lenet_5(dropout):
    """LeNet-5 in PyTorch."""
    return torch.nn.Sequential(torch.nn.Unflatten(1, convolution.PICTURE),
                               torch.nn.Conv2d(1, 20, convolution.KERNEL), torch.nn.MaxPool2d(2),
                               torch.nn.Conv2d(20, 50, convolution.KERNEL), torch.nn.MaxPool2d(2), torch.nn.Flatten(),
                               torch.nn.Dropout(dropout[0]), torch.nn.Linear(800, 500), torch.nn.ReLU(),
                               torch.nn.Dropout(dropout[1]), torch.nn.Linear(500, 10))


def torch_epoch(X, Y, network, parameters, masks, stage):
    """An epoch of PyTorch's usual loop: SGD with momentum and weight decay, masks after each update."""
    learned = [module for module in network if hasattr(module, "weight")]
    with torch.no_grad():
        for l, module in enumerate(learned, start=1):
            module.weight.copy_(torch.from_numpy(parameters[f"W{l}"]).reshape(module.weight.shape))
            module.bias.copy_(torch.from_numpy(parameters[f"b{l}"][:, 0]))
    weights = [module.weight for module in learned]
    masks = [torch.from_numpy(masks[f"W{l}"].astype(np.float32)).reshape(weight.shape)
             for l, weight in enumerate(weights, start=1)] if masks else []
    X, y = torch.from_numpy(X.T / np.float32(255)), torch.from_numpy(Y.argmax(axis=0))
    optimizer = torch.optim.SGD(network.parameters(), lr=stage.learning_rate, momentum=digits.MOMENTUM,
                                weight_decay=stage.l2)
    loss = torch.nn.CrossEntropyLoss()
    start = time.perf_counter()
    for drawn in torch.randperm(len(y)).split(stage.batch):
        optimizer.zero_grad()
        loss(network(X[drawn]), y[drawn]).backward()
        optimizer.step()
        with torch.no_grad():
            for weight, mask in zip(weights, masks):
                weight.mul_(mask)
    return time.perf_counter() - start


def epoch_table(data, repetitions):
    """The lines of a table: seconds an epoch takes here, and in PyTorch."""
    def settings(stage):
        return digits.settings_of(stage, data.X_train.shape[1], 1, lenet.DROPOUT)

    trained, _ = nn.minibatch_descent(data.X_train, data.Y_train, digits.new_parameters(1),
                                      **settings(lenet.TRAINING._replace(epochs=3)))
    lines = ["| an epoch of | batch | here, s | PyTorch, s | ratio |", "| --- | ---: | ---: | ---: | ---: |"]
    for share in (1, *SHARES):
        masks = {} if share == 1 else digits.keep_share(trained, share, lenet.LAYER_FACTORS)
        parameters, stage = prun_mask.apply_masks(trained, masks), settings_of(share)
        seconds = {"here": [], "torch": []}
        for _ in range(repetitions):
            before = time.perf_counter()
            nn.minibatch_descent(data.X_train, data.Y_train, parameters, masks=masks, **settings(stage))
            seconds["here"].append(time.perf_counter() - before)
            if torch:
                network = lenet_300_100(nn.dropout_rates(lenet.DROPOUT, parameters, masks))
                seconds["torch"].append(torch_epoch(data.X_train, data.Y_train, network, parameters, masks, stage))
        lines.append(epoch_row(seconds, masks, digits.WEIGHTS, stage.batch))
    return lines


def epoch_row(seconds, masks, weights, batch):
    """A row of a table of epochs; seconds : of each repetition, "here" and "torch"."""
    here = statistics.median(seconds["here"])
    other = statistics.median(seconds["torch"]) if torch else float("nan")
    title = "training"
    if masks:
        title = f"retraining, {weights / sum(mask.sum() for mask in masks.values()):.0f} times fewer connections"
    return f"| {title} | {batch} | {here:.2f} | {other:.2f} | {other / here:.1f} |"


# --------------------------------------------------------------------------------------------------------- LeNet-5

def lenet5_epoch_table(data, repetitions):
    """As `epoch_table`, for LeNet-5: seconds an epoch would take by a part of it."""
    m = data.X_train.shape[1] // PART
    X, Y = data.X_train[:, :m], data.Y_train[:, :m]

    def settings_of(stage):
        return digits.settings_of(stage._replace(epochs=1), m, 1, lenet5.DROPOUT)

    trained, _ = convolution.minibatch_descent(X, Y, convolution.new_parameters(1), **settings_of(lenet5.TRAINING))
    lines = ["| LeNet-5, an epoch of | batch | here, s | PyTorch, s | ratio |", "| --- | ---: | ---: | ---: | ---: |"]
    for share in (1, *SHARES_5):
        masks = {} if share == 1 else digits.keep_share(trained, share, lenet5.LAYER_FACTORS)
        parameters, seconds = prun_mask.apply_masks(trained, masks), {"here": [], "torch": []}
        stage = next((stage for stage in lenet5.RETRAINING if share in stage.shares), lenet5.TRAINING)
        dropout = nn.dropout_rates((0, *lenet5.DROPOUT), parameters, masks)[1:]
        for _ in range(repetitions):
            before = time.perf_counter()
            convolution.minibatch_descent(X, Y, parameters, masks=masks, **settings_of(stage))
            seconds["here"].append(PART * (time.perf_counter() - before))
            if torch:
                seconds["torch"].append(PART * torch_epoch(X, Y, lenet_5(dropout), parameters, masks, stage))
        lines.append(epoch_row(seconds, masks, convolution.WEIGHTS, stage.batch))
    return lines


def lenet5_judging_table(path, X, repetitions):
    """The lines of a table: microseconds a digit, all at once, by LeNet-5 and by the pruned network of a file."""
    lines = ["| LeNet-5, µs a digit | all at once |", "| --- | ---: |"]
    networks = {"unpruned": convolution.new_parameters(1)}
    if os.path.exists(path):
        networks["pruned"] = load_exported(path)
    for name, parameters in networks.items():
        seconds = []
        for _ in range(repetitions):
            before = time.perf_counter()
            nn.predict(X, parameters, convolution.layers_of)
            seconds.append(time.perf_counter() - before)
        lines.append(f"| {name} | {1e6 * statistics.median(seconds) / X.shape[1]:.2f} |")
    return lines


@user_input.exit_status
def main(argv=()):
    parser = user_input.ArgumentParser(__doc__.splitlines()[0])
    parser.add_path("--data", mnist.MNIST, "DIR", "the digits")
    parser.add_path("--network", lenet.EXPORT, "FILE", "the pruned network")
    parser.add_path("--network5", lenet5.EXPORT, "FILE", "the pruned LeNet-5")
    parser.add_argument("--repetitions", type=user_input.integer(), default=5, help="of every measurement")
    options = parser.parse_args(argv)
    data = mnist.load_mnist(options.data)
    print(f"Medians of {options.repetitions} runs, OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', 'not set')}; "
          f"Python {platform.python_version()}, NumPy {np.__version__}"
          + (f", PyTorch {torch.__version__}" if torch else "; PyTorch is not installed")
          + (f", SciPy {scipy.__version__}." if scipy else "; SciPy is not installed."))
    parameters = {name: value.astype(np.float32)
                  for name, value in load_parameters(options.network, 784, 10).items()}
    X = nn.as_floating(data.X_test, np.float32)
    for lines in (judging_table(parameters, X, options.repetitions), epoch_table(data, options.repetitions),
                  lenet5_judging_table(options.network5, data.X_test, options.repetitions),
                  lenet5_epoch_table(data, options.repetitions)):
        print("\n".join(["", *lines]), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
