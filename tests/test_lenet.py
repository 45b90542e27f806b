"""LeNet-300-100 on MNIST: what is measured, against a version written out, and the network that is committed."""


import numpy as np
import pytest
import threadpoolctl

import nn_functions as nn
import prun_mask
from datasets.mnist import load_mnist
from datasets.networks import load_parameters
from figure import digits, lenet, lenet_grid

from .conftest import ROOT, assert_figure, contents, fail, run
from .test_mnist import write_mnist

TRAINING = digits.Stage((), 1, 0.1, 20, 1e-4)
RETRAINING = (digits.Stage((0.5, 0.2), 1, 0.1, 16, 1e-4), digits.Stage((0.04,), 2, 0.05, 30, 0))
CONTROLS = {0.2: (5, 4), 0.04: (3, 3)}


@pytest.fixture
def folder(tmp_path):
    """Of a few digits of noise."""
    write_mnist(tmp_path / "mnist", 60, 20)
    return tmp_path / "mnist"


def test_a_share_is_kept_of_each_layer_by_its_factor():
    parameters = nn.initialize_parameters(digits.SIZES, 1, "he")
    masks = digits.keep_share(parameters, 0.1, lenet.LAYER_FACTORS)
    assert [int(masks[f"W{l}"].sum()) for l in (1, 2, 3)] == [18816, 7200, 1000]  # 8 %, 24 %, and all
    assert np.abs(parameters["W1"][masks["W1"]]).min() > np.abs(parameters["W1"][~masks["W1"]]).max()
    few = digits.keep_share(parameters, 0.002, lenet.LAYER_FACTORS)
    assert all(np.array_equal(mask, prun_mask.without_dead_neurons(few)[name]) for name, mask in few.items())


