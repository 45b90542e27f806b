"""The record of a pruning run, and the networks of its steps: what `pruning.py` writes, and needs to resume.

The record is the dict in degree_costs.npy: the lists of VALUES with a number for each step; `networks`, the SHA-256 of
each step's file, so that no network of another run is taken for one of this; and `run`, what the run was made from.

Each step writes its network whole, and then the record whole. A process that is killed in between leaves a record that
does not know the step, which is then done again.
"""

import contextlib
import os

import filelock
import numpy as np

from datasets.files import check_folder, sha256
from datasets.networks import save_parameters
from datasets.npy import load_dict, save_dict
from datasets.user_input import InputError

VALUES = ("degree", "costs", "train_accuracy", "test_accuracy")


def record_file(out):
    """The record's path in the folder of a run."""
    return f"{out}/degree_costs.npy"


def network_file(out, step):
    """The path of the network after a step in the folder of a run."""
    return f"{out}/prun_parameter/prun_parameters{step}.npy"


def new_record(data_file, parameters_file, settings):
    """The record of a run before its first step; settings : a dict of strings and numbers that resuming checks."""
    return {**{name: [] for name in (*VALUES, "networks")},
            "run": {"data": sha256(data_file), "parameters": sha256(parameters_file), **settings}}


def load_record(out, new):
    """Read the record of a run, to go on with it; new : what `new_record` returns, to compare. Raises InputError."""
    path = record_file(out)
    record = load_dict(path)
    run, lists = record.get("run"), [record.get(name) for name in (*VALUES, "networks")]
    if (not isinstance(run, dict) or not all(isinstance(values, list) for values in lists)
            or len({len(values) for values in lists}) > 1
            or not all(isinstance(value, float) and np.isfinite(value) for values in lists[:-1] for value in values)):
        raise InputError(f"{path}: cannot resume, it is not a record that pruning.py wrote")
    differing = [str(name).replace("_", " ") for name in {**new["run"], **run}
                 if not isinstance(run.get(name), (str, int, float)) or run[name] != new["run"].get(name)]
    if differing:
        raise InputError(f"{path}: cannot resume, it was made with other {', '.join(differing)}")
    return record


def save_step(out, record, parameters, costs, values):
    """Save the network after the next step, and the record with its values, in the order of VALUES."""
    file = network_file(out, len(record["degree"]) + 1)
    save_parameters(file, parameters, costs)
    for name, value in zip((*VALUES, "networks"), (*values, sha256(file))):
        record[name].append(value)
    save_dict(record_file(out), record)


def find_network(out, record, step):
    """The path of the network that a run saved after a step. Raises InputError where it is missing, or another one."""
    file = network_file(out, step)
    if not os.path.exists(file):
        raise InputError(f"{file}: missing; it is the network of step {step} in {record_file(out)}")
    if sha256(file) != record["networks"][step - 1]:
        raise InputError(f"{file}: is not the network of step {step} in {record_file(out)}, but of another run")
    return file


def pruned_network(path):
    """The path of a pruned network; path : its own, or the folder of a run, whose last network is taken.

    Raises InputError.
    """
    if not os.path.isdir(path):
        return path
    record = load_dict(record_file(path))
    networks = record.get("networks")
    if not isinstance(networks, list) or not networks:
        raise InputError(f"{record_file(path)}: does not say which networks belong to it; name one of them")
    return find_network(path, record, len(networks))


def refuse_as_start(parameters_file, out):
    """Raise InputError if the network that a run starts from stands where the run's own networks are written."""
    if os.path.dirname(os.path.realpath(parameters_file)) == os.path.realpath(f"{out}/prun_parameter"):
        raise InputError(f"{parameters_file}: stands where this run writes its networks; "
                         "name another folder with --out")


@contextlib.contextmanager
def exclusive(out):
    """Write to the folder of a run, for this process alone. Raises InputError if another one does.

    The lock is the operating system's, which ends it with the process, however that ends.
    """
    check_folder(out)
    os.makedirs(out, exist_ok=True)
    lock = filelock.FileLock(f"{out}/.pruning.lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise InputError(f"{out}: another process is pruning there") from None
    except (NotImplementedError, OSError) as error:
        raise InputError(f"{out}: this file system has no locks; name a folder on another one with --out") from error
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # Windows does not remove what is open
            os.remove(lock.lock_file)
        lock.release()
