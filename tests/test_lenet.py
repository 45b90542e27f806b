"""The studies on MNIST: what they measure, against versions written out, and the network that is committed."""

import re

import numpy as np
import pytest

import nn_functions as nn
import prun_mask
from datasets import mnist
from datasets.networks import load_parameters
from figure import claims, digits, lenet

from .conftest import ROOT, assert_figure, contents, fail, succeed
from .test_mnist import write_mnist
from .test_studies import in_this_process  # noqa: F401, a fixture

MNIST = ROOT.parent / "shared" / "mnist"
TRAINING = lenet.Stage((), 1, 0.1, 20, 1e-4)
RETRAINING = (lenet.Stage((0.5, 0.2), 1, 0.1, 16, 1e-4), lenet.Stage((0.04,), 2, 0.05, 30, 0))
ONE_SHOT = lenet.Stage((0.2,), 1, 0.1, 16, 0)
SMALL = {"seeds": (1, 2), "training": TRAINING, "retraining": RETRAINING, "one_shot": ONE_SHOT}


@pytest.fixture
def folder(tmp_path):
    write_mnist(tmp_path / "mnist", 60, 20)
    return tmp_path / "mnist"


# ------------------------------------------------------------------------------------------------------------ lenet

def test_a_share_is_kept_of_each_layer_by_its_factor():
    parameters = nn.initialize_parameters(digits.SIZES, 1, "he")
    masks = lenet.masks_of_share(parameters, 0.1)
    assert [int(masks[f"W{l}"].sum()) for l in (1, 2, 3)] == [18816, 7200, 1000]  # 8 %, 24 %, and all
    for name, mask in masks.items():
        if not mask.all():
            assert np.abs(parameters[name][mask]).min() > np.abs(parameters[name][~mask]).max()
    few = lenet.masks_of_share(parameters, 0.002)
    assert all(np.array_equal(mask, prun_mask.without_dead_neurons(few)[name]) for name, mask in few.items())


