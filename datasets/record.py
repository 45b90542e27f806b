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

import nn_functions as nn
from datasets.files import check_folder, sha256
from datasets.networks import load_parameters, save_parameters
from datasets.npy import load_dict, save_dict
from datasets.pictures import picture_shape
from datasets.user_input import InputError

VALUES = ("degree", "costs", "train_accuracy", "test_accuracy")


def load_training(parameters_file):
    """How a network was trained: the dict in the data.npy beside it. Empty where that is not there, or of another one.

    It is of the network if it has the same costs.
    """
    with contextlib.suppress(InputError, OSError):
        training = load_dict(os.path.join(os.path.dirname(parameters_file), "data.npy"))
        if np.array_equal(training.get("costs"), load_dict(parameters_file).get("costs", [])):
            return training
    return {}


def load_start(parameters_file, parameters):
    """The parameters that a training started from, drawn again, and how: None and None where that is not known."""
    training, (n_x, *layers, outputs) = load_training(parameters_file), nn.layer_sizes(parameters)
    if training.get("init") is None or training.get("layers") != layers:
        return None, None
    return nn.initialize_parameters((n_x, *layers, outputs), training["seed"], training["init"]), training["init"]


def load_trained(parameters_file, data_file):
    """The parameters of a network for a data set. Raises InputError, also if it is known to be trained on another one.
    """
    trained_on = load_training(parameters_file).get("data")
    if isinstance(trained_on, str) and trained_on != sha256(data_file):
        raise InputError(f"{parameters_file}: was trained on another data set than {data_file}; "
                         "name that one with --data, or train a network on this one")
    return load_parameters(parameters_file, int(np.prod(picture_shape(data_file))))


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


def pruned_network(path, parameters_file, data_file):
    """The path of a pruned network; path : its own, or the folder of a run, whose last network is taken.

    parameters_file, data_file : what the run must have started from
    Raises InputError.
    """
    if not os.path.isdir(path):
        return path
    record = load_dict(record_file(path))
    networks, run = record.get("networks"), record.get("run")
    if not isinstance(networks, list) or not networks or not isinstance(run, dict):
        raise InputError(f"{record_file(path)}: does not say which networks belong to it; name one of them")
    for name, file in (("data", data_file), ("parameters", parameters_file)):
        if run.get(name) != sha256(file):
            raise InputError(f"{record_file(path)}: is of a run that was not made from {file}; name the right {name} "
                             f"with --{name}, or another run with --pruned")
    return find_network(path, record, len(networks))


def load_pair(parameters_file, pruned, data_file):
    """The network before and after pruning, and the file of the latter; pruned : see `pruned_network`.

    Raises InputError.
    """
    before = load_trained(parameters_file, data_file)
    file = pruned_network(pruned, parameters_file, data_file)
    after = load_parameters(file, nn.layer_sizes(before)[0])
    if nn.layer_sizes(before) != nn.layer_sizes(after):
        raise InputError(f"{file}: is not {parameters_file} pruned, its layers are of other sizes")
    return before, after, file


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
