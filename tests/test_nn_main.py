"""Training as a script: what it prints and saves, and that it is nothing but `gradient_descent`."""

import numpy as np
import pytest

import nn_functions as nn
import nn_main
from datasets.networks import load_parameters
from datasets.npy import load_dict
from datasets.pictures import load_data
from figure import drawing

from .conftest import assert_figure, call, contents, fail, succeed, write_data


def test_the_saved_network_is_that_of_gradient_descent(trained):
    data = load_data(trained / "small.h5")
    parameters = load_parameters(trained / "out" / "parameters.npy", 144)
    start = nn.initialize_parameters((144, 5, 4, 3, 2, 1), 1)
    expected, costs = nn.gradient_descent(data.X_train, data.Y_train, start, 0.05, 1500)
    assert all(np.array_equal(parameters[name], expected[name]) for name in expected)
    saved = load_dict(trained / "out" / "parameters.npy")
    assert list(saved) == [f"{k}{l}" for l in range(1, 6) for k in "Wb"] + ["costs"]
    assert np.array_equal(saved["costs"], costs) and costs[-1] < costs[0]


def test_data_npy_tells_how_it_was_trained(trained):
    saved = load_dict(trained / "out" / "data.npy")
    assert set(saved) == {"learning_rate", "times", "costs"}
    assert saved["learning_rate"] == 0.05 and 0 < saved["times"] < 300
    assert np.array_equal(saved["costs"], load_dict(trained / "out" / "parameters.npy")["costs"])


def test_it_prints_the_data_the_network_and_the_result(trained):
    text = (trained / "nn_main.py.txt").read_text()
    assert "training pictures: 20, of which 10 show a car" in text and "test pictures: 8" in text
    assert "6 x 8 pixels x 3 colours = 144" in text and "144 -> 5 -> 4 -> 3 -> 2 -> 1" in text
    X, Y, X_test, Y_test = load_data(trained / "small.h5")
    parameters = load_parameters(trained / "out" / "parameters.npy", 144)
    assert f"train accuracy: {nn.accuracy(nn.predict(X, parameters), Y):.2f} %" in text
    assert f"test accuracy: {nn.accuracy(nn.predict(X_test, parameters), Y_test):.2f} %" in text
    costs = load_dict(trained / "out" / "parameters.npy")["costs"]
    assert f"cost: {costs[0]:.8f} at first, {costs[-1]:.8f} at last" in text
    assert_figure(trained / "figure" / "cost.png")


def test_the_figure_shows_the_costs(monkeypatch):
    figures = []
    monkeypatch.setattr(drawing, "save_figure", lambda figure, path, show: figures.append(figure))
    nn_main.draw_costs(np.array([3.0, 2, 1]), 0.5, "cross-entropy", "path")
    (axes,) = figures[0].axes
    assert list(axes.lines[0].get_ydata()) == [3, 2, 1] and axes.get_ylabel() == "cost (cross-entropy)"


def test_the_same_command_gives_the_same_bytes(trained, tmp_path):
    succeed("nn_main.py", "--data", trained / "small.h5", "--out", tmp_path, "--figures", tmp_path, "--iterations",
            1500,
            "--learning-rate", 0.05)
    assert (tmp_path / "parameters.npy").read_bytes() == (trained / "out" / "parameters.npy").read_bytes()


def test_layers_and_seed_are_taken(small_data, tmp_path):
    succeed("nn_main.py", "--data", small_data, "--layers", 3, 2, "--seed", 7, "--iterations", 1, "--learning-rate",
            1e-300, "--out", tmp_path, "--figures", tmp_path)
    expected = nn.initialize_parameters((144, 3, 2, 1), 7)
    saved = load_parameters(tmp_path / "parameters.npy", 144)
    assert list(saved) == list(expected) and all(np.array_equal(saved[name], expected[name]) for name in expected)


@pytest.mark.parametrize("option", ["l1", "l2"])
def test_regularisation_is_passed_on(trained, tmp_path, option):
    text = succeed("nn_main.py", "--data", trained / "small.h5", "--out", tmp_path, "--figures", tmp_path,
                   "--iterations", 40,
                   f"--{option}", 0.02)
    data = load_data(trained / "small.h5")
    start = nn.initialize_parameters((144, 5, 4, 3, 2, 1), 1)
    expected, costs = nn.gradient_descent(data.X_train, data.Y_train, start, 0.0035, 40, **{option: 0.02})
    saved = load_dict(tmp_path / "parameters.npy")
    assert all(np.array_equal(saved[name], expected[name]) for name in expected)
    assert np.array_equal(saved["costs"], costs) and f"cost and penalty: {costs[0]:.8f} at first" in text


def test_numbers_that_go_bad_stop_it_and_overwrite_nothing(small_data, tmp_path):
    (tmp_path / "parameters.npy").write_bytes(b"old")
    before = contents(tmp_path)
    line = fail("nn_main.py", "--data", small_data, "--learning-rate", 1e200, "--out", tmp_path, "--figures", tmp_path)
    assert line.startswith("nn_main.py: the cost is nan at iteration ")
    assert line.endswith("; try a smaller learning rate") and int(line.split()[7].strip(";")) < 10
    assert contents(tmp_path) == before


def test_training_labels_of_one_kind_are_a_warning(tmp_path):
    path = write_data(tmp_path / "a.h5", y_train=np.zeros(20, int))
    finished = call("nn_main.py", "--data", path, "--iterations", 20, "--out", tmp_path, "--figures", tmp_path)
    assert finished.returncode == 0 and finished.stderr == f"warning: {path}: every label in y_train is 0\n"
