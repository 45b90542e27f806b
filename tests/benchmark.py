"""How fast the descent is, against the textbook loop, PyTorch and scikit-learn: `python -m tests.benchmark`.

Trains the network and prunes it by every method, the same work in turn, several times over, and prints the medians as
Markdown tables (--out writes them to a file, too). Then times the scripts as whole processes, and training on more and
more pictures. PyTorch and scikit-learn are left out with a line where they are not installed. Needs a POSIX system.
"""

import itertools
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

import h5py
import numpy as np
from tqdm import tqdm

import nn_functions as nn
import nn_main
import prun_mask
import pruning
from datasets import files, user_input
from datasets.networks import load_parameters
from datasets.pictures import Data, load_data

try:
    if "--time" in sys.argv:  # such a run is also measured for its memory, which these would blur
        raise ImportError
    import sklearn.neural_network
except ImportError:
    sklearn = None
try:
    if "--time" in sys.argv:
        raise ImportError
    import torch
    import torch.nn.utils.prune
except ImportError:
    torch = None

PICTURES = (181, 1000, 5000, 20000)


# ------------------------------------------------------------------- (a) the textbook loop as the original ran it

def original_descent(X, Y, parameters, learning_rate, iterations, masks):
    """Every gradient in full, that of the pictures included, and the masks multiplied in after each update."""
    p, L, m = {name: value.copy() for name, value in parameters.items()}, nn.number_of_layers(parameters), Y.size
    for _ in range(iterations):
        A, Z = [X], []
        for l in range(1, L + 1):
            Z.append(p[f"W{l}"] @ A[-1] + p[f"b{l}"])
            A.append(np.maximum(0, Z[-1]) if l < L else 1 / (1 + np.exp(-Z[-1])))
        nn.compute_cost(A[-1], Y)
        dA, gradients = -(Y / (A[-1] + 1e-5) - (1 - Y) / (1 - A[-1] + 1e-5)), {}
        for l in range(L, 0, -1):
            dZ = dA * (A[l] * (1 - A[l]) if l == L else Z[l - 1] > 0)
            gradients[f"W{l}"] = dZ @ A[l - 1].T / m
            gradients[f"b{l}"] = np.sum(dZ, axis=1, keepdims=True) / m
            dA = p[f"W{l}"].T @ dZ
        for name in p:
            p[name] = p[name] - learning_rate * gradients[name]
        for name, mask in masks.items():
            p[name] = p[name] * mask
    return p


# ---------------------------------------------------------------------------------------------------- (d) PyTorch

def torch_network(parameters, dtype):
    """The same network of torch.nn.Linear, with the same weights."""
    modules = []
    for l in range(1, nn.number_of_layers(parameters) + 1):
        linear = torch.nn.Linear(*reversed(parameters[f"W{l}"].shape), dtype=dtype)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(parameters[f"W{l}"]))
            linear.bias.copy_(torch.from_numpy(parameters[f"b{l}"][:, 0]))
        modules += [linear, torch.nn.ReLU()]
    return torch.nn.Sequential(*modules[:-1], torch.nn.Sigmoid())


def torch_descent(network, X, Y, learning_rate, iterations):
    optimizer = torch.optim.SGD(network.parameters(), lr=learning_rate)
    loss = torch.nn.BCELoss()
    for _ in range(iterations):
        optimizer.zero_grad()
        loss(network(X), Y).backward()
        optimizer.step()


def torch_parameters(network):
    """The network's parameters as a dict W1, b1, ..."""
    linears = [module for module in network if isinstance(module, torch.nn.Linear)]
    return {name: value.detach().double().numpy().reshape(value.shape[0], -1) for l, linear in enumerate(linears, 1)
            for name, value in ((f"W{l}", linear.weight), (f"b{l}", linear.bias))}


# ---------------------------------------------------------------------------------------------- training, pruning

def trainers(X, Y, start, iterations):
    """The methods of training: a dict from a name to a function that trains and returns the parameters (or None)."""
    def here(method):
        def train():
            with nn_main.limit_blas(Y.size):  # as the scripts do
                return nn.gradient_descent(X, Y, start, nn_main.LEARNING_RATE, iterations, method=method)[0]

        return train

    def with_torch(dtype):
        inputs, labels = (torch.tensor(array.T.copy(), dtype=dtype) for array in (X, Y))

        def train():
            network = torch_network(start, dtype)
            torch_descent(network, inputs, labels, nn_main.LEARNING_RATE, iterations)
            return torch_parameters(network)

        return train

    def with_sklearn():
        sizes = [len(start[f"b{l}"]) for l in range(1, nn.number_of_layers(start))]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the iterations ended before it had converged
            sklearn.neural_network.MLPClassifier(
                sizes, solver="sgd", alpha=0, batch_size=Y.size, learning_rate_init=nn_main.LEARNING_RATE,
                momentum=0, shuffle=False, max_iter=iterations, tol=0, n_iter_no_change=iterations,
                random_state=1).fit(X.T, Y[0])

    def original():
        return original_descent(X, Y, start, nn_main.LEARNING_RATE, iterations, {})

    methods = {"(a) textbook, as the original": original,
               "(b) textbook, here": here("textbook"), "(c) Gram form": here("gram")}
    if torch:
        methods["(d) PyTorch, float64"] = with_torch(torch.float64)
        methods["(d) PyTorch, float32"] = with_torch(torch.float32)
    if sklearn:
        methods["(e) scikit-learn"] = with_sklearn
    return methods


