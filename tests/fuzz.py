"""Damaged and malicious files of every kind that is read, each read in a process of its own: `python -m tests.fuzz`.

A file must be read to something valid, or refused with InputError in one short line, within 5 seconds of processor time
and the memory that KINDS grants, without any code being run. Prints a table of what became of them; exit status 1 if
anything else happened, but for crashes of libhdf5, which h5py cannot prevent. The same seed gives the same files.
"""

import argparse
import contextlib
import hashlib
import multiprocessing
import os
import pathlib
import random
import resource
import signal
import sys
import tempfile
import warnings
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

import nn_functions as nn
from datasets import mnist
from datasets.networks import load_parameters
from datasets.npy import load_dict
from datasets.pictures import load_data, photo_labels, picture_shape, read_picture
from datasets.record import VALUES, load_record
from datasets.user_input import InputError
from figure.roundings import stored_costs

from . import fuzz_files, fuzz_pickles
from .audit import CodeWasRun, code_forbidden

SECONDS = 5  # of processor time for a file, and ten times that by the clock, for what only waits
LONGEST_MESSAGE = 300  # letters, without the file's path
MB = 2**20
GOOD = ("read", "refused", "libhdf5 crash")
BAD = ("too slow", "too much memory", "other exception", "code run", "crash")
KEPT = 5  # bad files of each kind and outcome that are listed


# ------------------------------------------------------------------------- the readers: what they return must be valid

def read_dict(path):
    values = load_dict(path)
    assert type(values) is dict and all(type(key) is str for key in values)
    del values  # or the other readers would be measured with it
    with contextlib.suppress(InputError):
        read_network(path)
    with contextlib.suppress(InputError):
        costs = stored_costs(path)
        assert costs.dtype == float and costs.ndim == 1 and np.isfinite(costs).all()
    with contextlib.suppress(InputError):
        record = load_record(os.path.dirname(path), {"run": {"percent": 5}})
        assert all(np.isfinite(value) for name in VALUES for value in record[name])


def read_network(path):
    parameters = load_parameters(path, 6)
    assert all(value.dtype == np.float64 and np.isfinite(value).all() for value in parameters.values())
    assert nn.layer_sizes(parameters)[0] == 6 and nn.layer_sizes(parameters)[-1] == 1


def read_data(path):
    data = load_data(path)
    for X, Y in (data[:2], data[2:]):
        assert X.shape == (len(data.X_train), Y.size) and Y.shape == (1, Y.size) and Y.size
        assert X.dtype == np.float64 and 0 <= X.min() <= X.max() <= 1 and np.isin(Y, (0, 1)).all()
    assert np.prod(picture_shape(path)) == len(data.X_train)


def read_photo(path):
    picture = read_picture(path, (4, 5, 3))
    assert picture.shape == (4, 5, 3) and picture.dtype == np.uint8


def read_labels(path):
    assert photo_labels([f"{os.path.dirname(path)}/1.jpg"])[0] in (0, 1, None)


def read_idx(path):
    values = mnist.read_idx(path)
    assert values.dtype == np.uint8 and values.size and (values.ndim == 3 or values.ndim == 1 and values.max() <= 9)


class Kind(NamedTuple):
    """A kind of files."""

    name: str
    file: str  # its name, as far as the reader looks at it
    make: callable  # from a random.Random to the content, bytes
    read: callable  # from a path to nothing; raises InputError if it refuses the file, AssertionError if it should have
    memory: callable  # from the size of the file to the bytes that reading may take


def plain(size):
    return 100 * MB + 2 * size


# The dense network is up to 64 times an exported file, and its bits 8 times. A byte of HDF5 may hold 2000 bytes of
# pictures, which become numbers of 8 bytes. A photo's size by its pixels is limited by Pillow.
KINDS = [
    Kind("`.npy`, damaged", "degree_costs.npy", fuzz_pickles.damaged_npy, read_dict, plain),
    Kind("`.npy`, any values", "degree_costs.npy", fuzz_pickles.pickled_npy, read_dict, plain),
    Kind("`.npy`, any instructions", "degree_costs.npy", fuzz_pickles.programmed_npy, read_dict, plain),
    Kind("`.npz`, damaged", "a.npz", fuzz_files.damaged_npz, read_network, lambda size: 100 * MB + 75 * size),
    Kind("`.npz`, any members", "a.npz", fuzz_files.packed_npz, read_network, lambda size: 100 * MB + 75 * size),
    Kind("HDF5, damaged", "a.h5", fuzz_files.damaged_h5, read_data, lambda size: 100 * MB + 18_000 * size),
    Kind("HDF5, any content", "a.h5", fuzz_files.made_h5, read_data, lambda size: 100 * MB + 18_000 * size),
    Kind("photos, damaged", "1.jpg", fuzz_files.damaged_photo, read_photo, lambda size: 600 * MB),
    Kind("photos, other sizes", "1.jpg", fuzz_files.resized_photo, read_photo, lambda size: 600 * MB),
    Kind("`labels.csv`", "labels.csv", fuzz_files.made_labels, read_labels, plain),
    Kind("IDX", "train-images-idx3-ubyte", fuzz_files.made_idx, read_idx, plain),
]


