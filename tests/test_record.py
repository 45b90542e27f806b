"""Nothing is lost: runs that are killed, interrupted or resumed, and records that are none."""

import hashlib
import pathlib
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

from .conftest import ROOT, contents, fail, needs_posix, not_ignoring_ctrl_c, run, succeed, write_data
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
    kills = kills_of_runs(3, [*map(str, pruning_command[1:]), "--steps", "30", "--iterations", "150"])
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


def test_resume_with_nothing_there_says_that_it_starts(pruning_command, tmp_path):
    command = (*pruning_command, "--steps", 1, "--iterations", 5, "--out", tmp_path / "o", "--figures", tmp_path)
    line = f"{tmp_path / 'o'}: holds no run to go on with; this one starts with step 1\n"
    assert line in succeed(*command, "--resume") and line not in succeed(*command, "--resume")


@pytest.mark.parametrize("options", [[], ["--criterion", "global"], ["--l2", 0.01], ["--l1", 0.001],
                                     ["--criterion", "std", "--quality", 0.3],
                                     ["--batch", 8, "--momentum", 0.9]])
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
def test_ctrl_c_says_where_the_steps_are_and_how_to_go_on(job):
    command, out = job
    command = [*command, "--steps"]
    process = subprocess.Popen([sys.executable, *map(str, (*command, 10**6))], cwd=ROOT, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=not_ignoring_ctrl_c)
    while not (out / "prun_parameter" / "prun_parameters3.npy").exists():
        time.sleep(0.01)
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130
    assert errors == ("pruning.py: interrupted; the same command with --resume goes on after the steps that are saved "
                      f"in {out}\n")
    saved = len(load_dict(out / "degree_costs.npy")["degree"])
    assert f"steps 1 to {saved} were done before" in succeed(*command, saved + 2, "--resume")
    assert len(load_dict(out / "degree_costs.npy")["degree"]) == saved + 2 >= 4


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


def test_a_run_with_batches_does_not_resume_without(job):
    command, out = job
    succeed(*command, "--steps", 2, "--batch", 8)
    line = fail(*command, "--steps", 3, "--resume")
    assert line == f"pruning.py: {out}/degree_costs.npy: cannot resume, it was made with other batch, momentum"


def test_resume_of_a_run_that_is_done_changes_nothing(three_steps):
    command, out = three_steps
    before = contents(out)
    assert "3 were done before" in succeed(*command, "--steps", 3, "--resume")
    assert contents(out) == before


@pytest.mark.parametrize("content", [
    {"degree": [], "costs": []}, {"run": 3},
    {"degree": [1.0], "costs": [], "train_accuracy": [], "test_accuracy": [], "run": {}},
    {"degree": ["1"], "costs": [1.0], "train_accuracy": [1.0], "test_accuracy": [1.0], "run": {}},
    {"degree": [1.0], "costs": [None], "train_accuracy": [1.0], "test_accuracy": [1.0], "networks": ["0"], "run": {}},
    {"degree": [], "costs": [], "train_accuracy": [], "test_accuracy": [], "networks": [], "run": {}}])
def test_resume_refuses_what_is_no_record_of_a_run(job, content):
    command, out = job
    out.mkdir()
    save_dict(out / "degree_costs.npy", content)
    assert f"{out}/degree_costs.npy: is not a record that pruning.py wrote: no run to" in fail(*command, "--resume")


def test_resume_needs_every_network(three_steps):
    command, out = three_steps
    (out / "prun_parameter" / "prun_parameters2.npy").unlink()
    line = fail(*command, "--steps", 5, "--resume")
    assert line.endswith(f"prun_parameters2.npy: missing; it is the network of step 2 in {out}/degree_costs.npy")


def test_a_run_does_not_start_from_where_its_networks_are_written(three_steps):
    command, out = three_steps
    before, start = contents(out), out / "prun_parameter" / "prun_parameters2.npy"
    line = fail(*command, "--parameters", start)
    assert line.startswith(f"pruning.py: {start}: stands where this run writes its networks")
    assert contents(out) == before


# ---------------------------------------------------------------------------------------- a record and its networks

def networks_of(out):
    """The bytes of a run's networks, as its record names them; fails where one is missing or another."""
    saved = load_dict(out / "degree_costs.npy")
    found = [record.find_network(out, saved, step) for step in range(1, len(saved["degree"]) + 1)]
    return [pathlib.Path(path).read_bytes() for path in found]


def test_the_record_binds_its_networks(three_steps):
    _, out = three_steps
    assert load_dict(out / "degree_costs.npy")["networks"] == [
        hashlib.sha256((out / "prun_parameter" / f"prun_parameters{step}.npy").read_bytes()).hexdigest()
        for step in (1, 2, 3)]


