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

from .conftest import assert_figure, call, contents, fail, network_that_says_car_above, succeed

pytestmark = pytest.mark.usefixtures("light_figures")
SIZES = (144, 5, 4, 3, 2, 1)


def assert_saved(folder, expected, costs):
    saved = load_dict(folder / "parameters.npy")
    assert list(saved) == [*expected, "costs"] and np.array_equal(saved["costs"], costs)
    assert all(np.array_equal(saved[name], value) for name, value in expected.items())


def test_the_saved_network_is_that_of_gradient_descent_with_how_it_was_trained(trained):
    data = load_data(trained / "small.h5")
    expected, costs = nn.gradient_descent(data.X_train, data.Y_train, nn.initialize_parameters(SIZES, 1), 0.05, 1500)
    assert_saved(trained / "out", expected, costs)
    saved = load_dict(trained / "out" / "data.npy")
    assert saved["learning_rate"] == 0.05 and saved["times"] > 0 and np.array_equal(saved["costs"], costs)
    assert (saved["init"], saved["seed"], saved["layers"]) == ("original", 1, [5, 4, 3, 2])
    assert saved["data"] == hashlib.sha256((trained / "small.h5").read_bytes()).hexdigest()


def test_it_prints_the_data_the_network_and_the_result(trained):
    text = (trained / "nn_main.py.txt").read_text()
    assert "training pictures: 20, of which 10 show a car" in text and "test pictures: 8" in text
    assert "6 x 8 pixels x 3 colours = 144" in text and "144 -> 5 -> 4 -> 3 -> 2 -> 1" in text
    data, parameters = load_data(trained / "small.h5"), load_parameters(trained / "out" / "parameters.npy", 144)
    _, train_accuracy, test_accuracy = nn.evaluate(data, parameters)
    assert f"train accuracy: {train_accuracy:.2f} %" in text and f"test accuracy: {test_accuracy:.2f} %" in text
    costs = load_dict(trained / "out" / "parameters.npy")["costs"]
    assert f"cost: {costs[0]:.8f} at first, {costs[-1]:.8f} at last" in text
    assert_figure(trained / "figure" / "cost.png")


def test_the_figure_shows_the_costs_and_what_chance_costs(monkeypatch):
    figures = []
    monkeypatch.setattr(drawing, "save_figure", lambda figure, path, show: figures.append(figure))
    nn_main.draw_costs(np.array([3.0, 2, 1]), np.array([[0, 1, 1, 1]]), 0.5, "cross-entropy", "path")
    (axes,) = figures[0].axes
    curve, plateau = axes.lines
    assert list(curve.get_ydata()) == [3, 2, 1] and axes.get_ylabel() == "cost (cross-entropy)"
    assert plateau.get_ydata()[0] == pytest.approx(-0.75 * np.log(0.75) - 0.25 * np.log(0.25), abs=1e-4)


@pytest.mark.parametrize("options, sizes, descent, settings", [
    (["--layers", 6, 2, "--seed", 3, "--init", "he"], (144, 6, 2, 1), nn.gradient_descent, {}),
    (["--l1", 0.02], SIZES, nn.gradient_descent, {"l1": 0.02}),
    (["--batch", 6, "--momentum", 0.5, "--l2", 0.01, "--seed", 3], SIZES, nn.minibatch_descent,
     {"batch": 6, "momentum": 0.5, "l2": 0.01, "seed": 3})])
def test_options_are_passed_on(small_data, tmp_path, options, sizes, descent, settings):
    text = succeed("nn_main.py", "--data", small_data, "--iterations", 30, "--out", tmp_path, *options)
    data, start = load_data(small_data, scale="--batch" not in options), nn.initialize_parameters(sizes, 3)
    if "he" in options:
        random, start = np.random.RandomState(3), {}
        for l, (columns, rows) in enumerate(zip(sizes, sizes[1:]), start=1):
            start[f"W{l}"], start[f"b{l}"] = random.randn(rows, columns) * (2 / columns) ** 0.5, np.zeros((rows, 1))
    elif "--seed" not in options:
        start = nn.initialize_parameters(sizes, 1)
    expected, costs = descent(data.X_train, data.Y_train, start, 0.0035, 30, **settings)
    assert_saved(tmp_path, expected, costs)
    name = "cost and penalty" if "l1" in settings or "l2" in settings else "cost"
    assert f"\n{name}: {costs[0]:.8f} at first" in text
    assert data.X_train.dtype == (np.uint8 if "--batch" in options else float)


