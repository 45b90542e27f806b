"""The record of a pruning run, and the networks of its steps: what `pruning.py` writes, and needs to resume.

The record is the dict in degree_costs.npy: the lists of VALUES with a value for each step; `networks`, the SHA-256 of
each step's file, so that no network of another run is taken for one of this; and `run`, what the run was made from.

Each step writes its network whole, and then the record whole. A process that is killed in between leaves a record that
does not know the step, which is then done again.
"""

import contextlib
import glob
import os
import shutil

import filelock
import numpy as np

import nn_functions as nn
from datasets import files
from datasets.networks import load_parameters, save_parameters
from datasets.npy import load_dict, save_dict
from datasets.pictures import picture_shape
from datasets.user_input import InputError

# After retraining, the accuracies after pruning as well, and whether one class is predicted for every training picture.
VALUES = ("degree", "costs", "train_accuracy", "test_accuracy", "pruned_train_accuracy", "pruned_test_accuracy",
          "predicts_one_class")


def record_file(out):
    """The record's path in the folder of a run."""
    return f"{out}/degree_costs.npy"


def network_file(out, step):
    """The path of the network after a step in the folder of a run."""
    return f"{out}/prun_parameter/prun_parameters{step}.npy"


def new_record(data_file, parameters_file, settings):
    """The record of a run before its first step; settings : a dict of strings and numbers that resuming checks."""
    return {**{name: [] for name in (*VALUES, "networks")},
            "run": {"data": files.sha256(data_file), "parameters": files.sha256(parameters_file), **settings}}


def load_record(out):
    """Read the record of a run. Raises InputError, also where it is not one that `pruning.py` wrote."""
    path = record_file(out)
    record = load_dict(path)
    lists = [record.get(name) for name in (*VALUES, "networks")]
    if (not isinstance(record.get("run"), dict)
            or not all(isinstance(values, list) and 0 < len(values) == len(lists[0]) for values in lists)
            or not all(isinstance(value, float | bool) for values in lists[:-1] for value in values)):
        raise InputError(f"{path}: is not a record that pruning.py wrote: no run to resume; as --pruned name a network")
    return record


def differences(old, new):
    """What an old run was made with that a new one is not; old, new : records."""
    old, run = old["run"], new["run"]
    return [name.replace("_", " ") for name in {**run, **old} if not np.array_equal(old.get(name), run.get(name))]


def earlier_runs(out):
    """For a refusal, the folders that `set_aside` made: "; earlier runs: ...", or "" if there are none."""
    runs = sorted(glob.glob(f"{glob.escape(str(out))}/run_*"))
    return f"; earlier runs: {', '.join(runs)}" if runs else ""


def resume(out, new):
    """The record of a run, to go on with; new : what `new_record` returns, to compare. Raises InputError."""
    old = load_record(out)
    if differing := differences(old, new):
        raise InputError(f"{record_file(out)}: cannot resume, it was made with other {', '.join(differing)}; "
                         f"name another folder with --out{earlier_runs(out)}")
    return old


def set_aside(out, new, steps):
    """Move an earlier run that a new one does not go on from to a folder of its own, run_1 or so.

    With other settings, or of more than so many steps (None: it is not known how many there will be). The network that
    it started from is copied there, if it is in the folder. Returns a line, or None where nothing was moved
    """
    if not os.path.exists(record_file(out)):
        return None
    try:
        old = load_record(out)
        differing = differences(old, new)
        if not differing and steps is not None and len(old["degree"]) <= steps:
            return None
        what = f"with other {', '.join(differing)}" if differing else f"of {len(old['degree'])} steps"
    except InputError:
        old, what = {}, "of another kind"  # of another version, or luserli's
    folder = files.set_aside(out, "run", ("prun_parameter", "degree_costs.npy", "degree_costs.png"))
    unpruned = f"{out}/parameters.npy"
    if os.path.exists(unpruned) and old.get("run", {}).get("parameters") == files.sha256(unpruned):
        shutil.copy(unpruned, folder)
    return f"{out}: held a run {what}, which is now in {folder}"


def save_step(out, record, parameters, costs, values):
    """Save the network after the next step, and the record with its values, in the order of VALUES."""
    file = network_file(out, len(record["degree"]) + 1)
    save_parameters(file, parameters, costs)
    for name, value in zip((*VALUES, "networks"), (*values, files.sha256(file))):
        record[name].append(value)
    save_dict(record_file(out), record)


def find_network(out, record, step):
    """The path of the network that a run saved after a step. Raises InputError where it is missing, or another one."""
    file = network_file(out, step)
    if not os.path.exists(file):
        raise InputError(f"{file}: missing; it is the network of step {step} in {record_file(out)}")
    if files.sha256(file) != record["networks"][step - 1]:
        raise InputError(f"{file}: is not the network of step {step} in {record_file(out)}, but of another run")
    return file


def load_pair(parameters_file, pruned, data_file):
    """The network before and after pruning, and the file of the latter. Raises InputError.

    pruned : this file; or the folder of a run that started from parameters_file: its last network is taken
    """
    n_x, file = int(np.prod(picture_shape(data_file))), pruned
    before = load_parameters(parameters_file, n_x)
    if os.path.isdir(pruned):
        record = load_record(pruned)
        if record["run"].get("parameters") != files.sha256(parameters_file):
            raise InputError(f"{record_file(pruned)}: is of a run that was not made from {parameters_file}; name the "
                             f"right one with --parameters, or another run with --pruned{earlier_runs(pruned)}")
        file = find_network(pruned, record, len(record["networks"]))
    after = load_parameters(file, n_x)
    if nn.layer_sizes(before) != nn.layer_sizes(after):
        raise InputError(f"{file}: is not {parameters_file} pruned, its layers are of other sizes")
    return before, after, file


@contextlib.contextmanager
def exclusive(out):
    """Write to the folder of a run, for this process alone. Raises InputError if another one does.

    The lock is the operating system's, which ends it with the process, however that ends.
    """
    os.makedirs(out, exist_ok=True)
    lock = filelock.FileLock(f"{out}/.pruning.lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise InputError(f"{out}: another process is pruning there") from None
    except (NotImplementedError, OSError) as error:
        raise InputError(f"{out}: this file system has no locks; name a folder on another one with --out") from error
    try:
        files.remove_temporaries(out, "degree_costs.npy")
        files.remove_temporaries(f"{out}/prun_parameter")
        yield
    finally:
        with contextlib.suppress(OSError):  # Windows does not remove what is open
            os.remove(lock.lock_file)
        lock.release()
