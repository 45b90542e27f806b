"""The committed data and results: made by what is committed, and agreeing with each other."""

import h5py
import numpy as np
import pytest

import nn_functions as nn
import nn_main
import nn_test
import prun_mask
import prun_parameters
import pruning
from datasets.networks import load_parameters
from datasets.npy import load_dict
from datasets.photos import find_photos, read_picture
from datasets.pictures import load_data, scale_pictures

from .conftest import ROOT, succeed
from .test_prun_mask import DEGREES

pytestmark = pytest.mark.usefixtures("light_figures")


def test_data_set_is_made_of_the_committed_pictures(tmp_path):
    succeed("datasets.make_carvnocar", "--out", tmp_path / "again.h5")
    with h5py.File(tmp_path / "again.h5") as again, h5py.File(ROOT / "datasets" / "carvnocar.h5") as committed:
        assert set(again) == set(committed) == {"X_train", "y_train", "X_test", "y_test"}
        for name in again:
            assert again[name].dtype == committed[name].dtype and np.array_equal(again[name][()], committed[name][()])
        assert committed["X_train"].shape == (181, 45, 80, 3) and committed["X_test"].shape == (60, 45, 80, 3)
        assert committed["y_train"].shape == (181, 1) and committed["y_test"].shape == (60, 1)


def test_committed_training_is_the_default_one():
    X, Y, _, _ = load_data(ROOT / "datasets" / "carvnocar.h5")
    costs = np.array(load_dict(ROOT / "datasets" / "parameters.npy")["costs"])
    start = nn.initialize_parameters((10800, 5, 4, 3, 2, 1), 1)
    _, first_costs = nn.gradient_descent(X, Y, start, 0.0035, 20)
    assert costs.shape == (40000,) and np.allclose(costs[:20], first_costs, rtol=0, atol=1e-12)
    trained = load_parameters(ROOT / "datasets" / "parameters.npy", 10800)
    change = (trained["W1"] - start["W1"]).T  # every gradient is a sum of pictures
    assert np.abs(change - X @ np.linalg.lstsq(X, change)[0]).max() < 1e-12
    assert np.diff(costs).max() <= 1e-6 and 0 <= costs[-1] - nn.compute_cost(nn.predict(X, trained), Y) < 1e-6
    assert set(load_dict(ROOT / "datasets" / "data.npy")) >= {"learning_rate", "times"}


def test_committed_pruning_keeps_the_accuracy():
    data = load_data(ROOT / "datasets" / "carvnocar.h5")
    before = load_parameters(ROOT / "datasets" / "parameters.npy", 10800)
    after = load_parameters(ROOT / "datasets" / "prun_parameter" / "prun_parameters39.npy", 10800)
    record = load_dict(ROOT / "datasets" / "degree_costs.npy")
    assert record["degree"] == pytest.approx(DEGREES, abs=1e-9) and record["degree"][-1] == prun_mask.degree(after)
    found = nn.evaluate(data, after)
    assert found.train_accuracy >= 97 and found.test_accuracy >= nn.evaluate(data, before).test_accuracy - 5
    assert record["test_accuracy"][-1] == found.test_accuracy
    assert record["costs"][-1] == pytest.approx(found.cost, abs=1e-9)


def every_input():
    """All pictures of the data set and all demo photos, in columns."""
    X, _, X_test, _ = load_data(ROOT / "datasets" / "carvnocar.h5")
    photos = [read_picture(path, (45, 80, 3)) for path in find_photos([ROOT / "photos_demo"])[0]]
    return np.hstack([X, X_test, scale_pictures(np.array(photos))])


def test_export_and_compact_of_the_committed_network_classify_as_it_does(tmp_path):
    dense, exported = ROOT / "datasets" / "prun_parameter" / "prun_parameters39.npy", tmp_path / "small.npz"
    succeed("prun_parameters.py", "--export", exported, "--figures", tmp_path)
    assert dense.stat().st_size > 10 * exported.stat().st_size
    X = every_input()
    classified = [nn.predict(X, load_parameters(path, 10800)) > 0.5 for path in (dense, exported)]
    assert X.shape[1] == 181 + 60 + 27 and np.array_equal(*classified)
    assert_compact_is_the_same(X, dense)


def assert_compact_is_the_same(X, path):
    parameters = load_parameters(path, 10800)
    pixels, small = prun_mask.compact(parameters)
    assert len(pixels) < 7000 and np.abs(nn.predict(X[pixels], small) - nn.predict(X, parameters)).max() <= 1e-12


def test_compact_of_the_original_network(original):
    assert_compact_is_the_same(every_input(), original / "prun_parameters39.npy")


def test_defaults_are_the_recorded_experiment():
    assert (nn_main.LAYERS, nn_main.LEARNING_RATE, nn_main.ITERATIONS, nn_main.SEED) == ([5, 4, 3, 2], 0.0035, 40000, 1)
    assert (pruning.PERCENT, pruning.STEPS, pruning.LEARNING_RATE, pruning.ITERATIONS) == (5, 39, 0.005, 220)
    for script, options in ((nn_main, ("DATA", "OUT", "FIGURES")), (pruning, ("DATA", "PARAMETERS", "OUT", "FIGURES")),
                            (nn_test, ("DATA", "PARAMETERS", "FIGURES")),
                            (prun_parameters, ("DATA", "PARAMETERS", "PRUNED", "PHOTOS", "FIGURES"))):
        assert all((ROOT / getattr(script, option)).exists() for option in options)
