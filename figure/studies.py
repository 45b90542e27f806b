"""What the studies share: their command line, the networks that they start from, and runs side by side on all cores."""

import concurrent.futures
import functools
import multiprocessing
import os
import signal

import numpy as np
from tqdm import tqdm

import nn_functions as nn
import nn_main
import prun_parameters
from datasets import networks, pictures, record, user_input

# The first five seeds at which training learns anything. At the seeds between them, and at 13 of the first 24, the
# network still says "no car" to everything after 40,000 iterations.
SEEDS = (1, 3, 5, 9, 12)


def make_parser(description, *saved_networks):
    """The command line of a study; saved_networks : which of "parameters" and "pruned" it is about."""
    parser = user_input.ArgumentParser(description)
    parser.add_path("--data", nn_main.DATA, "FILE", "the pictures, HDF5")
    if "parameters" in saved_networks:
        parser.add_path("--parameters", prun_parameters.PARAMETERS, "FILE", "the network before pruning")
    if "pruned" in saved_networks:
        parser.add_path("--pruned", prun_parameters.PRUNED, "FILE",
                        "the network after pruning, or the folder of a run: its last network")
    parser.add_path("--figures", nn_main.FIGURES, "DIR", "folder for the figure")
    parser.add_argument("--show", action="store_true", help="show the figure in a window, too")
    return parser


def read_networks(options):
    """The network before and after pruning, of a study that compares them. Raises InputError."""
    n_x = int(np.prod(pictures.picture_shape(options.data)))
    files = options.parameters, record.pruned_network(options.pruned)
    before, after = (networks.load_parameters(file, n_x) for file in files)
    if nn.layer_sizes(before) != nn.layer_sizes(after):
        raise user_input.InputError(f"{options.pruned}: is not {options.parameters} pruned, "
                                    "its layers are of other sizes")
    return before, after


def trained_networks(data_file, seeds, iterations):
    """Networks trained as `nn_main.py` trains them: a dict from seed to parameters."""
    return dict(zip(seeds, in_parallel(functools.partial(_train, data_file, iterations), seeds, "networks trained")))


def _train(data_file, iterations, seed):
    data = pictures.load_data(data_file)
    start = nn.initialize_parameters((len(data.X_train), *nn_main.LAYERS, 1), seed)
    return nn.gradient_descent(data.X_train, data.Y_train, start, nn_main.LEARNING_RATE, iterations)[0]


def median_and_range(values, form="{:.2f}", unit=" %"):
    """For a table: the median of some values, and the lowest and highest."""
    median, low, high = (form.format(value) for value in (np.median(values), np.min(values), np.max(values)))
    return f"{median}{unit} ({low} to {high})"


def in_parallel(run, jobs, unit="runs"):
    """[run(job) for job in jobs], by as many processes as there are cores, with a progress bar that counts in `unit`.

    Each process has one thread, because the number of threads changes the rounding: so the results do not depend on
    how many cores there are. Raises InputError if a process is killed.
    """
    before = dict(os.environ)
    for library in ("OPENBLAS", "MKL", "OMP"):
        os.environ[f"{library}_NUM_THREADS"] = "1"  # read by NumPy when the new processes import it
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    executor = concurrent.futures.ProcessPoolExecutor(min(len(jobs), cores, 61),  # 61 is the most on Windows
                                                      multiprocessing.get_context("spawn"))
    # The new processes inherit that Ctrl-C is ignored: it is for this one alone, which then ends them.
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        results = executor.map(run, jobs)  # starts the processes
        signal.signal(signal.SIGINT, handler)
        return list(tqdm(results, total=len(jobs), unit=f" {unit}", disable=None))
    except BaseException as error:
        for process in multiprocessing.active_children():
            process.terminate()
        if isinstance(error, concurrent.futures.BrokenExecutor):
            raise user_input.InputError("a process was killed, perhaps because the memory is full") from error
        raise
    finally:
        signal.signal(signal.SIGINT, handler)
        os.environ.clear()
        os.environ.update(before)
        executor.shutdown(cancel_futures=True)
