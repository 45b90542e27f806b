"""What the studies share: their command line, the networks that they start from, pruning by magnitude or at random, and
runs side by side on all cores.
"""

import concurrent.futures
import functools
import itertools
import threading
from typing import NamedTuple

import joblib
import numpy as np
import threadpoolctl
from tqdm import tqdm

import nn_functions as nn
import nn_main
import prun_mask
import prun_parameters
import pruning
from datasets import networks, pictures, user_input

# The first five seeds at which training learns anything. At the seeds between them, and at 13 of the first 24, the
# network still says "no car" to everything after 40,000 iterations.
SEEDS = (1, 3, 5, 9, 12)
MOST_TRIED = 30  # seeds at which nothing is learned, before more are searched in vain


def make_parser(description, *saved_networks):
    """The command line of a study; saved_networks : which of "parameters" and "pruned" it is about."""
    parser = user_input.ArgumentParser(description)
    if saved_networks:  # a study that is about none trains those of the recorded experiment
        parser.add_path("--data", nn_main.DATA, "FILE", "the pictures, HDF5")
    if "parameters" in saved_networks:
        parser.add_path("--parameters", prun_parameters.PARAMETERS, "FILE", "the network before pruning")
    if "pruned" in saved_networks:
        parser.add_path("--pruned", prun_parameters.PRUNED, "FILE",
                        "the network after pruning, or the folder of a run: its last network")
    parser.add_folders(nn_main.FIGURES, nn_main.FIGURES)
    return parser


def add_run_options(parser, seeds=None, default=None, cache=False):
    """The options of a study of many runs, side by side.

    seeds : what --seeds counts, if the study has seeds; default : how many it has without the option
    cache : whether the study is so long that it has --cache
    """
    if seeds:
        parser.add_argument("--seeds", type=user_input.integer(1, 100_000), default=default, metavar="N",
                            help=f"how many seeds: {seeds}")
    if cache:
        parser.add_argument("--cache", type=user_input.path, metavar="DIR",
                            help="keep the result of each seed in this folder as soon as it is there, and take from it "
                                 "what an interrupted study left; delete the folder after a change of the code or data")
    parser.add_argument("--cluster", type=user_input.path, metavar="ADDRESS",
                        help="run on the Dask cluster of this scheduler")


def find_start(parameters_file, parameters):
    """W1 before training, of shape (n_1, n_x); or None where that is not known, and a line says so."""
    start, _ = networks.load_start(parameters_file, parameters)
    if start is None:
        print(f"{parameters_file}: no data.npy tells its start, so what training changed is left out")
    return start and start["W1"]


def trained_networks(data_file, seeds, iterations, cluster=None, init=nn_main.INIT, layers=nn_main.LAYERS):
    """Networks trained as `nn_main.py` trains them: a dict from seed to parameters.

    seeds : the seeds; or how many, the first at which anything is learned
    cluster : see `in_parallel`; init, layers : see `nn_main.py`
    """
    train = functools.partial(_train, data_file, iterations, init, layers)
    if not isinstance(seeds, int):
        return dict(zip(seeds, in_parallel(train, seeds, "networks trained", cluster)))
    data, learned, last = pictures.load_data(data_file), {}, 0
    while len(learned) < seeds:
        if not learned and last >= MOST_TRIED:
            raise user_input.InputError(f"{data_file}: nothing is learned at any of the seeds 1 to {last}")
        candidates = range(last + 1, last + 1 + 2 * (seeds - len(learned)))  # about half of them learn
        last = candidates[-1]
        for seed, parameters in zip(candidates, in_parallel(train, candidates, "networks trained", cluster)):
            if not nn_main.judges_all_alike(data.X_train, data.Y_train, parameters):
                learned[seed] = parameters
    return dict(itertools.islice(learned.items(), seeds))