@pytest.mark.parametrize("step", [2, 3])
@pytest.mark.parametrize("other", ["another seed's", "of other layers"])
def test_resume_refuses_a_network_of_another_run(three_steps, step, other):
    command, out = three_steps
    sizes, seed = ((144, 5, 4, 3, 2, 1), 2) if "seed" in other else ((144, 7, 1), 1)
    file = out / "prun_parameter" / f"prun_parameters{step}.npy"
    save_parameters(file, nn.initialize_parameters(sizes, seed), [])
    before = contents(out)
    line = fail(*command, "--steps", 5, "--resume")
    assert f"{file}: is not the network of step {step} in {out}/degree_costs.npy" in line and contents(out) == before


def test_resume_misses_the_last_network_also_where_all_steps_are_done(three_steps):
    command, out = three_steps
    (out / "prun_parameter" / "prun_parameters3.npy").unlink()
    assert "prun_parameters3.npy: missing; " in fail(*command, "--steps", 3, "--resume")


def test_a_record_without_digests_does_not_resume(three_steps):
    command, out = three_steps
    saved = load_dict(out / "degree_costs.npy")
    for digests in (None, [], ["0", "1"]):
        save_dict(out / "degree_costs.npy", {**saved, "networks": digests})
        assert "degree_costs.npy: is not a record that pruning.py wrote" in fail(*command, "--resume")
    save_dict(out / "degree_costs.npy", {**saved, "networks": [0, 1, 2]})
    assert "is not the network of step 1" in fail(*command, "--resume", "--steps", 5)


def test_the_last_network_of_a_shorter_run_is_not_that_of_an_older_longer_one(three_steps):
    command, out = three_steps
    older = out / "prun_parameter" / "prun_parameters3.npy"
    succeed(*command, "--steps", 2, "--percent", 10)
    start, data = out.parent / "p.npy", out.parent / "small.h5"
    assert record.load_pair(start, str(out), data)[2] == record.network_file(out, 2) and older.exists()
    assert record.load_pair(start, str(older), data)[2] == str(older)


@pytest.mark.parametrize("name", ["data", "parameters"])
def test_a_run_is_compared_with_the_network_that_it_started_from_and_with_no_other(three_steps, photos, name, tmp_path):
    command, out = three_steps
    options = {"data": tmp_path / "small.h5", "parameters": tmp_path / "p.npy", "pruned": out, "figures": tmp_path}
    save_parameters(tmp_path / "q.npy", nn.initialize_parameters((144, 5, 4, 3, 2, 1), 2), [])
    other = {"data": write_data(tmp_path / "other.h5", seed=1), "parameters": tmp_path / "q.npy"}[name]
    for script, more in (("prun_parameters.py", ("--photos", photos)), ("figure.network", ())):
        succeed(script, *more, *(word for key, value in options.items() for word in (f"--{key}", value)))
        line = fail(script, *more, *(word for key, value in {**options, name: other}.items()
                                     for word in (f"--{key}", value)))
        assert line.endswith(f": {out}/degree_costs.npy: is of a run that was not made from {other}; name the right "
                             f"{name} with --{name}, or another run with --pruned")


@needs_posix
def test_a_new_run_that_fails_leaves_the_old_one(three_steps):
    command, out = three_steps
    before = contents(out)
    limited = subprocess.run(["sh", "-c", 'ulimit -f 1; exec "$@"', "sh", sys.executable,
                              *map(str, (*command, "--percent", 10))], cwd=ROOT, capture_output=True, text=True,
                             check=False)
    assert limited.returncode == 2 and limited.stderr.endswith("prun_parameters1.npy: File too large\n")
    assert contents(out) == before


def test_a_step_without_its_record_is_done_again(three_steps):
    """As where the process is killed between the two writes of a step."""
    command, out = three_steps
    whole = contents(out)
    older = {path: content for path, content in whole.items() if "degree_costs" in path.name}
    succeed(*command, "--steps", 5)
    for path, content in older.items():
        (out / path).write_bytes(content)
    succeed(*command, "--steps", 3, "--resume")
    assert all(contents(out)[path] == content for path, content in whole.items())
    succeed(*command, "--steps", 5, "--resume")
    assert len(load_dict(out / "degree_costs.npy")["degree"]) == 5


@needs_posix
def test_two_runs_in_one_folder(job):
    command, out = job
    with subprocess.Popen([sys.executable, *map(str, (*command, "--iterations", 10**6))], cwd=ROOT,
                          stdout=subprocess.PIPE, text=True) as process:
        while "degree" not in process.stdout.readline():  # the head of its table: it works
            assert process.poll() is None
        before = contents(out)
        assert fail(*command, "--steps", 1) == f"pruning.py: {out}: another process is pruning there"
        assert fail(*command, "--steps", 1, run=run) == f"pruning.py: {out}: another process is pruning there"
        assert contents(out) == before
        process.kill()
    succeed(*command, "--steps", 1)  # the lock ended with the process
    assert not (out / ".pruning.lock").exists()


def test_a_run_without_resume_starts_over(three_steps):
    command, out = three_steps
    before = contents(out)
    assert "were done before" not in succeed(*command, "--steps", 3)
    assert contents(out) == before
