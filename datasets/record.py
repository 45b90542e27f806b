"""The record of a pruning run, the networks of its steps, and what resuming it needs.

The record is the dict in degree_costs.npy: the lists of VALUES with a number for each step; `networks`, the SHA-256 of
each step's file, so that no network of another run is taken for one of this; and `run`, what the run was made from.

The last step is saved in three moves: its network beside its place, as prun_parameters{i}.npy.new; the record, which
counts the step; the network in its place. So a process that is killed between two of them leaves the run before, or the
run with the step; `exclusive` makes up for the last move.
"""

import contextlib
import hashlib
import os
import re

import filelock
import numpy as np

import nn_functions as nn
from datasets import files
from datasets.networks import load_parameters, save_parameters
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
            "run": {"data": _sha256(data_file), "parameters": _sha256(parameters_file), **settings}}


def _sha256(path):
    with files.open_file(path) as file:
        return hashlib.sha256(file.read()).hexdigest()


# --------------------------------------------------------------------------------------------------------- reading

def load_record(out, new):
    """Read the record of a run, to go on with it; new : what `new_record` returns, to compare. Raises InputError."""
    path = record_file(out)
    record = load_dict(path)
    run, lists = record.get("run"), [record.get(name) for name in VALUES]
    if (not isinstance(run, dict) or not all(isinstance(values, list) for values in lists)
            or len({len(values) for values in lists}) > 1
            or not all(isinstance(value, float) and np.isfinite(value) for values in lists for value in values)):
        raise InputError(f"{path}: cannot resume, it is not a record that pruning.py wrote")
    if len(_digests(record)) != len(lists[0]):
        raise InputError(f"{path}: cannot resume, it does not have the SHA-256 of its networks")
    differing = [str(name).replace("_", " ") for name in {**new["run"], **run}
                 if not isinstance(run.get(name), (str, int, float)) or run[name] != new["run"].get(name)]
    if differing:
        raise InputError(f"{path}: cannot resume, it was made with other {', '.join(differing)}")
    return record


def _digests(record):
    """The SHA-256 of each step's network, a list, in a record that may be damaged or of an earlier version."""
    digests = record.get("networks")
    return digests if isinstance(digests, list) and all(isinstance(digest, str) for digest in digests) else []


def _recorded_digests(out):
    """The same in the folder of a run: an empty list where there is no record that can be read."""
    try:
        return _digests(load_dict(record_file(out)))
    except (InputError, OSError):
        return []


def find_network(out, record, step):
    """The path of the network that a run saved after a step. Raises InputError where it is missing, or another one."""
    file = network_file(out, step)
    existing = [path for path in (file, f"{file}.new") if os.path.exists(path)]
    if not existing:
        raise InputError(f"{file}: missing; it is the network of step {step} in {record_file(out)}")
    for path in existing:
        if _sha256(path) == _digests(record)[step - 1]:
            return path
    raise InputError(f"{file}: is not the network of step {step} in {record_file(out)}, but of another run")


def pruned_network(path):
    """The path of a pruned network; path : its own, or the folder of a run, whose last network is taken.

    Prints a line if the network stands among those of a recorded run and is none of them. Raises InputError.
    """
    if os.path.isdir(path):
        file = record_file(path)
        record = load_dict(file)
        if not _digests(record):
            raise InputError(f"{file}: does not say which networks belong to it; name one of them")
        return find_network(path, record, len(_digests(record)))
    folder = os.path.dirname(os.path.abspath(path))
    out = os.path.dirname(folder)
    stands_in_a_run = os.path.basename(folder) == "prun_parameter" and os.path.exists(record_file(out))
    if stands_in_a_run and os.path.exists(path) and _sha256(path) not in _recorded_digests(out):
        print(f"note: {path}: is not of the run that {record_file(out)} records\n")
    return path


def load_last_network(out, record, n_x, iterations, gram=None, l1=0, **_):
    """The network after the last recorded step. Raises InputError.

    gram : the `nn_functions.GramMatrices` that the run goes on with, if it has them. An uninterrupted run updates them
        from step to step, which rounds differently from computing them anew. So they are updated once more for the
        masks of all steps, and the rest of the run gives the same bits.
    iterations, l1 : those of each retraining
    """
    for step in range(1, len(record["degree"]) + 1):
        parameters = load_parameters(find_network(out, record, step), n_x)
        mask = parameters["W1"] != 0
        if gram and nn.cheaper_method(gram, len(mask), mask, iterations, l1) == "gram":
            gram.update_mask(mask)
    return parameters


def saved_steps_message(out, new):
    """What an interrupted run tells: how many of its steps are on the disk; new : see `load_record`."""
    try:
        saved = len(load_record(out, new)["degree"])
    except (InputError, OSError):
        saved = 0
    if saved == 0:
        return "no step was saved"
    return f"{saved} {'step is' if saved == 1 else 'steps are'} saved in {out}; the same command with --resume goes on"


# --------------------------------------------------------------------------------------------------------- writing

def refuse_as_start(parameters_file, out):
    """Raise InputError if the network that a run starts from stands where the run's own networks are written."""
    if os.path.dirname(os.path.realpath(parameters_file)) == os.path.realpath(f"{out}/prun_parameter"):
        raise InputError(f"{parameters_file}: stands where this run writes its networks; "
                         "name another folder with --out")


@contextlib.contextmanager
def exclusive(out):
    """Write to the folder of a run, for this process alone. Raises InputError if another one does.

    The lock is the operating system's, which ends it with the process, however that ends. The lock's file means
    nothing by being there. A folder that is made for this, and to which nothing is written, is removed again.
    """
    new_folders = files.make_folder(out)
    file = f"{out}/.pruning.lock"
    lock = filelock.FileLock(file)
    try:
        with lock.acquire(timeout=0):
            _finish_last_step(out)
            try:
                yield
            finally:
                _finish_last_step(out)
                with contextlib.suppress(OSError):
                    os.remove(file)
    except filelock.Timeout:
        raise InputError(f"{out}: another process is pruning there") from None
    finally:
        files.remove_if_empty(new_folders)


def _finish_last_step(out):
    """Put a network that waits beside its place there if the record counts it, and remove it otherwise."""
    digests = _recorded_digests(out)
    folder = f"{out}/prun_parameter"
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        waiting = re.fullmatch(r"(prun_parameters(\d+)\.npy)\.new", name)
        if not waiting:
            continue
        path, step = f"{folder}/{name}", int(waiting[2])
        if digests[step - 1:step] == [_sha256(path)]:
            files.replace(path, f"{folder}/{waiting[1]}")
        else:
            os.remove(path)


def save_step(out, record, parameters, costs, values):
    """Save the network after the next step, and the record with its values, in the order of VALUES."""
    file = network_file(out, len(record["degree"]) + 1)
    save_parameters(f"{file}.new", parameters, costs)
    for name, value in zip(VALUES, values):
        record[name].append(value)
    record["networks"].append(_sha256(f"{file}.new"))
    save_dict(record_file(out), record)
    files.replace(f"{file}.new", file)
