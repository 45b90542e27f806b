"""The committed data, results and README: made by what is committed, and agreeing with each other."""

import h5py
import numpy as np
import pytest

import nn_functions as nn
import prun_mask

from .conftest import ROOT, succeed
from .test_masks import DEGREES


def test_data_set_is_made_of_the_committed_pictures(tmp_path):
    succeed("-m", "datasets.make_carvnocar", "--out", tmp_path / "again.h5")
    with h5py.File(tmp_path / "again.h5") as again, h5py.File(ROOT / "datasets" / "carvnocar.h5") as committed:
        assert set(again) == set(committed) == {"X_train", "y_train", "X_test", "y_test"}
        for name in again:
            assert again[name].dtype == committed[name].dtype and np.array_equal(again[name][()], committed[name][()])
        assert committed["X_train"].shape == (181, 45, 80, 3) and committed["X_test"].shape == (60, 45, 80, 3)
        assert committed["y_train"].shape == (181, 1) and committed["y_test"].shape == (60, 1)


def test_committed_training_is_the_default_one():
    X, Y, _, _ = nn.load_data(ROOT / "datasets" / "carvnocar.h5")
    costs = np.array(nn.load_dict(ROOT / "datasets" / "parameters.npy")["costs"])
    start = nn.initialize_parameters((10800, 5, 4, 3, 2, 1), 1)
    _, first_costs = nn.gradient_descent(X, Y, start, 0.0035, 20)
    assert costs.shape == (40000,) and np.allclose(costs[:20], first_costs, rtol=0, atol=1e-12)
    assert np.diff(costs).max() <= 1e-6
    assert set(nn.load_dict(ROOT / "datasets" / "data.npy")) >= {"learning_rate", "times"}


def test_committed_pruning_keeps_the_accuracy():
    X, Y, X_test, Y_test = nn.load_data(ROOT / "datasets" / "carvnocar.h5")
    before = nn.load_parameters(ROOT / "datasets" / "parameters.npy", 10800)
    after = nn.load_parameters(ROOT / "datasets" / "prun_parameter" / "prun_parameters39.npy", 10800)
    record = nn.load_dict(ROOT / "datasets" / "degree_costs.npy")
    assert record["degree"] == pytest.approx(DEGREES, abs=1e-9) and record["degree"][-1] == 86.40586254117473
    assert prun_mask.degree(before) == 0 and prun_mask.degree(after) == 86.40586254117473
    test_accuracy = nn.accuracy(nn.predict(X_test, after), Y_test)
    assert nn.accuracy(nn.predict(X, after), Y) >= 97
    assert test_accuracy >= nn.accuracy(nn.predict(X_test, before), Y_test) - 5
    assert record["test_accuracy"][-1] == test_accuracy
    assert record["costs"][-1] == pytest.approx(nn.compute_cost(nn.predict(X, after), Y), abs=1e-9)


def test_readme_quotes_what_the_committed_run_prints(tmp_path):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    printed = succeed("prun_parameters.py", "--figures", tmp_path)
    assert printed[: printed.index("figure: ")].strip() in readme
