"""Nothing is lost: runs that are killed, interrupted or resumed, and records that are none."""

import pathlib
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import nn_functions as nn
from datasets import record
from datasets.networks import other_data, save_parameters
from datasets.npy import load_dict, save_dict

from .conftest import ROOT, contents, fail, needs_posix, run, succeed, write_data

pytestmark = pytest.mark.usefixtures("light_figures")


@pytest.fixture
def job(pruning_command, tmp_path):
    """A small pruning run: its command, and the folder it writes to."""
    out = tmp_path / "out"
    return [*pruning_command, "--out", out, "--iterations", 20], out


@pytest.fixture
def three_steps(job):
    """The same, with three steps done."""
    command, _ = job
    succeed(*command, "--steps", 3)
    return job


# ------------------------------------------------------------------------------------------------------ the same bytes

@needs_posix
def test_killed_runs_resume_to_the_same_bytes(job, tmp_path):
    """Killed where a step's network is there, and its record is not or has just been written."""
    command, out = job
    command = [*command, "--steps", 12, "--iterations", 150]
    succeed(*command, "--out", tmp_path / "undisturbed", run=run)
    for step in (2, 5, 9):
        with subprocess.Popen([sys.executable, *map(str, (*command, "--resume"))], cwd=ROOT,
                              stdout=subprocess.DEVNULL) as process:
            while not (out / "prun_parameter" / f"prun_parameters{step}.npy").exists():
                time.sleep(0.001)
                assert not process.poll()
            process.kill()
    succeed(*command, "--resume", run=run)
    assert contents(out) == contents(tmp_path / "undisturbed")


def test_a_resumed_run_carries_the_gram_matrices_to_the_same_bits(tmp_path):
    """On data of a size for which the Gram form is chosen, and where recomputing the matrices would show."""
    data = write_data(tmp_path / "wide.h5", m=30, shape=(20, 20, 3))
    save_parameters(tmp_path / "wide.npy", nn.initialize_parameters((1200, 5, 4, 3, 2, 1), 2, "he"), [])
    command = ["pruning.py", "--data", data, "--parameters", tmp_path / "wide.npy", "--iterations", 100, "--percent",
               10]
    assert nn.cheaper_method((1200, 30), 5, True, 100) == "gram"
    succeed(*command, "--steps", 12, "--out", tmp_path / "whole")
    for steps in (1, 5, 12):
        succeed(*command, "--steps", steps, "--out", tmp_path / "parts", "--resume")
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


@pytest.mark.parametrize("options", [["--criterion", "global", "--l2", 0.01], ["--l1", 0.001],
                                     ["--criterion", "std", "--quality", 0.3], ["--batch", 8, "--momentum", 0.9]])
def test_resume_goes_on_to_the_same_bytes(job, tmp_path, options):
    command, out = job
    succeed(*command, *options, "--steps", 4)
    other = [*command, "--out", tmp_path / "other"]
    line = f"{tmp_path / 'other'}: holds no run to go on with; this one starts with step 1\n"
    assert line in succeed(*other, *options, "--steps", 2, "--resume")
    refused = fail(*other, "--resume")
    assert "cannot resume, it was made with other" in refused and all(option[2:] in refused for option in options[::2])
    for _ in range(2):  # where all is done, nothing changes
        assert line not in succeed(*other, *options, "--steps", 4, "--resume")
        assert contents(tmp_path / "other") == contents(out) and len(contents(out)) == 6


def test_a_step_without_its_record_is_done_again(three_steps):
    """As where the process is killed between the two writes of a step."""
    command, out = three_steps
    whole = contents(out)
    succeed(*command, "--steps", 5, "--resume")
    for path, content in whole.items():
        if "degree_costs" in path.name:
            (out / path).write_bytes(content)
    left = out / "prun_parameter" / "prun_parameters4.npy"
    assert f"\n{left} and those after it are of an earlier run\n" in succeed(*command, "--steps", 3, "--resume")
    assert all(contents(out)[path] == content for path, content in whole.items())
    succeed(*command, "--steps", 5, "--resume")
    assert len(load_dict(out / "degree_costs.npy")["degree"]) == 5


