"""What the studies share: their command line, the networks that they start from, and runs side by side on all cores."""

import asyncio
import concurrent.futures
import contextlib
import functools
import io
import itertools
import logging
import multiprocessing
import os
import signal
import threading

import numpy as np
from tqdm import tqdm

import nn_functions as nn
import nn_main
import prun_parameters
from datasets import networks, pictures, record, user_input

# The first five seeds at which training learns anything. At the seeds between them, and at 13 of the first 24, the
# network still says "no car" to everything after 40,000 iterations.
SEEDS = (1, 3, 5, 9, 12)
MOST_TRIED = 30  # seeds at which nothing is learned, before more are searched in vain
ANSWER = 10  # seconds to wait for a cluster
TIMEOUTS = (TimeoutError, asyncio.TimeoutError)  # one since Python 3.11


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


def add_run_options(parser, seeds=None):
    """The options of a study of many runs, side by side; seeds : what --seeds counts, if the study has seeds."""
    if seeds:
        parser.add_argument("--seeds", type=user_input.number_of_runs, metavar="N", help=f"how many seeds: {seeds}")
    parser.add_argument("--cluster", type=user_input.address, metavar="ADDRESS",
                        help="run on the Dask cluster of this scheduler")


def read_networks(options):
    """The network before and after pruning, of a study that compares them. Raises InputError."""
    n_x = int(np.prod(pictures.picture_shape(options.data)))
    files = options.parameters, record.pruned_network(options.pruned)
    before, after = (networks.load_parameters(file, n_x) for file in files)
    if nn.layer_sizes(before) != nn.layer_sizes(after):
        raise user_input.InputError(f"{options.pruned}: is not {options.parameters} pruned, "
                                    "its layers are of other sizes")
    return before, after


def trained_networks(data_file, seeds, iterations, cluster=None):
    """Networks trained as `nn_main.py` trains them: a dict from seed to parameters.

    seeds : the seeds; or how many, the first at which anything is learned
    cluster : see `in_parallel`
    """
    train = functools.partial(_train, data_file, iterations)
    if not isinstance(seeds, int):
        return dict(zip(seeds, in_parallel(train, seeds, "networks trained", cluster)))
    data, networks, tried = load_data(data_file), {}, 0
    while len(networks) < seeds:
        number = 2 * (seeds - len(networks))  # as about half of them learn
        candidates = range(tried + 1, tried + 1 + (number if networks else min(number, MOST_TRIED)))
        for seed, network in zip(candidates, in_parallel(train, candidates, "networks trained", cluster)):
            if nn_main.why_nothing_learned(data.X_train, data.Y_train, network) is None:
                networks[seed] = network
        tried = candidates[-1]
        if not networks and tried >= MOST_TRIED:
            raise user_input.InputError(f"{data_file}: nothing is learned at any of the seeds 1 to {tried}")
    return dict(itertools.islice(networks.items(), seeds))