def descend(data, parameters, epochs, batch, rate, l2, masks=None, dropout=(0.25, 0.1), m=60):
    rates = nn.half_cosine(rate, epochs * -(-m // batch))
    return nn.minibatch_descent(data.X_train, data.Y_train, parameters, rates, len(rates), masks, batch=batch,
                                momentum=0.9, l2=l2, dropout=dropout, seed=3)[0]


def first(sizes=digits.SIZES):
    return {k: v.astype(np.float32) for k, v in nn.initialize_parameters(sizes, 3, "he").items()}


@pytest.mark.parametrize("name, rate, l2, factors", [
    ("nothing", 0.1, 1, (0.8, 2.4, 25)), ("rate of retraining 0.3", 0.3, 1, (0.8, 2.4, 25)),
    ("L2 halved", 0.1, 0.5, (0.8, 2.4, 25)), ("layers keep 0.6, 3.6, 36 times the share", 0.1, 1, (0.6, 3.6, 36))])
def test_the_grid_changes_one_setting_and_judges_by_held_out_digits(folder, monkeypatch, name, rate, l2, factors):
    monkeypatch.setattr(lenet_grid, "HELD_OUT", 15)
    monkeypatch.setattr(lenet_grid, "SEED", 3)
    data = load_mnist(folder, 15)
    points = lenet_grid.run(folder, TRAINING, RETRAINING, (0.2,), name)
    assert len(points) == 3  # unpruned, and the shares down to 0.2
    network = descend(data, first(), 1, 20, 0.1, l2 * 1e-4, m=45)
    for share in (0.5, 0.2):
        masks = digits.keep_share(network, share, factors)
        network = descend(data, prun_mask.apply_masks(network, masks), 1, 16, rate, l2 * 1e-4, masks, m=45)
    assert points[-1] == digits.measure(data, network)


@pytest.mark.parametrize("line, low", [("iterative", 1), ("low rate", None)])
def test_a_run_is_training_and_then_pruning_and_retraining(folder, line, low):
    result, data = lenet.run(folder, 0, TRAINING, RETRAINING, CONTROLS, (line, 3, None)), load_mnist(folder)
    expected = [descend(data, first(), 1, 20, 0.1, 1e-4)]
    for share, epochs, batch, rate, l2 in ((0.5, 1, 16, 0.1, 1e-4), (0.2, 1, 16, 0.1, 1e-4), (0.04, 2, 30, 0.05, 0)):
        masks = digits.keep_share(expected[-1], share, lenet.LAYER_FACTORS)
        rate = rate if low else 0.01  # a tenth of that of training
        expected.append(descend(data, prun_mask.apply_masks(expected[-1], masks), epochs, batch, rate, l2, masks))
    for point, network in zip(result.points, expected, strict=True):
        wrong = (nn.predict(data.X_test, network).argmax(axis=0) != data.Y_test.argmax(axis=0)).mean()
        assert point == (tuple((network[name] != 0).sum() for name in ("W1", "W2", "W3")), pytest.approx(100 * wrong))
    for network, parameters in zip(expected if low else [], result.parameters, strict=True):
        assert all(np.array_equal(network[name], parameters[name]) for name in network)
        assert {value.dtype for value in parameters.values()} == {np.dtype(np.float32)}
    assert digits.ratio(result.points[0]) == 1 and digits.ratio(result.points[-1]) > 20


def test_controls_have_as_many_epochs(folder):
    """The network at a share of 0.04 has had 1 epoch of training, and 1 + 1 + 2 of retraining."""
    data = load_mnist(folder)
    masks = digits.keep_share(trained := descend(data, first(), 1, 20, 0.1, 1e-4), 0.04, lenet.LAYER_FACTORS)
    expected = {"as long": descend(data, first(), 5, 20, 0.1, 1e-4),
                "one-shot": descend(data, prun_mask.apply_masks(trained, masks), 4, 30, 0.05, 0, masks),
                "as small": descend(data, first((784, 3, 3, 10)), 5, 20, 0.1, 1e-4, dropout=0)}
    for line, network in expected.items():
        result = lenet.run(folder, 0, TRAINING, RETRAINING, CONTROLS, (line, 3, 0.04))
        assert result == ([digits.measure(data, network)], [])


def test_the_small_dense_networks_have_as_few_weights():
    """Within one percent of what the pruned networks have left, 19767, 6609 and 2934 connections."""
    for hidden, left in zip(lenet.CONTROLS.values(), (19767, 6609, 2934), strict=True):
        sizes = (784, *hidden, 10)
        assert sum(a * b for a, b in zip(sizes, sizes[1:])) == pytest.approx(left, rel=0.01)


def test_held_out_digits_are_judged_and_the_test_digits_not_read(folder):
    for name in ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
        (folder / name).unlink()
    result = lenet.run(folder, 20, TRAINING, (), CONTROLS, ("iterative", 1, None))
    assert len(result.points) == 1 and round(result.points[0].error * 20 / 100, 6).is_integer()


def test_the_study_prints_draws_and_exports_the_same_twice(folder, tmp_path, capsys):
    texts = []
    for out in (tmp_path / "a", tmp_path / "b"):
        lenet.study(folder, out, out / "lenet.npz", (1, 2), TRAINING, RETRAINING, CONTROLS, 0.2)
        texts.append(capsys.readouterr().out.replace(str(out), ""))
    assert texts[0] == texts[1] and contents(tmp_path / "a") == contents(tmp_path / "b")
    assert "| 1.0 | 266200 | " in texts[0] and "| epochs | | 3 | 5 |" in texts[0]
    assert max(map(len, texts[0].splitlines())) <= 100
    exported = load_parameters(tmp_path / "a" / "lenet.npz", 784, 10)
    point = digits.measure(load_mnist(folder), exported)
    assert f"{(tmp_path / 'a' / 'lenet.npz').stat().st_size} bytes, error {point.error:.2f} %" in texts[0]
    with threadpoolctl.threadpool_limits(1, user_api="blas"):  # as in the study
        expected = lenet.run(folder, 0, TRAINING, RETRAINING, CONTROLS, ("iterative", 1, None)).parameters[2]
    assert all(np.array_equal(exported[name], expected[name]) for name in expected)
    for name in ("lenet.png", "lenet_pattern.png"):
        assert_figure(tmp_path / "a" / name)


def test_an_interrupted_study_goes_on_where_it_was(folder, tmp_path):
    def study(seeds):
        return run("figure.lenet", "--data", folder, "--figures", tmp_path, "--export", tmp_path / "lenet.npz",
                   "--seeds", seeds, "--cache", tmp_path / "cache")

    one = study(1)
    stored = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("output.pkl")}
    second = study(2)
    assert (one.returncode, second.returncode, one.stderr, second.stderr) == (0, 0, "", "") and len(stored) == 11
    assert all(path.stat().st_mtime_ns == time for path, time in stored.items())
    assert len(list((tmp_path / "cache").rglob("output.pkl"))) == 22
    assert study(2) == second


def test_what_is_wrong_is_told_before_the_work(folder, tmp_path):
    line = fail("figure.lenet", "--data", folder, "--figures", tmp_path / "f", "--export", tmp_path)
    assert line.startswith(f"lenet.py: {tmp_path}: ") and not (tmp_path / "f").exists()
    for study in ("figure.lenet", "figure.claims"):
        line = fail(study, "--data", tmp_path / "none", "--figures", tmp_path / "f")
        assert "python -m datasets.fetch_mnist" in line and not (tmp_path / "f").exists()


def test_the_committed_network_has_the_error_that_the_readme_says(mnist):
    path = ROOT / "datasets" / "lenet.npz"
    point = digits.measure(load_mnist(mnist), load_parameters(path, 784, 10))
    assert path.stat().st_size < 100_000
    for name in ("README.md", "figure/README.md"):
        page = " ".join((ROOT / name).read_text(encoding="utf-8").split())
        assert f"{sum(point.left):,} connections, {digits.ratio(point):.1f} times fewer" in page
        assert f"error of {point.error:.2f} %" in page and f"{path.stat().st_size:,} bytes" in page