def not_ignoring_ctrl_c():
    """For a process that is to be sent SIGINT: a shell makes what it runs in the background ignore that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


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


# ------------------------------------------------------------------------------------------ another run in the folder

def test_a_run_with_other_settings_moves_the_earlier_one_whole(three_steps):
    command, out = three_steps
    shutil.copy(command[command.index("--parameters") + 1], out / "parameters.npy")  # as nn_main.py leaves it there
    first = contents(out)
    assert "which is now in" not in succeed(*command, "--steps", 3)  # the same run starts over
    assert contents(out) == first
    line = f"{out}: held a run with other percent, which is now in {out}/run_1\n"
    assert line in succeed(*command, "--percent", 10, "--steps", 2)
    assert contents(out / "run_1") == first and len(contents(out)) == 5 + len(first)
    (out / "degree_costs.npy").write_bytes(b"a record of another version")
    assert f"held a run of another kind, which is now in {out}/run_2\n" in succeed(*command, "--steps", 3)
    assert contents(out / "run_1") == first and {path: content for path, content in contents(out).items()
                                                 if path.parts[0][:4] != "run_"} == first
    fail(*command, "--steps", 5, "--learning-rate", 1e200)  # a run that has no step moves nothing
    assert f"held a run of 3 steps, which is now in {out}/run_3\n" in succeed(*command, "--steps", 2)
    # And there it can be resumed.
    succeed(*command, "--out", out / "run_1", "--steps", 4, "--resume")
    assert len(load_dict(out / "run_1" / "degree_costs.npy")["degree"]) == 4


def test_resume_refuses_another_run_and_says_what_differs(three_steps, tmp_path):
    command, out = three_steps
    before = contents(out)
    for options, what in ((["--data", write_data(tmp_path / "other.h5", seed=1)], "data"),
                          (["--learning-rate", 0.1, "--percent", 6], "percent, learning rate"),
                          (["--batch", 8], "batch, momentum")):
        line = fail(*command, "--resume", *options)
        assert line == (f"pruning.py: {out}/degree_costs.npy: cannot resume, it was made with other {what}; name "
                        "another folder with --out")
    assert contents(out) == before


@pytest.mark.parametrize("step", [2, 3])
def test_resume_refuses_a_network_of_another_run_and_one_that_is_missing(three_steps, step):
    command, out = three_steps
    file = out / "prun_parameter" / f"prun_parameters{step}.npy"
    save_parameters(file, nn.initialize_parameters((144, 5, 4, 3, 2, 1), 2), [])
    line = fail(*command, "--steps", 5, "--resume")
    assert f"{file}: is not the network of step {step} in {out}/degree_costs.npy" in line
    file.unlink()
    line = fail(*command, "--steps", 3, "--resume")
    assert f"{file}: missing; it is the network of step {step} in {out}/degree_costs.npy" in line


@pytest.mark.parametrize("change", [{"degree": []}, {"run": 3}, {"costs": [None] * 3}, {"networks": ["0"]},
                                    {"predicts_one_class": None}])
def test_resume_refuses_what_is_no_record_of_a_run(three_steps, change):
    command, out = three_steps
    save_dict(out / "degree_costs.npy", {**load_dict(out / "degree_costs.npy"), **change})
    assert f"{out}/degree_costs.npy: is not a record that pruning.py wrote: no run to" in fail(*command, "--resume")


def test_a_run_does_not_start_from_where_its_networks_are_written(three_steps):
    command, out = three_steps
    before, start = contents(out), out / "prun_parameter" / "prun_parameters2.npy"
    line = fail(*command, "--parameters", start)
    assert line.startswith(f"pruning.py: {start}: stands where this run writes its networks")
    assert contents(out) == before


def test_a_run_is_compared_with_the_network_that_it_started_from_and_with_no_other(three_steps, tmp_path):
    _, out = three_steps
    start, data, other = tmp_path / "p.npy", tmp_path / "small.h5", tmp_path / "q.npy"
    before, after, file = record.load_pair(start, str(out), data)
    assert file == record.network_file(out, 3) == record.load_pair(start, file, data)[2]
    assert not np.array_equal(before["W1"], after["W1"])
    save_parameters(other, nn.initialize_parameters((144, 5, 4, 3, 2, 1), 2), [])
    with pytest.raises(ValueError, match=f"is of a run that was not made from {other}; name the right one with "):
        record.load_pair(other, str(out), data)
    save_parameters(other, nn.initialize_parameters((144, 3, 1), 1), [])
    with pytest.raises(ValueError, match="q.npy: is not .*p.npy pruned, its layers are of other sizes"):
        record.load_pair(start, str(other), data)


# ---------------------------------------------------------------------------------------------- one writer in a folder

@needs_posix
def test_a_run_that_fails_loses_nothing(three_steps):
    command, out = three_steps
    before = contents(out)
    limited = subprocess.run(["sh", "-c", 'ulimit -f 1; exec "$@"', "sh", sys.executable,
                              *map(str, (*command, "--steps", 3))], cwd=ROOT, capture_output=True, text=True,
                             check=False)
    assert limited.returncode == 2 and limited.stderr.endswith("prun_parameters1.npy: File too large\n")
    assert contents(out) == before


def test_what_killed_writers_left_is_removed_by_the_next_run(three_steps):
    command, out = three_steps
    before = contents(out)
    for name in ("degree_costs.npy", "prun_parameter/prun_parameters7.npy"):
        folder, name = (out / name).parent, pathlib.Path(name).name
        (folder / f".{name}.{'0123456789abcdef' * 2}.tmp").write_bytes(b"half a file")
    succeed(*command, "--steps", 3, "--resume")
    assert contents(out) == before


@needs_posix
def test_two_runs_in_one_folder(job):
    command, out = job
    with subprocess.Popen([sys.executable, *map(str, (*command, "--iterations", 10**6))], cwd=ROOT,
                          stdout=subprocess.PIPE, text=True) as process:
        while "degree" not in process.stdout.readline():  # the head of its table: it works
            assert process.poll() is None
        before = contents(out)
        assert fail(*command, "--steps", 1) == f"pruning.py: {out}: another process is pruning there"
        assert contents(out) == before
        process.kill()
    succeed(*command, "--steps", 1)  # the lock ended with the process
    assert not (out / ".pruning.lock").exists()


def test_the_network_of_a_step_is_known_by_the_record_to_be_of_another_data_set(three_steps, tmp_path):
    command, out = three_steps
    network, data = out / "prun_parameter" / "prun_parameters2.npy", command[command.index("--data") + 1]
    assert other_data(network, data) is None
    assert "was trained on another data set" in other_data(network, write_data(tmp_path / "other.h5", seed=5))
