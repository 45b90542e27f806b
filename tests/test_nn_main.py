"""Training as a script: what it prints and saves, and that it is nothing but `gradient_descent`."""

import hashlib

import numpy as np
import pytest

import nn_functions as nn
import nn_main
from datasets.networks import load_parameters, save_parameters
from datasets.npy import load_dict
from datasets.pictures import load_data
from figure import drawing

from .conftest import assert_figure, call, contents, fail, network_that_says_car_above, succeed, write_data


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
    assert saved["learning_rate"] == 0.05 and saved["times"] > 0
    assert (saved["init"], saved["seed"], saved["layers"]) == ("original", 1, [5, 4, 3, 2])
    assert saved["data"] == hashlib.sha256((trained / "small.h5").read_bytes()).hexdigest()
    assert np.array_equal(saved["costs"], load_dict(trained / "out" / "parameters.npy")["costs"])


def test_it_prints_the_data_the_network_and_the_result(trained):
    text = (trained / "nn_main.py.txt").read_text()
    assert "training pictures: 20, of which 10 show a car" in text and "test pictures: 8" in text
    assert "6 x 8 pixels x 3 colours = 144" in text and "144 -> 5 -> 4 -> 3 -> 2 -> 1" in text
    X, Y, X_test, Y_test, _ = load_data(trained / "small.h5")
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


# -------------------------------------------------------------------------------------- what training starts from

def test_init_he(small_data, tmp_path):
    succeed("nn_main.py", "--data", small_data, "--init", "he", "--seed", 3, "--layers", 6, 2, "--iterations", 30,
            "--out", tmp_path, "--figures", tmp_path)
    data, random, start = load_data(small_data), np.random.RandomState(3), {}
    for l, (rows, columns) in enumerate(((6, 144), (2, 6), (1, 2)), start=1):
        start[f"W{l}"], start[f"b{l}"] = random.randn(rows, columns) * (2 / columns) ** 0.5, np.zeros((rows, 1))
    expected, _ = nn.gradient_descent(data.X_train, data.Y_train, start, 0.0035, 30)
    saved = load_parameters(tmp_path / "parameters.npy", 144)
    assert all(np.array_equal(saved[name], value) for name, value in expected.items())


def test_start_trains_on(trained, tmp_path):
    command = ["nn_main.py", "--data", trained / "small.h5", "--learning-rate", 0.05, "--figures", tmp_path]
    succeed(*command, "--iterations", 1000, "--out", tmp_path / "half")
    succeed(*command, "--iterations", 500, "--out", tmp_path / "whole", "--start", tmp_path / "half" / "parameters.npy")
    whole, at_once = (load_parameters(folder / "parameters.npy", 144) for folder in (tmp_path / "whole",
                                                                                     trained / "out"))
    assert all(np.allclose(whole[name], at_once[name], rtol=0, atol=1e-12) for name in at_once)
    for option in (["--seed", 1], ["--layers", 5, 4], ["--init", "he"]):
        assert "do not go with --start" in fail(*command, *option, "--start", tmp_path / "half" / "parameters.npy")
    assert "not a .npy file" in fail(*command, "--start", trained / "small.h5")


def test_batch_is_minibatch_descent_of_the_pictures_as_they_are(small_data, tmp_path):
    succeed("nn_main.py", "--data", small_data, "--batch", 6, "--momentum", 0.5, "--l2", 0.01, "--iterations", 30,
            "--out", tmp_path, "--figures", tmp_path)
    data = load_data(small_data, scale=False)
    assert data.X_train.dtype == data.X_test.dtype == np.uint8 and data.X_train.shape == (144, 20)
    assert np.array_equal(data.X_train / 255, load_data(small_data).X_train)
    start = nn.initialize_parameters((144, 5, 4, 3, 2, 1), 1)
    expected, costs = nn.minibatch_descent(data.X_train, data.Y_train, start, 0.0035, 30, batch=6, momentum=0.5,
                                           l2=0.01)
    saved = load_dict(tmp_path / "parameters.npy")
    assert all(np.array_equal(saved[name], value) for name, value in expected.items())
    assert np.array_equal(saved["costs"], costs) and saved["W1"].dtype == np.float64


