"""How fast the descent is, against the textbook loop, PyTorch and scikit-learn: `python -m tests.benchmark`.

Trains the car network and prunes it by every method, in turn, several times over, with one thread each, and prints
medians as Markdown tables; then those of the scripts as whole processes. (a) is the loop as luserli's experiment ran
it: every gradient in full, that of the pictures included, and masks multiplied in after each update. PyTorch and
scikit-learn are left out where they are not installed.
"""

import functools
import itertools
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

import numpy as np
import threadpoolctl

import nn_functions as nn
import nn_main
import prun_mask
import pruning
from datasets import networks, pictures, user_input

try:
    import sklearn.neural_network
except ImportError:
    sklearn = None
try:
    import torch
except ImportError:
    torch = None


def textbook(X, Y, parameters, learning_rate, iterations, masks):
    """Method (a)."""
    p, L, m = dict(parameters), nn.number_of_layers(parameters), Y.size
    for _ in range(iterations):
        A = [X]
        for l in range(1, L + 1):
            Z = p[f"W{l}"] @ A[-1] + p[f"b{l}"]
            A.append(np.maximum(0, Z) if l < L else 1 / (1 + np.exp(-Z)))
        nn.compute_cost(A[-1], Y)
        dA, gradients = -(Y / (A[-1] + 1e-5) - (1 - Y) / (1 - A[-1] + 1e-5)), {}
        for l in range(L, 0, -1):
            dZ = dA * (A[l] * (1 - A[l]) if l == L else A[l] > 0)
            gradients[f"W{l}"], gradients[f"b{l}"] = dZ @ A[l - 1].T / m, dZ.sum(axis=1, keepdims=True) / m
            dA = p[f"W{l}"].T @ dZ
        p = {name: (value - learning_rate * gradients[name]) * masks.get(name, True) for name, value in p.items()}
    return p


# ----------------------------------------------------------------------------------------------------------- PyTorch

def torch_set(network, parameters):
    """Give a network of PyTorch these parameters."""
    with torch.no_grad():
        for l, module in enumerate((module for module in network if hasattr(module, "weight")), start=1):
            module.weight.copy_(torch.from_numpy(parameters[f"W{l}"]).reshape(module.weight.shape))
            module.bias.copy_(torch.from_numpy(parameters[f"b{l}"][:, 0]))


def torch_descent(network, loss, X, Y, batches, masks, **settings):
    """PyTorch's usual loop, with the masks multiplied in after each update."""
    optimizer = torch.optim.SGD(network.parameters(), **settings)
    weights = [value for value in network.parameters() if value.ndim > 1]
    masks = [torch.from_numpy(mask).to(X.dtype).reshape(weight.shape) for weight, mask in zip(weights, masks.values())]
    for drawn in batches:
        optimizer.zero_grad()
        loss(network(X[drawn]), Y[drawn]).backward()
        optimizer.step()
        with torch.no_grad():
            for weight, mask in zip(weights, masks):
                weight.mul_(mask)


def with_torch(dtype, X, Y, parameters, learning_rate, iterations, masks):
    """The same as `textbook`."""
    linear = [torch.nn.Linear(*reversed(W.shape), dtype=dtype) for name, W in parameters.items() if name[0] == "W"]
    network = torch.nn.Sequential(*itertools.chain(*((module, torch.nn.ReLU()) for module in linear)))
    network[-1] = torch.nn.Sigmoid()
    torch_set(network, parameters)
    inputs, labels = (torch.tensor(array.T.copy(), dtype=dtype) for array in (X, Y))
    torch_descent(network, torch.nn.BCELoss(), inputs, labels, [slice(None)] * iterations, masks, lr=learning_rate)
    return {f"{kind}{l}": value.detach().double().numpy().reshape(len(value), -1) for l, module in enumerate(linear, 1)
            for kind, value in (("W", module.weight), ("b", module.bias))}


# ------------------------------------------------------------------------------------------------------------ tables