# ----------------------------------------------------------------------------------------- one case, in its own process

def made(seed, number):
    """The kind and the content of a case."""
    kind = KINDS[number % len(KINDS)]
    return kind, kind.make(random.Random(f"{seed} {number}"))


def outcome_of(kind, path):
    """Read a file in a process of its own. Returns one of GOOD or BAD, and a message."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking where NumPy has threads, which do not matter
        child = os.fork()
    if child == 0:
        try:
            os.write(writing, "\n".join(read_and_watch(kind, path)).encode(errors="replace"))
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        outcome, _, message = pipe.read().decode().partition("\n")
    _, status = os.waitpid(child, 0)
    if outcome:
        return outcome, message
    ended_by = signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else "nothing"
    if ended_by in ("SIGXCPU", "SIGALRM", "SIGKILL"):
        return "too slow", ended_by
    return "libhdf5 crash" if kind.read is read_data else "crash", ended_by


def read_and_watch(kind, path):
    """Read a file within limits. Returns one of GOOD or BAD, and a message."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (8192 * MB, 8192 * MB))  # or one file could stop the computer
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(10 * SECONDS)
    for stream in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    warnings.simplefilter("default")
    warnings.showwarning = warned
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcome = outcome_here(kind, path)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * (1 if sys.platform == "darwin" else 1024)
    if outcome[0] in GOOD and grown > kind.memory(os.path.getsize(path)):
        return "too much memory", f"{grown // MB} MB"
    return outcome


def outcome_here(kind, path):
    try:
        with code_forbidden():
            kind.read(path)
    except InputError as error:
        message = str(error).replace(os.path.dirname(path), "")
        if "\n" in message or len(message) > LONGEST_MESSAGE:
            return "other exception", f"a message of {len(message)} letters, {message[:100]!r}"
        return "refused", message
    except CodeWasRun as error:
        return "code run", str(error)
    except BaseException as error:
        return "other exception", f"{type(error).__name__}: {error}"[:200]
    return "read", ""


def warned(message, category, *_):
    """A warning that a user would see besides the one line."""
    raise SystemExit(f"{category.__name__}: {message}")


class Case(NamedTuple):
    """A file, and what became of it."""

    number: int
    kind: str
    outcome: str
    message: str
    digest: bytes  # of the file


def run_case(seed, number):
    kind, content = made(seed, number)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, kind.file)
        pathlib.Path(path).write_bytes(content)
        outcome, message = outcome_of(kind, path)
    return Case(number, kind.name, outcome, message, hashlib.sha256(content).digest())


# --------------------------------------------------------------------------------------------------------- all cases

def digest_of(digests):
    """A short digest of all files, to see whether two runs had the same ones."""
    return hashlib.sha256(b"".join(digests)).hexdigest()[:16]


def print_table(cases):
    """A Markdown table of how many files of each kind came to what."""
    counts = Counter((case.kind, case.outcome) for case in cases)
    print("| kind of file | " + " | ".join(GOOD + BAD) + " |\n| --- |" + " ---: |" * len(GOOD + BAD))
    for kind in KINDS:
        print(f"| {kind.name} | " + " | ".join(f"{counts[kind.name, outcome]:,}" for outcome in GOOD + BAD) + " |")


def print_bad(cases, seed, keep):
    """List the first bad files of each kind and outcome, and write them to the folder `keep` if there is one."""
    seen = Counter()
    for case in cases:
        seen[case.kind, case.outcome] += 1
        if case.outcome in ("read", "refused") or seen[case.kind, case.outcome] > KEPT:
            continue
        print(f"case {case.number} of seed {seed}, {case.kind}: {case.outcome}, {case.message}")
        if keep:
            os.makedirs(keep, exist_ok=True)
            kind, content = made(seed, case.number)
            pathlib.Path(keep, f"{case.number}-{kind.file}").write_bytes(content)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=10_000, metavar="N", help="files of all kinds (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="other files (%(default)s)")
    parser.add_argument("--keep", metavar="DIR", help="write the first bad files of each kind here")
    options = parser.parse_args(argv)
    for number in range(len(KINDS)):
        made(options.seed, number)  # and with it what all processes make their files from
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("fork")) as pool:
        results = pool.map(run_case, [options.seed] * options.cases, range(options.cases), chunksize=20)
        cases = list(tqdm(results, total=options.cases, unit=" files", disable=None))
    print_table(cases)
    print(f"\nseed {options.seed}, files {digest_of(case.digest for case in cases)}")
    print_bad(cases, options.seed, options.keep)
    return int(any(case.outcome in BAD for case in cases))


if __name__ == "__main__":
    sys.exit(main())