def load_data(data_file):
    """The data set, for one of many runs: `main` has printed once what is to be said of it. Raises InputError."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return pictures.load_data(data_file)


def _train(data_file, iterations, seed):
    data = load_data(data_file)
    start = nn.initialize_parameters((len(data.X_train), *nn_main.LAYERS, 1), seed)
    return nn.gradient_descent(data.X_train, data.Y_train, start, nn_main.LEARNING_RATE, iterations)[0]


def median_and_range(values, form="{:.2f}", unit=" %"):
    """For a table: the median of some values, and the lowest and highest."""
    median, low, high = (form.format(value) for value in (np.median(values), np.min(values), np.max(values)))
    return f"{median}{unit} ({low} to {high})"


def in_parallel(run, jobs, unit="runs", cluster=None):
    """[run(job) for job in jobs], side by side, with a progress bar that counts in `unit`.

    cluster : None, for as many processes as there are cores; or the address of a Dask scheduler
    Each process has one thread, because the number of threads changes the rounding: so the results do not depend on
    how many cores there are. Raises InputError.
    """
    with (_cluster if cluster else _processes)(cluster or len(jobs)) as executor:
        return list(tqdm(executor.map(run, jobs), total=len(jobs), unit=f" {unit}", disable=None))


@contextlib.contextmanager
def _processes(most):
    """An executor of as many processes as there are cores, and not more than `most`."""
    before = dict(os.environ)
    for library in ("OPENBLAS", "MKL", "OMP"):
        os.environ[f"{library}_NUM_THREADS"] = "1"  # read by NumPy when the new processes import it
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    executor = _Pool(min(most, cores, 61), multiprocessing.get_context("spawn"), _end_with_parent)  # 61: Windows' most
    try:
        yield executor
    except BaseException as error:
        for process in multiprocessing.active_children():
            process.terminate()
        if isinstance(error, concurrent.futures.BrokenExecutor):
            raise user_input.InputError("a process was killed, perhaps because the memory is full") from error
        raise
    finally:
        os.environ.clear()
        os.environ.update(before)
        executor.shutdown(cancel_futures=True)


class _Pool(concurrent.futures.ProcessPoolExecutor):
    """Processes that ignore Ctrl-C: it is for this process alone, which then ends them."""

    def map(self, run, jobs):
        handler = signal.signal(signal.SIGINT, signal.SIG_IGN)  # the new processes inherit it
        try:
            return super().map(run, jobs)  # starts the processes
        finally:
            signal.signal(signal.SIGINT, handler)


def _end_with_parent():
    """Let this process end when the one that started it does, however that ends; otherwise it would wait for ever."""
    def watch():
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextlib.contextmanager
def _cluster(address):
    """The workers of a Dask cluster. A job whose worker is lost is done by another."""
    try:
        import distributed  # only here: no other script needs it
    except ImportError:
        raise user_input.InputError("--cluster needs the package distributed: pip install distributed") from None
    for name in ("distributed", "distributed.client"):  # this program says itself what is wrong, in one line
        logging.getLogger(name).setLevel(logging.CRITICAL)

    async def knock():  # first, because a client that reaches nobody still tries when the program ends
        connection = await distributed.comm.connect(address, timeout=ANSWER)
        await connection.close()

    try:
        asyncio.run(knock())
        client = distributed.Client(address, timeout=ANSWER, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise user_input.InputError(f"{address}: no Dask scheduler answers there") from error
    try:
        with client:
            try:
                client.wait_for_workers(1, timeout=ANSWER)
            except TIMEOUTS:
                raise user_input.InputError(f"{address}: this Dask cluster has no workers") from None
            yield _Workers(client.get_executor(pure=False))
    except ModuleNotFoundError as error:
        raise user_input.InputError(f"{address}: a worker does not find the module {error.name}; it needs the "
                                    f"packages of requirements.txt, and {user_input.PROJECT}") from error
    except distributed.KilledWorker:
        raise user_input.InputError(f"{address}: a job was given up, because several workers were lost at it") from None
    except (concurrent.futures.CancelledError, distributed.comm.CommClosedError, *TIMEOUTS):
        raise user_input.InputError(f"{address}: this Dask scheduler does not answer any more") from None


class _Workers:
    """The workers of a Dask cluster, which need not know where the project is before a job tells them.

    What is sent is bytes to Dask. Otherwise the scheduler, too, would import the project's modules, and a worker that
    did not find them would end, and the study wait for ever.
    """

    def __init__(self, executor):
        self.executor = executor

    def map(self, run, jobs):
        import cloudpickle  # comes with distributed

        project, folder, code = user_input.PROJECT, os.getcwd(), cloudpickle.dumps(run)

        def run_there(job):  # sent with its code, as it cannot be imported from anywhere
            import os
            import pickle
            import sys

            os.chdir(folder)  # so that paths mean there what they mean here
            if project not in sys.path:
                sys.path.insert(0, project)
            return pickle.loads(code)(pickle.loads(job))

        return self.executor.map(run_there, [cloudpickle.dumps(job) for job in jobs])