def _train(data_file, iterations, init, layers, seed):
    data = pictures.load_data(data_file)
    start = nn.initialize_parameters((len(data.X_train), *layers, 1), seed, init)
    return nn.gradient_descent(data.X_train, data.Y_train, start, nn_main.LEARNING_RATE, iterations)[0]


def median_and_range(values, form="{:.2f}", unit=" %"):
    """For a table: the median of some values, and the lowest and highest; of a single one, the value."""
    if len(values) == 1:
        return form.format(values[0]) + unit
    median, low, high = (form.format(value) for value in (np.median(values), np.min(values), np.max(values)))
    return f"{median}{unit} ({low} to {high})"


# ------------------------------------------------------------------------------------ pruning by magnitude or at random

class Pruning(NamedTuple):
    """How a network is pruned, step by step."""

    steps: int
    percent: float = pruning.PERCENT  # of each layer, in a step
    layers: tuple | None = None  # such as ("W1",); None: all but the last
    draw: int | None = None  # None: by magnitude; or, the control, at random: the number of the draw


def random_masks(parameters, masks, random):
    """Masks that keep as many connections of each layer as the given ones, drawn at random among those that are left.

    masks : a dict {"W1": bool array, ...}; random : a `numpy.random.Generator`
    """
    drawn = {name: np.zeros(mask.shape, bool) for name, mask in masks.items()}
    for name, mask in masks.items():
        left = np.flatnonzero(parameters[name])
        drawn[name].flat[random.choice(left, np.count_nonzero(mask), replace=False)] = True
    return drawn


def prune(data_file, job):
    """Prune a trained network and retrain it, step by step (sections 3 and 3.4).

    job : the network's seed, its trained parameters, and the `Pruning`; a draw is that of the seed and its number
    Returns for the unpruned network and after each step the degree (%), the cost, both accuracies (%), and the number
    of connections left in each layer that can be pruned, an array of shape (steps + 1, 4 + L - 1).
    """
    seed, unpruned, how = job
    data, random = pictures.load_data(data_file), np.random.default_rng([seed, how.draw or 0])

    def masks_of(step, parameters):
        masks = prun_mask.make_masks(parameters, how.percent)
        masks = {name: masks[name] for name in how.layers or masks}
        return masks if how.draw is None else random_masks(parameters, masks, random)

    def measure(parameters):
        connections = [np.count_nonzero(parameters[name]) for name in prun_mask.pruned_layers(parameters)]
        return prun_mask.degree(parameters), *nn.evaluate(data, parameters), *connections

    steps = itertools.islice(pruning.prune_iteratively(data, unpruned, masks_of), how.steps)
    return np.array([measure(unpruned), *(measure(step.parameters) for step in steps)])


# ------------------------------------------------------------------------------------------------- runs side by side

def in_parallel(run, jobs, unit="runs", cluster=None):
    """[run(job) for job in jobs], side by side, with a progress bar that counts in `unit`.

    cluster : None, for as many processes as there are cores; or the address of a Dask scheduler
    Each run has one BLAS thread, because the number of threads changes the rounding: so the results do not depend on
    how many cores there are. Raises InputError.
    """
    run = functools.partial(_run_on_one_thread, run)
    results = _on_cluster(run, jobs, cluster) if cluster else _on_this_machine(run, jobs)
    return list(show_progress(results, len(jobs), unit))


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
    parallel = joblib.Parallel(min(len(jobs), joblib.cpu_count()), return_as="generator", max_nbytes=None)
    try:
        yield from parallel(joblib.delayed(run)(job) for job in jobs)
    except concurrent.futures.BrokenExecutor as error:
        raise user_input.InputError("a process was killed, perhaps because the memory is full") from error


def _on_cluster(run, jobs, address):
    try:
        from figure import cluster  # only here: nothing else needs the package distributed
    except ImportError:
        raise user_input.InputError("--cluster needs the package distributed: pip install distributed") from None
    return cluster.run_all(run, jobs, address)