def with_sklearn(X, Y, parameters, learning_rate, iterations, _):
    sizes = nn.layer_sizes(parameters)[1:-1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the iterations ended before it had converged
        sklearn.neural_network.MLPClassifier(
            sizes, solver="sgd", alpha=0, batch_size=Y.size, learning_rate_init=learning_rate, momentum=0,
            shuffle=False, max_iter=iterations, tol=0, n_iter_no_change=iterations, random_state=1).fit(X.T, Y[0])


def methods():
    """The descents, each a function of X, Y, parameters, learning rate, iterations and masks, by their names."""
    found = {"(a) textbook loop": textbook}
    for name, method in (("(b) here, without the Gram form", "textbook"), ("(c) here", None)):
        found[name] = lambda *arguments, method=method: nn.gradient_descent(*arguments, method=method)[0]
    if torch:
        found |= {f"PyTorch, {str(dtype)[6:]}": functools.partial(with_torch, dtype)
                  for dtype in (torch.float64, torch.float32)}
    return found | ({"scikit-learn": with_sklearn} if sklearn else {})


def prune(descent, data, parameters):
    """The recorded run with another descent; (c) is `prune_iteratively` itself, which carries its matrices on."""
    def masks_of(_, parameters):
        return prun_mask.make_masks(parameters, pruning.PERCENT)

    if descent is None:
        steps = pruning.prune_iteratively(data, parameters, masks_of)
        return [next(steps) for _ in range(pruning.STEPS)][-1].parameters
    for step in range(pruning.STEPS):
        masks = masks_of(step, parameters)
        parameters = descent(data.X_train, data.Y_train, prun_mask.apply_masks(parameters, masks),
                             pruning.LEARNING_RATE, pruning.ITERATIONS, masks)
    return parameters


def medians(calls, repetitions):
    """Call functions in turn, several times. Returns the median of the seconds and the last result of each, a dict."""
    seconds = {name: [] for name in calls}
    for _, (name, call) in itertools.product(range(repetitions), calls.items()):
        start = time.perf_counter()
        result = call()
        seconds[name].append((time.perf_counter() - start, result))
    return {name: (statistics.median(value for value, _ in runs), runs[-1][1]) for name, runs in seconds.items()}


def print_table(title, calls, repetitions, iterations, data):
    found = medians(calls, repetitions)
    print(f"\n| {title} | seconds | µs an iteration | time against (c) | cost in the end |\n" + "| --- " + 4 * "| ---: "
          + "|")
    for name, (seconds, parameters) in found.items():
        cost = f"{nn.evaluate(data, parameters).cost:.9f}" if parameters else ""
        print(f"| {name} | {seconds:.2f} | {seconds / iterations * 1e6:.0f} | {seconds / found['(c) here'][0]:.1f} | "
              f"{cost} |", flush=True)


def versions():
    return f"Python {platform.python_version()}, " + ", ".join(
        f"{module.__name__} {module.__version__}" for module in (np, torch, sklearn) if module)


@user_input.exit_status
def main(argv=()):
    parser = user_input.ArgumentParser(__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=user_input.integer(), default=3, help="of every measurement")
    parser.add_argument("--iterations", type=user_input.integer(), default=4000, help="of training")
    options = parser.parse_args(argv)
    print(f"Medians of {options.repetitions} runs with one thread; {versions()}.")
    if torch:
        torch.set_num_threads(1)
    data = pictures.load_data(user_input.default_path(nn_main.DATA))
    X, Y, repetitions = data.X_train, data.Y_train, options.repetitions
    start = nn.initialize_parameters((len(X), *nn_main.LAYERS, 1), nn_main.SEED)
    trained = networks.load_parameters(user_input.default_path(pruning.PARAMETERS), len(X))
    with threadpoolctl.threadpool_limits(1):
        print_table(f"training, {options.iterations} iterations", {
            name: functools.partial(descent, X, Y, start, nn_main.LEARNING_RATE, options.iterations, {})
            for name, descent in methods().items()}, repetitions, options.iterations, data)
        print_table(f"pruning, {pruning.STEPS} × {pruning.ITERATIONS} iterations", {
            name: functools.partial(prune, None if name[:3] == "(c)" else descent, data, trained)
            for name, descent in methods().items() if name != "scikit-learn"}, repetitions,
            pruning.STEPS * pruning.ITERATIONS, data)
    print("\n| whole process, defaults | seconds |\n| --- | ---: |")
    with tempfile.TemporaryDirectory() as folder:
        for script in ("nn_main.py", "pruning.py"):
            command = [sys.executable, user_input.default_path(script), "--out", folder]
            found = medians({script: functools.partial(subprocess.run, command, capture_output=True, check=True)},
                            repetitions)
            print(f"| `python {script}` | {found[script][0]:.2f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