def test_start_trains_on(trained, tmp_path):
    command = ["nn_main.py", "--data", trained / "small.h5", "--learning-rate", 0.05]
    succeed(*command, "--iterations", 1000, "--out", tmp_path / "half")
    start = tmp_path / "half" / "parameters.npy"
    text = succeed(*command, "--iterations", 500, "--out", tmp_path / "whole", "--start", start)
    assert text.startswith(f"network: {start}, to train on\n")
    whole, at_once = (load_parameters(f"{folder}/parameters.npy", 144) for folder in (tmp_path / "whole",
                                                                                     trained / "out"))
    assert all(np.allclose(whole[name], at_once[name], rtol=0, atol=1e-12) for name in at_once)
    assert "do not go with --start" in fail(*command, "--seed", 1, "--start", start)


@pytest.mark.parametrize("b2, nothing", [(0.1, True), (-0.1, True), (-10 * 100 / 255, False)])
def test_a_network_that_learned_nothing_is_named(b2, nothing, trained, tmp_path):
    network = network_that_says_car_above(100) if not nothing else {
        "W1": np.zeros((2, 144)), "b1": np.ones((2, 1)), "W2": np.zeros((1, 2)), "b2": np.full((1, 1), b2)}
    save_parameters(tmp_path / "p.npy", network, [])
    common = ["--data", trained / "small.h5", "--figures", tmp_path / "f"]
    said = "p.npy: nothing was learned, one class is predicted for every training picture;\ntrain with --init he, "
    for script, options in (("pruning.py", ["--parameters", tmp_path / "p.npy", "--steps", 1]),
                            ("nn_main.py", ["--start", tmp_path / "p.npy", "--iterations", 1])):
        text = succeed(script, *common, *options, "--out", tmp_path / "out")
        assert (said.replace("p.npy", "out/parameters.npy" if script == "nn_main.py" else "p.npy") in text) == nothing
    data = load_data(trained / "small.h5")
    assert not nn_main.predicts_one_class(data.X_train, np.ones((1, 20)), network)  # all pictures show a car


def test_numbers_that_go_bad_stop_it_and_overwrite_nothing(small_data, tmp_path):
    (tmp_path / "parameters.npy").write_bytes(b"old")
    before = contents(tmp_path)
    line = fail("nn_main.py", "--data", small_data, "--learning-rate", 1e200, "--out", tmp_path)
    assert line.startswith("nn_main.py: the cost is nan at iteration ")
    assert line.endswith("; try a smaller learning rate") and contents(tmp_path) == before


def test_the_network_is_saved_before_it_is_evaluated(small_data, tmp_path, monkeypatch):
    """An evaluation that runs out of memory loses no training."""
    def out_of_memory(*_):
        raise MemoryError("Unable to allocate 93.8 MiB")

    monkeypatch.setattr(nn, "evaluate", out_of_memory)
    finished = call("nn_main.py", "--data", small_data, "--iterations", 20, "--out", tmp_path)
    assert finished.returncode == 2 and finished.stderr.startswith("nn_main.py: Unable to allocate 93.8 MiB")
    assert f"network saved: {tmp_path}/parameters.npy\n" in finished.stdout
    data = load_data(small_data)
    assert_saved(tmp_path, *nn.gradient_descent(data.X_train, data.Y_train, nn.initialize_parameters(SIZES, 1), 0.0035,
                                                20))


def test_a_network_that_was_trained_otherwise_is_moved_and_one_trained_alike_replaced(small_data, tmp_path):
    command = ("nn_main.py", "--data", small_data, "--out", tmp_path / "o", "--iterations", 20)
    assert "held another network" not in succeed(*command) + succeed(*command)
    before = {name: (tmp_path / "o" / name).read_bytes() for name in ("parameters.npy", "data.npy")}
    moved = f"{tmp_path}/o: held another network, which is now in {tmp_path}/o/trained_1\n"
    assert moved in succeed(*command, "--seed", 2)
    assert {path.name: path.read_bytes() for path in (tmp_path / "o" / "trained_1").iterdir()} == before
