"""What the studies share: command line, trained networks, pruning by magnitude or at random, and jobs side by side."""

import concurrent.futures
import functools
import itertools
import threading

import joblib
import numpy as np
import threadpoolctl
from tqdm import tqdm

import nn_functions as nn
import nn_main
import prun_mask
import prun_parameters
import pruning
from datasets import user_input

# The seeds from 1 to 24 at which training learns anything. At the others the network still says "no car" to everything
# after 40,000 iterations.
ALL_SEEDS = (1, 3, 5, 9, 12, 13, 14, 15, 18, 19, 20)
SEEDS = ALL_SEEDS[:5]


def make_parser(description, of_saved_networks=False):
    """The command line of a study of saved networks, or of one that trains those of the recorded experiment."""
    parser = user_input.ArgumentParser(description)
    if of_saved_networks:
        parser.add_path("--data", nn_main.DATA, "FILE", "the pictures, HDF5")
        parser.add_path("--parameters", prun_parameters.PARAMETERS, "FILE", "the network before pruning")
        parser.add_path("--pruned", prun_parameters.PRUNED, "FILE",
                        "the network after pruning, or the folder of a run: its last network")
    parser.add_folders(nn_main.FIGURES, nn_main.FIGURES)
    return parser


# --------------------------------------------------------------------------------------- the networks of the car study

def train(data, seed, iterations=nn_main.ITERATIONS, init=nn_main.INIT, layers=nn_main.LAYERS):
    """A network before and after training, as `nn_main.py` trains it; init, layers : see there."""
    start = nn.initialize_parameters((len(data.X_train), *layers, 1), seed, init)
    return start, nn.gradient_descent(data.X_train, data.Y_train, start, nn_main.LEARNING_RATE, iterations)[0]


def random_masks(parameters, numbers, random):
    """Masks that keep so many connections of each layer, at random among those that are left.

    numbers : a dict {"W1": number, ...}; random : a `numpy.random.Generator`
    """
    return {name: prun_mask.keep_largest(random.random(parameters[name].shape), number, parameters[name] != 0)
            for name, number in numbers.items()}


def masks_of(percent=pruning.PERCENT, layers=None, random=None):
    """For `pruning.prune_iteratively`: each step prunes so many percent of each layer, down to a last connection.

    layers : such as ("W1",); None: all but the last
    random : None, to prune by magnitude; or, for the control, a `numpy.random.Generator`, to prune as many at random
    """
    def masks_of_step(_, parameters):
        masks = prun_mask.make_masks(parameters, percent, report=lambda line: None)
        masks = {name: masks[name] for name in layers or masks}
        if random is None:
            return masks
        return random_masks(parameters, {name: np.count_nonzero(mask) for name, mask in masks.items()}, random)

    return masks_of_step


def prune(data, unpruned, masks_of, steps, learning_rate=pruning.LEARNING_RATE):
    """Prune a network and retrain it, again and again (sections 3 and 3.4), until the last of some steps.

    Yields the number and the network of these steps; 0 is before the first
    """
    retrained = pruning.prune_iteratively(data, unpruned, masks_of, learning_rate=learning_rate)
    for number, network in itertools.chain([(0, unpruned)], ((step.number, step.parameters) for step in retrained)):
        if number in steps:
            yield number, network
        if number >= max(steps):
            return


def measure(data, parameters):
    """The columns of a network: degree, cost, both accuracies (%), and whether it predicts one class, 1 or 0."""
    cost, train_accuracy, test_accuracy = nn.evaluate(data, parameters)
    return {"degree": prun_mask.degree(parameters), "cost": cost, "train_accuracy": train_accuracy,
            "test_accuracy": test_accuracy,
            "predicts_one_class": int(nn_main.predicts_one_class(data.X_train, data.Y_train, parameters))}


# ------------------------------------------------------------------------------------------------- jobs side by side

def in_parallel(run, jobs, unit="runs", cluster=None):
    """Yield run(job) for each job, side by side, as soon as it is there; with a progress bar that counts in `unit`.

    cluster : None, for as many processes as there are cores; or the address of a Dask scheduler
    Each run has one BLAS thread, because the number of threads changes the rounding: so the results do not depend on
    how many cores there are. Raises InputError.
    """
    jobs, run = list(jobs), functools.partial(_run_on_one_thread, run)
    if jobs:
        results = _on_cluster(run, jobs, cluster) if cluster else _on_this_machine(run, jobs)
        yield from show_progress(results, len(jobs), unit)


def show_progress(results, total, unit):
    """Yield what `results` yields, with a progress bar, whose clock goes on while nothing comes."""
    over = threading.Event()

    def tick():
        while not over.wait(1):
            bar.refresh()

    with tqdm(results, total=total, unit=f" {unit}", disable=None) as bar:
        threading.Thread(target=tick, daemon=True).start()
        try:
            yield from bar
        finally:
            over.set()


def _run_on_one_thread(run, job):
    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        return run(job)


def _on_this_machine(run, jobs):
    """Yield the results of as many processes as there are cores. Raises InputError."""
    parallel = joblib.Parallel(min(len(jobs), joblib.cpu_count()), max_nbytes=None, return_as="generator_unordered")
    try:
        yield from parallel(joblib.delayed(run)(job) for job in jobs)
    except concurrent.futures.BrokenExecutor as error:
        raise user_input.InputError("a process was killed, perhaps because the memory is full") from error


def _on_cluster(run, jobs, address):
    """Yield the results of a Dask cluster, whose workers are started in the project's folder. Raises InputError."""
    try:
        import distributed  # only here: nothing else needs this package
    except ImportError:
        raise user_input.InputError("--cluster needs the package distributed: pip install distributed") from None
    try:
        client = distributed.Client(address, timeout=10, set_as_default=False)  # seconds
    except (OSError, ValueError) as error:
        raise user_input.InputError(f"{address}: no Dask scheduler answers there") from error
    with client:
        futures = client.map(run, jobs, pure=False)
        try:
            yield from (future.result() for future in distributed.as_completed(futures, loop=client.loop))
        except (distributed.CancelledError, distributed.KilledWorker) as error:
            raise user_input.InputError(f"{address}: the cluster has lost its scheduler, or several workers at one job "
                                        f"({user_input.describe(error)})") from error
