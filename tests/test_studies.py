"""What the studies in figure/ share: the networks that they start from, and runs side by side."""

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
from datasets.networks import save_parameters
from datasets.pictures import load_data
from datasets.user_input import InputError
from figure import studies
from figure.__main__ import list_studies

from .all_studies import compare_figures
from .conftest import ROOT, fail, needs_posix, succeed, write_data

NAMES = [name for name, _, _ in list_studies()]


def test_every_study_is_listed_with_what_it_shows_and_how_long_it_takes():
    scripts = {path.stem for path in (ROOT / "figure").glob("*.py") if "__main__" in path.read_text(encoding="utf-8")}
    assert set(NAMES) == scripts - {"__main__", "digits"}
    listed = succeed("figure.__main__")
    for study in list_studies():
        assert "python -m figure.{}\n    {}\n    {}\n".format(*study) in listed


@pytest.mark.parametrize("study", NAMES)
def test_studies_have_help_and_one_line_errors(study, tmp_path):
    assert "default: figure" in succeed(f"figure.{study}", "--help") or study == "lenet_grid"  # which draws nothing
    assert fail(f"figure.{study}", "--wrong") == f"{study}.py: unrecognized arguments: --wrong"
    figures = () if study == "lenet_grid" else ("--figures", tmp_path / "figures")
    line = fail(f"figure.{study}", "--data", tmp_path / "missing", *figures)
    if study in ("far", "luck", "roundings"):  # they train the recorded experiment's networks, on its pictures only
        assert line == f"{study}.py: unrecognized arguments: --data {tmp_path / 'missing'}"
    else:
        assert line.startswith(f"{study}.py: {tmp_path / 'missing'}: ")
    assert not list(tmp_path.iterdir())


def test_figures_that_differ_are_told(tmp_path):
    for name, content in {"new/a.png": "1", "new/b.png": "1", "new/c.gif": "1", "new/d.txt": "1",
                          "committed/a.png": "1", "committed/b.png": "2"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    lines = compare_figures(tmp_path / "new", tmp_path / "committed")
    assert [line.split() for line in lines] == [["same", "a.png"], ["differs", "b.png"], ["new", "c.gif"]]


def test_networks_that_do_not_belong_together_are_refused(small_data, tmp_path):
    for name, sizes in (("a", (144, 5, 4, 1)), ("b", (144, 6, 4, 1))):
        save_parameters(tmp_path / f"{name}.npy", nn.initialize_parameters(sizes, 1), [])
    for study in ("network", "weights"):
        line = fail(f"figure.{study}", "--data", small_data, "--parameters", tmp_path / "a.npy", "--pruned",
                    tmp_path / "b.npy", "--figures", tmp_path)
        assert line == (f"{study}.py: {tmp_path / 'b.npy'}: is not {tmp_path / 'a.npy'} pruned, "
                        "its layers are of other sizes")


# -------------------------------------------------------------------------------------------------- trained networks

def test_trained_networks_are_those_of_nn_main(small_data):
    data = load_data(small_data)
    found = studies.trained_networks(small_data, (1, 3), 40)
    assert list(found) == [1, 3]
    for seed, network in found.items():
        start = nn.initialize_parameters((144, 5, 4, 3, 2, 1), seed)
        expected, _, _ = nn_main.train(data.X_train, data.Y_train, start, 0.0035, 40)
        assert all(np.abs(network[name] - expected[name]).max() < 1e-12 for name in expected)


def test_so_many_seeds_are_the_first_that_learn(tmp_path):
    large = write_data(tmp_path / "large.h5", shape=(24, 32, 3))  # on which the seeds 1 and 4 soon learn
    data = load_data(large)
    networks = studies.trained_networks(large, range(1, 9), 2500)
    learned = [seed for seed, network in networks.items()
               if nn_main.why_nothing_learned(data.X_train, data.Y_train, network) is None]
    assert 2 <= len(learned) < 8
    assert list(studies.trained_networks(large, 2, 2500)) == learned[:2]
    black = write_data(tmp_path / "black.h5", X_train=np.full((20, 6, 8, 3), 2, np.uint8))
    with pytest.raises(InputError, match="black.h5: nothing is learned at any of the seeds 1 to 32$"):
        studies.trained_networks(black, 2, 1)


# --------------------------------------------------------------------------------------------- by magnitude, at random

def test_random_pruning_keeps_as_many_connections_of_each_layer_as_pruning_by_magnitude(small_data):
    start = nn.initialize_parameters((144, 5, 4, 3, 2, 1), 1)
    by_magnitude, *drawn = [studies.prune(small_data, (3, start, studies.Pruning(4, 20, draw=draw)))
                            for draw in (None, 1, 1, 2)]
    for values in drawn:
        assert np.array_equal(values[:, [0, 4, 5, 6, 7]], by_magnitude[:, [0, 4, 5, 6, 7]])
    assert np.array_equal(drawn[0], drawn[1]) and by_magnitude[1, 1] != drawn[0][1, 1] != drawn[2][1, 1]


def test_random_masks_are_drawn_among_the_connections_that_are_left():
    W = np.arange(40.0).reshape(5, 8) * (np.arange(40).reshape(5, 8) % 2)
    magnitude = {"W1": np.abs(W) > 20}
    times_kept = sum(studies.random_masks({"W1": W}, magnitude, np.random.default_rng(i))["W1"] for i in range(400))
    assert times_kept.sum() == 400 * magnitude["W1"].sum() and not times_kept[W == 0].any()
    assert times_kept[W != 0] == pytest.approx(np.full(20, 200), abs=50)  # each of them half of the times


# -------------------------------------------------------------------------------------------------- runs side by side

def threads_and_square(number):
    if number < 0:
        raise InputError("below 0")
    np.ones((2, 2)) @ np.ones((2, 2))
    return {pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"}, number**2


@pytest.mark.parametrize("numbers", [range(9), [3]])  # in processes of their own, and a single run, in this one
def test_runs_keep_their_order_and_have_one_thread_each(numbers):
    assert studies.in_parallel(threads_and_square, numbers) == [({1}, number**2) for number in numbers]
    with pytest.raises(InputError, match="below 0"):
        studies.in_parallel(threads_and_square, [1, -1, 2])


def meet(folder, number):
    """A run that ends only if another runs beside it."""
    (folder / f"{number}").touch()
    while not (folder / f"{1 - number}").exists():
        time.sleep(0.01)
    return number


@pytest.mark.skipif(studies.joblib.cpu_count() < 2, reason="needs two cores")
def test_runs_are_side_by_side(tmp_path):
    assert studies.in_parallel(functools.partial(meet, tmp_path), [0, 1]) == [0, 1]


def kill_itself(_):
    os.kill(os.getpid(), signal.SIGKILL)


@needs_posix
@pytest.mark.skipif(studies.joblib.cpu_count() < 2, reason="needs two cores")
def test_a_process_that_is_killed_is_one_line():
    with pytest.raises(InputError, match="a process was killed, perhaps because the memory is full"):
        studies.in_parallel(kill_itself, [1, 2, 3])


def test_a_script_without_a_main_guard_can_call_a_study(small_data, tmp_path):
    (tmp_path / "own.py").write_text("from figure import studies\n"
                                     f"print(list(studies.trained_networks({str(small_data)!r}, (1, 3), 10)))\n")
    finished = subprocess.run([sys.executable, tmp_path / "own.py"], env={**os.environ, "PYTHONPATH": str(ROOT)},
                              capture_output=True, text=True, check=False)
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "[1, 3]\n", "")
