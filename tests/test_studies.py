"""What the studies in figure/ share: the networks that they train and prune, and jobs side by side."""

import functools
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import threadpoolctl

import nn_functions as nn
import nn_main
import prun_mask
from datasets.pictures import load_data
from datasets.user_input import InputError
from figure import studies
from figure.__main__ import list_studies

from .conftest import ROOT, fail, needs_posix, succeed

NAMES = [name for name, _, _ in list_studies()]


def test_every_study_is_listed_with_what_it_shows_and_how_long_it_takes():
    scripts = {path.stem for path in (ROOT / "figure").glob("*.py") if "__main__" in path.read_text(encoding="utf-8")}
    assert set(NAMES) == scripts - {"__main__", "digits"}
    listed = succeed("figure.__main__")
    for study in list_studies():
        assert "python -m figure.{}\n    {}\n    {}\n".format(*study) in listed


@pytest.mark.parametrize("study", NAMES)
def test_studies_have_help_and_one_line_errors(study):
    assert "--figures" in succeed(f"figure.{study}", "--help")
    assert fail(f"figure.{study}", "--wrong") == f"{study}.py: unrecognized arguments: --wrong"


# -------------------------------------------------------------------------------------------- the networks of studies

def test_a_network_is_trained_as_nn_main_trains_it(small_data):
    data = load_data(small_data)
    start, found = studies.train(data, 3, 40)
    assert np.array_equal(start["W1"], nn.initialize_parameters((144, 5, 4, 3, 2, 1), 3)["W1"])
    expected, _, _ = nn_main.train(data.X_train, data.Y_train, start, 0.0035, 40)
    assert all(np.abs(found[name] - expected[name]).max() < 1e-12 for name in expected)


@pytest.mark.parametrize("layers, percent", [(("W1",), 5), (("W2", "W3", "W4"), 50)])
def test_the_steps_that_are_asked_for_prune_the_layers_that_are_named(layers, percent, small_data):
    data, parameters = load_data(small_data), nn.initialize_parameters((144, *nn_main.LAYERS, 1), 1)
    steps = dict(studies.prune(data, parameters, studies.masks_of(percent, layers), (0, 2, 3)))
    assert list(steps) == [0, 2, 3]
    for step in range(4):
        if step:
            masks = {name: np.abs(parameters[name]) > prun_mask.threshold(parameters[name], percent) for name in layers}
            pruned = prun_mask.apply_masks(parameters, masks)
            parameters, _ = nn.gradient_descent(data.X_train, data.Y_train, pruned, 0.005, 220, masks)
        if step in steps:
            assert all(np.abs(steps[step][name] - parameters[name]).max() < 1e-12 for name in parameters)


def test_random_masks_keep_as_many_connections_and_are_drawn_among_those_that_are_left():
    W = np.arange(40.0).reshape(5, 8) * (np.arange(40).reshape(5, 8) % 2)
    numbers = {"W1": 10}
    times_kept = sum(studies.random_masks({"W1": W}, numbers, np.random.default_rng(i))["W1"] for i in range(400))
    assert times_kept.sum() == 4000 and not times_kept[W == 0].any()
    assert times_kept[W != 0] == pytest.approx(np.full(20, 200), abs=50)  # each of them half of the times


# -------------------------------------------------------------------------------------------------- jobs side by side

def threads_and_square(number):
    if number < 0:
        raise InputError("below 0")
    np.ones((2, 2)) @ np.ones((2, 2))
    return {pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"}, number**2


def test_runs_have_one_thread_each():
    for numbers in (range(9), [3]):  # in processes of their own, and a single run, in this one
        found = sorted(studies.in_parallel(threads_and_square, numbers), key=lambda result: result[1])
        assert found == [({1}, number**2) for number in numbers]
    with pytest.raises(InputError, match="below 0"):
        list(studies.in_parallel(threads_and_square, [1, -1, 2]))


def meet(folder, number):
    """A run that ends only if another runs beside it."""
    (folder / f"{number}").touch()
    while not (folder / f"{1 - number}").exists():
        time.sleep(0.01)
    return number


@pytest.mark.skipif(studies.joblib.cpu_count() < 2, reason="needs two cores")
def test_runs_are_side_by_side(tmp_path):
    assert sorted(studies.in_parallel(functools.partial(meet, tmp_path), [0, 1])) == [0, 1]


def kill_itself(_):
    os.kill(os.getpid(), signal.SIGKILL)


@needs_posix
@pytest.mark.skipif(studies.joblib.cpu_count() < 2, reason="needs two cores")
def test_a_process_that_is_killed_is_one_line():
    with pytest.raises(InputError, match="a process was killed, perhaps because the memory is full"):
        list(studies.in_parallel(kill_itself, [1, 2, 3]))


def test_a_script_without_a_main_guard_can_call_a_study(small_data, tmp_path):
    (tmp_path / "own.py").write_text("from figure import far\n"
                                     f"far.study({str(small_data)!r}, 'a.csv', (1, 3), 10, (0, 1), (0, 1))\n")
    finished = subprocess.run([sys.executable, tmp_path / "own.py"], env={**os.environ, "PYTHONPATH": str(ROOT)},
                              cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")
