"""The paper's claims on LeNet-300-100: how they are decided, and what their numbers are."""

import re

import numpy as np
import pytest

import nn_functions as nn
import prun_mask
from figure import claims, digits

from .conftest import assert_figure, contents
from .test_mnist import write_mnist


@pytest.mark.parametrize("numbers, words", [([0.1, 0.2], "holds"), ([-0.1, -0.2], "does not hold"),
                                            ([0.1, -0.2], "too close to call"), ([0, 1], "too close to call"),
                                            ([np.nan, np.nan], "too close to call")])
def test_the_rule_that_decides_a_claim(numbers, words):
    assert claims.verdict(numbers) == words


def test_masks_keep_a_share_of_each_layer_and_three_times_as_much_of_the_last():
    parameters = nn.initialize_parameters(digits.SIZES, 1, "he")
    masks = claims.keep_share(parameters, 0.1)
    assert [int(masks[f"W{l}"].sum()) for l in (1, 2, 3)] == [23520, 3000, 300]
    weakest = claims.keep_share(parameters, 0.1, ["W2"], strength=lambda W: 1 / np.abs(W))
    assert list(weakest) == ["W2"] and not (weakest["W2"] & masks["W2"]).any()
    pruned = prun_mask.apply_masks(parameters, claims.keep_share(parameters, 0.05))
    assert (claims.keep_share(pruned, 0.1)["W1"] == (pruned["W1"] != 0)).all()


def test_where_the_fall_begins_and_the_commonest_magnitude():
    assert claims.fall_share(np.array([1.5, 1.6, 2.1, 3, 4, 5, 6]), 1.55) == 0.2
    assert claims.fall_share(np.array([1.5] * 7), 1.55) == 0
    W = np.concatenate([np.linspace(-1, 1, 50), np.full(30, 0.52), np.zeros(100)])
    assert claims.commonest_magnitude(W) == pytest.approx(0.52, abs=0.03)


def test_neurons_without_outputs_keep_their_weights_unless_l2_takes_them(tmp_path):
    write_mnist(tmp_path / "mnist", 60, 20)
    lab = claims.Lab(tmp_path / "mnist", 0, 1, 1, 2)
    trained = lab.train()
    trained["W2"][:, :50] *= 1e-3  # these units of layer 1 will have no outputs
    with_l2 = lab.retrain(trained, claims.keep_share(trained, claims.SHARES[-1]), l2=0.5)
    assert 10 < claims.neurons_number(lab, trained, with_l2) <= 100


def test_claims_prints_each_line_and_each_claim(tmp_path, capsys):
    write_mnist(tmp_path / "mnist", 60, 20)
    texts = []
    for out in (tmp_path / "a", tmp_path / "b"):
        claims.study(tmp_path / "mnist", out, (1, 2), 1, 1)
        texts.append(capsys.readouterr().out.replace(str(out), ""))
    assert texts[0] == texts[1] and contents(tmp_path / "a") == contents(tmp_path / "b")
    assert all(f"| {line} | " in texts[0] for line in claims.LINES)
    assert all(f"| {claim.where} | {claim.text} | {claim.number} | " in texts[0] for claim in claims.CLAIMS.values())
    assert len(re.findall(r"\*\*(holds|does not hold|too close to call)\*\*", texts[0])) == len(claims.CLAIMS)
    assert_figure(tmp_path / "a" / "claims.png")


def test_a_claims_numbers_are_differences_of_errors(tmp_path):
    write_mnist(tmp_path / "mnist", 60, 20)
    result = claims.run(tmp_path / "mnist", 0, 1, 1, 1)
    lab = claims.Lab(tmp_path / "mnist", 0, 1, 1, 1)
    trained = network = lab.train(l2=6e-4)
    assert result["unpruned"]["L2"] == lab.error(trained)
    for share, at_once, iterative in zip(claims.SHARES, result["L2, with retraining"], result["L2, iterative"]):
        assert at_once == lab.error(lab.retrain(trained, claims.keep_share(trained, share), l2=6e-4))
        network = lab.retrain(network, claims.keep_share(network, share), l2=6e-4)
        assert iterative == lab.error(network)
    for name, worse, better in (("retraining", "L2, without retraining", "L2, with retraining"),
                                ("iterative", "L2, with retraining", "L2, iterative")):
        assert result[name] == pytest.approx(np.mean(result[worse] - result[better]))