def masks_of(step, parameters):
    """Those of the recorded run."""
    return prun_mask.make_masks(parameters, pruning.PERCENT)


def pruners(X, Y, start, steps):
    """The methods of pruning and retraining, like `trainers`."""
    def original():
        parameters = start
        for step in range(1, steps + 1):
            masks = masks_of(step, parameters)
            pruned = prun_mask.apply_masks(parameters, masks)
            parameters = original_descent(X, Y, pruned, pruning.LEARNING_RATE, pruning.ITERATIONS, masks)
        return parameters

    def here(method):
        def prune():
            with nn_main.limit_blas(Y.size):
                loop = pruning.prune_iteratively(Data(X, Y, X, Y), start, masks_of, method=method)
                *_, last = itertools.islice(loop, steps)
            return last.parameters

        return prune

    def with_torch(dtype):
        inputs, labels = (torch.tensor(array.T.copy(), dtype=dtype) for array in (X, Y))

        def prune():
            network = torch_network(start, dtype)
            linears = [module for module in network if isinstance(module, torch.nn.Linear)]
            for _ in range(steps):
                masks = masks_of(None, torch_parameters(network))
                for linear, mask in zip(linears, masks.values()):
                    torch.nn.utils.prune.custom_from_mask(linear, "weight", torch.from_numpy(mask))
                torch_descent(network, inputs, labels, pruning.LEARNING_RATE, pruning.ITERATIONS)
                network(inputs)  # the masks are applied to the weights when the network is next used
            return torch_parameters(network)

        return prune

    methods = {"(a) textbook, as the original": original, "(b) textbook, here": here("textbook"),
               "(c) Gram form": here("gram")}
    if torch:
        methods["(d) PyTorch, float64"] = with_torch(torch.float64)
        methods["(d) PyTorch, float32"] = with_torch(torch.float32)
    return methods


def compare(title, methods, repetitions, iterations, X, Y):
    """Run all methods in turn, several times. Returns the lines of a Markdown table of the medians."""
    seconds, costs = {name: [] for name in methods}, {}
    for _ in range(repetitions):
        for name in tqdm(methods, desc=title, disable=None):
            start = time.perf_counter()
            parameters = methods[name]()
            seconds[name].append(time.perf_counter() - start)
            costs[name] = "" if parameters is None else f"{nn.compute_cost(nn.predict(X, parameters), Y).item():.9f}"
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    fastest = medians["(c) Gram form"]
    return [f"| {title} | seconds | µs an iteration | time against (c) | cost in the end |",
            "| --- | ---: | ---: | ---: | ---: |",
            *(f"| {name} | {median:.2f} | {median / iterations * 1e6:.0f} | {median / fastest:.1f} | {costs[name]} |"
              for name, median in medians.items())]


# ------------------------------------------------------------------------------------------------ whole processes