def test_a_run_is_training_and_then_pruning_and_retraining(folder):
    result = lenet.run(folder, 0, TRAINING, RETRAINING, ONE_SHOT, 3)
    X, Y, X_test, Y_test = mnist.load_mnist(folder)
    rates = {(epochs, batch): nn.half_cosine(rate, epochs * -(-60 // batch))
             for epochs, rate, batch in ((1, 0.1, 20), (1, 0.1, 16), (2, 0.05, 30))}

    def descend(parameters, epochs, batch, l2, masks=None):
        rate = rates[epochs, batch]
        return nn.minibatch_descent(X, Y, parameters, rate, len(rate), masks, batch=batch, momentum=0.9, l2=l2,
                                    dropout=(0.25, 0.1), seed=3)[0]

    start = {k: v.astype(np.float32) for k, v in nn.initialize_parameters(digits.SIZES, 3, "he").items()}
    expected = [descend(start, 1, 20, 1e-4)]
    for share, epochs, batch, l2 in ((0.5, 1, 16, 1e-4), (0.2, 1, 16, 1e-4), (0.04, 2, 30, 0)):
        masks = lenet.masks_of_share(expected[-1], share)
        expected.append(descend(prun_mask.apply_masks(expected[-1], masks), epochs, batch, l2, masks))
    masks = lenet.masks_of_share(expected[0], 0.2)
    at_once = descend(prun_mask.apply_masks(expected[0], masks), 1, 16, 0, masks)
    for point, network, parameters in zip(result.iterative, expected, result.parameters, strict=True):
        assert all(np.array_equal(network[name], parameters[name]) for name in network)
        assert {value.dtype for value in parameters.values()} == {np.dtype(np.float32)}
        wrong = (nn.predict(X_test, network).argmax(axis=0) != Y_test.argmax(axis=0)).mean()
        assert point == (tuple((network[name] != 0).sum() for name in ("W1", "W2", "W3")), pytest.approx(100 * wrong))
    assert result.one_shot == [digits.measure(mnist.load_mnist(folder), at_once)]
    assert digits.ratio(result.iterative[0]) == 1 and digits.ratio(result.iterative[-1]) > 20


def test_held_out_digits_are_judged_and_the_test_digits_not_read(folder):
    for name in ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
        (folder / name).unlink()
    result = lenet.run(folder, 20, TRAINING, (), ONE_SHOT, 1)
    assert len(result.iterative) == 1 and round(result.iterative[0].error * 20 / 100, 6).is_integer()


def test_the_last_point_without_loss():
    points = [digits.Point((1,), error) for error in (1.5, 1.6, 1.5, 1.7, 1.4, 1.6)]
    assert lenet.furthest_without_loss(points) == 4 and lenet.furthest_without_loss(points[:2]) == 0


def test_the_study_prints_draws_and_exports_the_same_twice(folder, tmp_path, in_this_process):  # noqa: F811
    def study(out):
        return succeed("figure.lenet", "--data", folder, "--figures", out, "--export", out / "lenet.npz", **SMALL)

    text = study(tmp_path / "a")
    assert study(tmp_path / "b").replace("/b", "/a") == text and contents(tmp_path / "a") == contents(tmp_path / "b")
    assert len(re.findall(r"^seed \d: no loss up to", text, re.M)) == 2 and "| 1.0 | 266200 |" in text
    assert text.count("| dynamic network surgery | 56 | 1.99 % |") == 1
    exported = load_parameters(tmp_path / "a" / "lenet.npz", 784, 10)
    error = digits.measure(mnist.load_mnist(folder), exported).error
    assert f"{(tmp_path / 'a' / 'lenet.npz').stat().st_size} bytes, error {error:.2f} %" in text
    for name in ("lenet.png", "lenet_pattern.png"):
        assert_figure(tmp_path / "a" / name)


def test_an_export_that_cannot_be_written_is_told_before_the_work(folder, tmp_path):
    line = fail("figure.lenet", "--data", folder, "--figures", tmp_path / "f", "--export", tmp_path)
    assert line == f"lenet.py: {tmp_path}: is not a file that could be replaced"


def test_the_study_does_not_depend_on_the_number_of_processes(folder, tmp_path):
    texts = []
    for seeds in ((1,), (1, 2)):  # one process, and two
        text = succeed("figure.lenet", "--data", folder, "--figures", tmp_path, "--export", tmp_path / "lenet.npz",
                       **{**SMALL, "seeds": seeds})
        texts.append(re.search("^seed 1: .*", text, re.M)[0] + text[text.index("network exported"):])
    assert texts[0] == texts[1]


@pytest.mark.parametrize("study", ["figure.lenet", "figure.claims"])
def test_without_digits_one_line_says_how_to_get_them(study, tmp_path):
    line = fail(study, "--data", tmp_path / "none", "--figures", tmp_path / "figure")
    assert "python -m datasets.fetch_mnist" in line and not list(tmp_path.iterdir())


def test_the_committed_network_has_the_error_that_the_readme_says():
    if not MNIST.exists():
        pytest.skip("MNIST is not here: ../shared/mnist")
    path = ROOT / "datasets" / "lenet.npz"
    point = digits.measure(mnist.load_mnist(MNIST), load_parameters(path, 784, 10))
    assert path.stat().st_size < 100_000
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"{sum(point.left):,} connections, {digits.ratio(point):.1f} times fewer" in readme
    assert f"error of {point.error:.2f} %" in readme and f"{path.stat().st_size:,} bytes" in readme


# ----------------------------------------------------------------------------------------------------------- claims

@pytest.mark.parametrize("numbers, words", [([0.1, 0.2], "holds"), ([-0.1, -0.2], "does not hold"),
                                            ([0.1, -0.2], "too close to call"), ([0, 1], "too close to call"),
                                            ([np.nan, np.nan], "too close to call")])
def test_the_rule_that_decides_a_claim(numbers, words):
    assert claims.verdict(numbers) == words


def test_masks_keep_a_share_of_each_layer_and_three_times_as_much_of_the_last():
    parameters = nn.initialize_parameters(digits.SIZES, 1, "he")
    masks = claims.masks_of(parameters, 0.1)
    assert [int(masks[f"W{l}"].sum()) for l in (1, 2, 3)] == [23520, 3000, 300]
    weakest = claims.masks_of(parameters, 0.1, ["W2"], strength=lambda W: 1 / np.abs(W))
    assert list(weakest) == ["W2"] and not (weakest["W2"] & masks["W2"]).any()
    pruned = prun_mask.apply_masks(parameters, claims.masks_of(parameters, 0.05))
    assert (claims.masks_of(pruned, 0.1)["W1"] == (pruned["W1"] != 0)).all()


def test_where_the_fall_begins_and_the_commonest_magnitude():
    assert claims.fall_share(np.array([1.5, 1.6, 2.1, 3, 4, 5, 6]), 1.55) == 0.2
    assert claims.fall_share(np.array([1.5] * 7), 1.55) == 0
    W = np.concatenate([np.linspace(-1, 1, 50), np.full(30, 0.52), np.zeros(100)])
    assert claims.commonest_magnitude(W) == pytest.approx(0.52, abs=0.03)


def test_neurons_without_outputs_keep_their_weights_unless_l2_takes_them(folder):
    lab = claims.Lab(folder, 0, 1, 1, 2)
    trained = lab.train()
    trained["W2"][:, :50] *= 1e-3  # these units of layer 1 will have no outputs
    with_l2 = lab.retrain(trained, claims.masks_of(trained, claims.SHARES[-1]), l2=0.5)
    assert 10 < claims.neurons_number(lab, trained, with_l2) <= 100


def test_claims_prints_each_line_and_each_claim(folder, tmp_path, in_this_process):  # noqa: F811
    def study(out):
        return succeed("figure.claims", "--data", folder, "--figures", out, seeds=(1, 2), epochs=1, retraining_epochs=1)

    text = study(tmp_path / "a")
    assert study(tmp_path / "b").replace("/b", "/a") == text and contents(tmp_path / "a") == contents(tmp_path / "b")
    assert all(f"| {line} | " in text for line in claims.LINES)
    assert all(f"| {claim.where} | {claim.text} | {claim.number} | " in text for claim in claims.CLAIMS.values())
    assert len(re.findall(r"\*\*(holds|does not hold|too close to call)\*\*", text)) == len(claims.CLAIMS)
    assert_figure(tmp_path / "a" / "claims.png")


def test_a_claims_numbers_are_differences_of_errors(folder):
    result = claims.run(folder, 0, 1, 1, 1)
    lab = claims.Lab(folder, 0, 1, 1, 1)
    trained = lab.train(l2=6e-4)
    assert result["unpruned"]["L2"] == lab.error(trained)
    for share, error in zip(claims.SHARES, result["L2, with retraining"]):
        masks = claims.masks_of(trained, share)
        assert error == lab.error(lab.retrain(trained, masks, l2=6e-4))
    assert result["retraining"] == pytest.approx(np.mean(result["L2, without retraining"])
                                                 - np.mean(result["L2, with retraining"]))
    assert result["iterative"] == pytest.approx(np.mean(result["L2, with retraining"] - result["L2, iterative"]))
    network = trained
    for share, error in zip(claims.SHARES, result["L2, iterative"]):
        network = lab.retrain(network, claims.masks_of(network, share), l2=6e-4)
        assert error == lab.error(network)