def test_momentum_goes_with_batch():
    assert fail("nn_main.py", "--momentum", 0.5) == "nn_main.py: --momentum goes with --batch only"
    assert "'1' is not a number of at least 0 and below 1" in fail("nn_main.py", "--batch", 5, "--momentum", 1)


def constant_network(b1=1.0, b2=0.0):
    """A network of 144 inputs that gives every picture the same probability."""
    return {"W1": np.full((2, 144), 1e-9), "b1": np.full((2, 1), b1), "W2": np.full((1, 2), 1e-9),
            "b2": np.full((1, 1), b2)}


@pytest.mark.parametrize("network, reason", [
    (constant_network(b1=-1.0), "all units of layer 1 are off for every picture, so their gradient is 0 for ever;\n"),
    (constant_network(b2=-20.0), "every car is given a probability below 1e-5, or every other picture one above"),
    (constant_network(b2=20.0), "every car is given a probability below 1e-5, or every other picture one above"),
    (constant_network(b2=-0.4), "the cost has not left its first plateau; train for more --iterations"),
    (constant_network(b2=0.4), "the cost has not left its first plateau; train for more --iterations")])
def test_a_network_that_learned_nothing_is_named_with_the_reason(network, reason, trained, photos, tmp_path):
    save_parameters(tmp_path / "p.npy", network, [])
    common = ["--data", trained / "small.h5", "--figures", tmp_path / "f"]
    said = f"{tmp_path / 'p.npy'}: nothing was learned, every training picture gets the same verdict:\n{reason}"
    assert succeed("pruning.py", *common, "--parameters", tmp_path / "p.npy", "--steps", 1, "--out",
                   tmp_path / "o").startswith(said)
    assert said in succeed("prun_parameters.py", *common, "--parameters", tmp_path / "p.npy", "--pruned",
                           tmp_path / "p.npy", "--photos", photos)
    text = succeed("nn_main.py", *common, "--start", tmp_path / "p.npy", "--iterations", 1, "--out", tmp_path / "o")
    assert f"parameters.npy: nothing was learned, every training picture gets the same verdict:\n{reason}" in text
    assert "--seed" not in text and "--init" not in text  # which do not go with --start


@pytest.mark.parametrize("options, advice", [
    (("--init", "he", "--layers", 6, 4, "--learning-rate", 1, "--seed", 2), "smaller --learning-rate"),
    (("--init", "he", "--layers", 6, 4, "--learning-rate", 1e6), "smaller --learning-rate"),
    (("--learning-rate", 5), "smaller --learning-rate"),
    (("--seed", 2), "another --seed, or with --init he"), (("--seed", 14), "another --seed, or with --init he"),
    (("--init", "he", "--learning-rate", 1e-6), "more --iterations, or with a larger --learning-rate"),
    ((), "more --iterations, or with --init he")])
def test_the_advice_is_what_would_have_helped_and_was_not_given(small_data, tmp_path, options, advice):
    command = ("nn_main.py", "--data", small_data, "--iterations", 300)
    text = succeed(*command, *options, cwd=tmp_path)
    said = text[text.index("out/parameters.npy: nothing was learned"):text.index("network saved")]
    assert said.endswith(f"{advice}\n")
    assert succeed("pruning.py", "--data", small_data, "--steps", 1, "--iterations", 1, cwd=tmp_path).startswith(said)


def test_of_other_networks_nothing_is_said(small_data):
    X, Y = load_data(small_data)[:2]
    assert nn_main.why_nothing_learned(X, Y, network_that_says_car_above(100)) is None
    assert nn_main.why_nothing_learned(X, np.ones_like(Y), constant_network()) is None  # all pictures show a car


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
    assert finished.returncode == 0 and "every label in y_train is 0" in finished.stdout
