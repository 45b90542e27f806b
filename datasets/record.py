"""The record of a pruning run, the networks of its steps, and what resuming it needs.

The record is the dict in degree_costs.npy: the lists of VALUES with a number for each step, and `run`, what the run was
made from.
"""

import hashlib
import os

import numpy as np

import nn_functions as nn
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
    return {**{name: [] for name in VALUES},
            "run": {"data": _sha256(data_file), "parameters": _sha256(parameters_file), **settings}}


def _sha256(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def load_record(out, new):
    """Read the record of a run, to go on with it; new : what `new_record` returns, to compare. Raises InputError."""
    path = record_file(out)
    record = load_dict(path)
    run, lists = record.get("run"), [record.get(name) for name in VALUES]
    if (not isinstance(run, dict) or not all(isinstance(values, list) for values in lists)
            or len({len(values) for values in lists}) > 1
            or not all(isinstance(value, float) and np.isfinite(value) for values in lists for value in values)):
        raise InputError(f"{path}: cannot resume, it is not a record that pruning.py wrote")
    differing = [name.replace("_", " ") for name, value in new["run"].items()
                 if not isinstance(run.get(name), (str, int, float)) or run[name] != value]
    if differing:
        raise InputError(f"{path}: cannot resume, it was made with other {', '.join(differing)}")
    return record


def load_last_network(out, steps, n_x, gram, iterations, l1):
    """The network after the last of the steps that are recorded. Raises InputError.

    gram : the `nn_functions.GramMatrices` that the run goes on with. An uninterrupted run updates them from step to
        step, which rounds differently from computing them anew. So they are updated once more for the masks of all
        steps, and the rest of the run gives the same bits.
    iterations, l1 : those of each retraining
    """
    for step in range(1, steps + 1):
        file = network_file(out, step)
        if not os.path.exists(file):
            raise InputError(f"{file}: missing; to resume, the networks of all earlier steps are needed")
        parameters = load_parameters(file, n_x)
        mask = parameters["W1"] != 0
        if nn.cheaper_method(gram, len(mask), mask, iterations, l1) == "gram":
            gram.update_mask(mask)
    return parameters


def save_step(out, record, parameters, costs, values):
    """Save the network after the next step, then the record with its values, in the order of VALUES."""
    if not record["degree"]:
        save_dict(record_file(out), record)  # empty: no network of an earlier run may count as one of this run
    for name, value in zip(VALUES, values):
        record[name].append(value)
    save_parameters(network_file(out, len(record["degree"])), parameters, costs)
    save_dict(record_file(out), record)


def saved_steps_message(out, new):
    """What an interrupted run tells: how many of its steps are on the disk; new : see `load_record`."""
    try:
        saved = len(load_record(out, new)["degree"])
    except (InputError, OSError):
        saved = 0
    if saved == 0:
        return "no step was saved"
    return f"{saved} {'step is' if saved == 1 else 'steps are'} saved in {out}; the same command with --resume goes on"