# A process of its own starts and measures each command, because Linux counts the memory of whoever started a process
# as the process's own, and this one is large.
LAUNCHER = """
import os, sys
child = os.spawnv(os.P_NOWAIT, sys.executable, [sys.executable, *sys.argv[1:]])
_, status, usage = os.wait4(child, 0)
print(usage.ru_maxrss, file=sys.stderr)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def measure(*command):
    """Run a Python command to its end. Returns its output, its seconds and its peak memory in MB."""
    start = time.perf_counter()
    process = subprocess.run([sys.executable, "-S", "-c", LAUNCHER, *map(str, command)], capture_output=True, text=True,
                             check=False)
    seconds = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{process.stderr}")
    return process.stdout, seconds, int(process.stderr.split()[-1]) * 1024 / 1e6  # Linux counts in units of 1024 bytes


def whole_processes(repetitions, folder):
    """Time nn_main.py and pruning.py with their defaults. Returns the lines of a Markdown table."""
    lines = ["| whole process, defaults | seconds | peak memory, MB |", "| --- | ---: | ---: |"]
    for script, options in (("nn_main.py", ()), ("pruning.py", ("--parameters", f"{folder}/parameters.npy"))):
        runs = [measure(script, "--out", folder, "--figures", folder, *options)[1:] for _ in range(repetitions)]
        seconds, memory = (statistics.median(values) for values in zip(*runs))
        lines.append(f"| `python {script}` | {seconds:.2f} | {memory:.0f} |")
    return lines


def growth(folder):
    """Time training on generated pictures of the same shape. Returns the lines of a Markdown table."""
    lines = ["| pictures | as float64, MB | (a), ms | textbook, ms | Gram form, ms | Gram matrix, s | chosen "
             "| its peak memory, MB |", "| ---: | ---: | ---: | ---: | ---: | ---: | --- | ---: |"]
    for m in tqdm(PICTURES, desc="growth", disable=None):
        path, random = f"{folder}/generated.h5", np.random.RandomState(m)
        with h5py.File(path, "w") as file:
            for part, number in (("train", m), ("test", 60)):
                file[f"X_{part}"] = random.randint(0, 256, (number, 45, 80, 3), np.uint8)
                file[f"y_{part}"] = np.arange(number) % 2
        chosen = nn.cheaper_method(nn.GramMatrices(np.broadcast_to(0.0, (10800, m))), 5, None, 40000)
        results = {method: measure("-m", "tests.benchmark", "--time", method, "--data", path)
                   for method in ("original", "textbook", "gram")}
        milliseconds = {method: output.split() for method, (output, _, _) in results.items()}
        name = "Gram form" if chosen == "gram" else chosen
        lines.append(f"| {m} | {10800 * m * 8 / 1e6:.0f} | {milliseconds['original'][0]} | "
                     f"{milliseconds['textbook'][0]} | {milliseconds['gram'][0]} | "
                     f"{milliseconds['gram'][1]} | {name} | {results[chosen][2]:.0f} |")
    return lines


def time_one_method(method, path):
    """Print the milliseconds an iteration of training takes on a data set, and the seconds for the Gram matrix."""
    X, Y = load_data(path)[:2]
    start = nn.initialize_parameters((len(X), 5, 4, 3, 2, 1), 1)
    nn_main.limit_blas(Y.size)  # as the scripts do
    gram, before = nn.GramMatrices(X), time.perf_counter()
    if method == "gram":
        gram.update_mask(None)
    setup = time.perf_counter() - before

    def run(iterations):
        before = time.perf_counter()
        if method == "original":
            original_descent(X, Y, start, nn_main.LEARNING_RATE, iterations, {})
        else:
            nn.gradient_descent(X, Y, start, nn_main.LEARNING_RATE, iterations, gram=gram, method=method)
        return time.perf_counter() - before

    few, more = {181: (20, 420), 1000: (5, 55), 5000: (2, 12)}.get(Y.size, (1, 4))
    # What is done once in a call falls out of the difference.
    print(f"{statistics.median(run(more) - run(few) for _ in range(3)) / (more - few) * 1e3:.3g} {setup:.1f}")


def processor():
    """The processor's name and the number of cores that this process may use."""
    name = platform.processor()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            name = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), name)
    return f"{name}, {len(os.sched_getaffinity(0))} cores"


class Tables:
    """Prints each table as soon as it is measured, and writes all so far to a file."""

    def __init__(self, path):
        self.path, self.text = path, ""

    def __call__(self, lines):
        text = "\n".join([*lines, "", ""])
        print(text, end="", flush=True)
        self.text += text
        if self.path:
            files.write_atomically(self.path, lambda file: file.write(self.text.encode()))


@user_input.exit_status
def main(argv=()):
    parser = user_input.ArgumentParser(__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=user_input.integer(), default=3, help="of every measurement")
    parser.add_argument("--iterations", type=user_input.integer(), default=4000, help="of training")
    parser.add_argument("--steps", type=user_input.integer(), default=39, help="of pruning")
    parser.add_argument("--out", type=user_input.path, metavar="FILE", help="write the tables to this file, too")
    parser.add_path("--data", nn_main.DATA, "FILE", "the pictures, HDF5")
    parser.add_argument("--time", choices=("original", "textbook", "gram"), metavar="METHOD",
                        help="only time one method of training on --data, as the last table does: original, textbook "
                             "or gram")
    options = parser.parse_args(argv)
    if options.time:
        time_one_method(options.time, options.data)
        return 0

    if options.out:
        files.check_file(options.out)
    X, Y = load_data(options.data)[:2]
    show = Tables(options.out)
    show([f"Medians of {options.repetitions} runs on {processor()}; Python {platform.python_version()}, "
             f"NumPy {np.__version__}" + (f", PyTorch {torch.__version__}" if torch else "")
             + (f", scikit-learn {sklearn.__version__}" if sklearn else "") + "."])
    if not torch:
        print("PyTorch is not installed: (d) is left out")
    if not sklearn:
        print("scikit-learn is not installed: (e) is left out")
    start = nn.initialize_parameters((len(X), 5, 4, 3, 2, 1), 1)
    show(compare(f"training, {options.iterations} iterations", trainers(X, Y, start, options.iterations),
                 options.repetitions, options.iterations, X, Y))
    trained = load_parameters(user_input.default_path(pruning.PARAMETERS), len(X))
    show(compare(f"pruning, {options.steps} × {pruning.ITERATIONS} iterations", pruners(X, Y, trained, options.steps),
                 options.repetitions, options.steps * pruning.ITERATIONS, X, Y))
    with tempfile.TemporaryDirectory() as folder:
        show(whole_processes(options.repetitions, folder))
        show(["Training on generated pictures of the same shape; times are for one iteration:", "", *growth(folder)])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
