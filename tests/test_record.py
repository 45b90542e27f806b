"""Nothing is lost: runs that are killed, interrupted or resumed, and records that are none."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import nn_functions as nn
from datasets import record
from datasets.networks import save_parameters
from datasets.npy import load_dict, save_dict
from datasets.pictures import load_data

from .conftest import ROOT, contents, fail, needs_posix, not_ignoring_ctrl_c, succeed, write_data
from .kill_and_resume import kills_of_runs


@pytest.fixture
def job(pruning_command, tmp_path):
    """A small pruning run: its command, and the folder it writes to."""
    out = tmp_path / "out"
    return [*pruning_command, "--out", out, "--figures", out, "--iterations", 20], out


@pytest.fixture
def three_steps(job):
    """The same, with three steps done."""
    command, _ = job
    succeed(*command, "--steps", 3)
    return job


@needs_posix
def test_killed_runs_resume_to_the_same_bytes(pruning_command):
    kills = kills_of_runs(3, [*map(str, pruning_command[1:]), "--steps", "30", "--iterations", "300"])
    assert None not in kills and sum(kills) > 0


def test_a_resumed_run_carries_the_gram_matrices_to_the_same_bits(tmp_path):
    """On data of a size for which the Gram form is chosen, and where recomputing the matrices would show."""
    data = write_data(tmp_path / "wide.h5", m=30, shape=(20, 20, 3))
    save_parameters(tmp_path / "wide.npy", nn.initialize_parameters((1200, 5, 4, 3, 2, 1), 1), [])
    command = ["pruning.py", "--data", data, "--parameters", tmp_path / "wide.npy", "--iterations", 100, "--percent",
               10]
    mask = np.ones((5, 1200), bool)
    assert nn.cheaper_method(nn.GramMatrices(load_data(data).X_train), 5, mask, 100) == "gram"
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    succeed(*command, "--steps", 12, "--out", whole, "--figures", whole)
    for steps in (1, 5, 12):
        succeed(*command, "--steps", steps, "--out", parts, "--figures", parts, "--resume")
    assert contents(parts) == contents(whole)


@pytest.mark.parametrize("options", [[], ["--criterion", "global", "--delta", 3], ["--l2", 0.01], ["--l1", 0.001],
                                     ["--criterion", "std", "--quality", 0.3, "--delta", 0.2]])
def test_resume_goes_on_to_the_same_bytes(job, tmp_path, options):
    command, out = job
    succeed(*command, *options, "--steps", 4)
    whole = contents(out)
    other = [*command, "--out", tmp_path / "other", "--figures", tmp_path / "other"]
    succeed(*other, *options, "--steps", 2, "--resume")
    if options:
        line = fail(*other, "--resume")
        assert "cannot resume, it was made with other" in line and all(option[2:] in line for option in options[::2])
    succeed(*other, *options, "--steps", 4, "--resume")
    assert contents(tmp_path / "other") == whole and len(whole) == 6


@needs_posix
def test_ctrl_c_says_what_is_saved_and_how_to_go_on(job):
    command, out = job
    command = [*command, "--steps", 8, "--iterations", 2500]
    process = subprocess.Popen([sys.executable, *map(str, command)], cwd=ROOT, text=True, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, preexec_fn=not_ignoring_ctrl_c)
    while not (out / "prun_parameter" / "prun_parameters3.npy").exists():
        time.sleep(0.01)
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130
    saved = len(load_dict(out / "degree_costs.npy")["degree"])
    assert errors == (f"pruning.py: interrupted: {saved} steps are saved in {out}; "
                      "the same command with --resume goes on\n")
    # The network of a step is written before the record counts it, and Ctrl-C may come between.
    names, steps = ({path.name for path in (out / "prun_parameter").iterdir()},
                    [f"prun_parameters{step}.npy" for step in range(1, saved + 2)])
    assert names in (set(steps[:-1]), set(steps))
    assert f"steps 1 to {saved} were done before" in succeed(*command, "--resume")
    assert len(load_dict(out / "degree_costs.npy")["degree"]) == 8


def test_what_is_saved_is_read_from_the_disk_and_never_trusted(tmp_path):
    path = tmp_path / "degree_costs.npy"
    new = {**{name: [] for name in record.VALUES}, "run": {"percent": 5.0}}
    assert record.saved_steps_message(tmp_path, new) == "no step was saved"
    for steps, words in ((0, "no step was saved"), (1, f"1 step is saved in {tmp_path}; "),
                         (2, f"2 steps are saved in {tmp_path}; ")):
        save_dict(path, {**{name: [1.0] * steps for name in record.VALUES}, "run": {"percent": 5.0}})
        assert record.saved_steps_message(tmp_path, new).startswith(words)
    for other in ({**new, "run": {"percent": 6.0}}, {"W1": np.ones(3)}):
        save_dict(path, other)
        assert record.saved_steps_message(tmp_path, new) == "no step was saved"
    path.write_bytes(b"no record")
    assert record.saved_steps_message(tmp_path, new) == "no step was saved"


def test_resume_refuses_another_run_and_says_what_differs(three_steps, tmp_path):
    command, out = three_steps
    before = contents(out)
    other = write_data(tmp_path / "other.h5", seed=1)
    for options, what in ((["--percent", 6], "percent"), (["--iterations", 30], "iterations"),
                          (["--data", other], "data"),
                          (["--learning-rate", 0.1, "--percent", 6], "percent, learning rate")):
        line = fail(*command, "--resume", *options)
        assert line == f"pruning.py: {out}/degree_costs.npy: cannot resume, it was made with other {what}"
        assert contents(out) == before


def test_resume_of_a_run_that_is_done_changes_nothing(three_steps):
    command, out = three_steps
    before = contents(out)
    assert "3 were done before" in succeed(*command, "--steps", 3, "--resume")
    assert contents(out) == before


@pytest.mark.parametrize("content", [
    {"degree": [], "costs": []}, {"run": 3},
    {"degree": [1.0], "costs": [], "train_accuracy": [], "test_accuracy": [], "run": {}},
    {"degree": ["1"], "costs": [1.0], "train_accuracy": [1.0], "test_accuracy": [1.0], "run": {}},
    {"degree": [1.0], "costs": [None], "train_accuracy": [1.0], "test_accuracy": [1.0], "run": {}},
    {"degree": [], "costs": [], "train_accuracy": [], "test_accuracy": [], "run": {"data": np.arange(3)}}])
def test_resume_refuses_what_is_no_record_of_a_run(job, content):
    command, out = job
    out.mkdir()
    save_dict(out / "degree_costs.npy", content)
    assert f"{out}/degree_costs.npy: cannot resume, " in fail(*command, "--resume")


def test_resume_needs_every_network(three_steps):
    command, out = three_steps
    (out / "prun_parameter" / "prun_parameters2.npy").unlink()
    line = fail(*command, "--steps", 5, "--resume")
    assert "prun_parameters2.npy: missing; to resume, the networks of all earlier steps are needed" in line


def test_a_run_without_resume_starts_over(three_steps):
    command, out = three_steps
    before = contents(out)
    assert "were done before" not in succeed(*command, "--steps", 3)
    assert contents(out) == before
