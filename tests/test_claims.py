"""The paper's claims on LeNet-300-100: how they are decided, and what their numbers are."""

import numpy as np
import pytest

import nn_functions as nn
import prun_mask
from figure import claims, digits

from .conftest import assert_figure, contents
from .test_mnist import write_mnist


@pytest.fixture
def lab(tmp_path):
    write_mnist(tmp_path / "mnist", 60, 20)
    return claims.Lab(tmp_path / "mnist", 0, 1, 1, 2)


def results_with(*seeds):
    """What `claims.run` would return for seeds; each is a dict from (line, share) to how many digits of 1000 are wrong.
    """
    return [({name: np.arange(1000) < number for name, number in wrong.items()}, {}, {}) for wrong in seeds]


# ------------------------------------------------------------------------------------------------ how it is decided

@pytest.mark.parametrize("numbers, words", [([0.1, 0.2], "holds"), ([-0.1, -0.2], "does not hold"),
                                            ([0.1, -0.2], "too close to call"), ([0, 1], "too close to call"),
                                            ([np.nan, np.nan], "too close to call")])
def test_the_rule_that_decides_a_claim(numbers, words):
    assert claims.verdict(numbers) == words


def test_a_number_is_a_difference_of_errors_and_a_small_one_has_an_interval():
    share = claims.TWELVE_TIMES
    networks = ("unpruned, trained as long", 1), ("L2, iterative", share)
    (numbers, interval, words), = claims.judge("slightly better", results_with(
        *(dict(zip(networks, pair)) for pair in ((30, 20), (25, 22)))))
    assert numbers == pytest.approx([1, 0.3]) and interval is None and words == "holds"
    (numbers, interval, words), = claims.judge("slightly better", results_with(
        *(dict(zip(networks, pair)) for pair in ((21, 20), (21, 20)))))
    assert numbers == pytest.approx([0.1, 0.1])  # one digit: another draw of digits may not have it
    assert interval[0] == 0 and words == "too close to call"
    free = {("unpruned", 1): 20, ("L2, without retraining", 0.5): 20}
    (numbers, interval, words), = claims.judge("half", results_with(free, free))
    assert numbers == pytest.approx([0, 0]) and interval == pytest.approx([0, 0]) and words == "holds"
    worse = {("unpruned", 1): 20, ("L2, without retraining", 0.5): 22}  # by 0.2 points, and 0.1 are free
    assert claims.judge("half", results_with(worse, worse))[0][2] == "does not hold"


def test_the_interval_is_that_of_the_mean_over_digits():
    differences = np.random.default_rng(0).integers(-1, 2, (3, 10000)) * 100.0
    low, high = claims.bootstrap(differences)
    of_digits = differences.mean(axis=0)
    assert (low + high) / 2 == pytest.approx(of_digits.mean(), abs=0.1)
    assert high - low == pytest.approx(2 * 1.96 * of_digits.std() / 100, rel=0.1)


def test_verdicts_that_differ_are_named_with_their_shares():
    claim = claims.CLAIMS["iterative"]
    assert claims.verdicts_by_share(claim, ["holds"] * 6) == "**holds**"
    assert (claims.verdicts_by_share(claim, ["does not hold", "holds", "holds", "does not hold", "holds", "holds"])
            == "**does not hold** at 33%, 8%; **holds** at 20%, 12%, 5%, 3%")


# ------------------------------------------------------------------------------------------------------- the masks

def test_masks_keep_a_share_of_each_layer_and_three_times_as_much_of_the_last():
    parameters = nn.initialize_parameters(digits.SIZES, 1, "he")
    masks = claims.keep_share(parameters, 0.1)
    assert [int(masks[f"W{l}"].sum()) for l in (1, 2, 3)] == [23520, 3000, 300]
    weakest = claims.keep_share(parameters, 0.1, strength=lambda W: 1 / np.abs(W))
    assert not (weakest["W2"] & masks["W2"]).any()
    pruned = prun_mask.apply_masks(parameters, claims.keep_share(parameters, 0.05))
    assert (claims.keep_share(pruned, 0.1)["W1"] == (pruned["W1"] != 0)).all()


def test_thresholds_by_standard_deviations_keep_as_many_and_are_the_same_multiple_in_each_layer():
    parameters = nn.initialize_parameters(digits.SIZES, 1, "he")
    parameters["W2"][:50] *= 3  # heavier tails than in the other layers: more of it is kept
    masks = claims.keep_by_deviations(parameters, 0.1)
    assert sum(mask.sum() for mask in masks.values()) == 23520 + 3000 + 300
    assert masks["W2"].mean() > masks["W1"].mean()
    quality = [np.abs(parameters[name][mask]).min() / parameters[name].std() for name, mask in masks.items()]
    assert np.ptp(quality) < 0.02
    for name, mask in masks.items():
        assert np.abs(parameters[name][~mask]).max() < np.abs(parameters[name][mask]).min()


# ------------------------------------------------------------------------------------------------- the experiments

def test_inputs_of_neurons_without_outputs_are_counted_apart():
    trained = nn.initialize_parameters(digits.SIZES, 1, "he")
    trained["W2"][:, :50] *= 1e-3  # these units of layer 1 will have no outputs
    masks = claims.keep_share(trained, claims.AT)
    assert not masks["W2"][:, :50].any()
    shrunk = prun_mask.apply_masks(trained, masks)
    shrunk["W1"][:50] *= 1e-3  # as L2 would do
    unused = ~masks["W2"].any(axis=0), ~masks["W3"].any(axis=0)
    shrunk["W1"][unused[0]] *= 1e-3
    shrunk["W2"][unused[1]] *= 1e-3
    numbers = claims.neurons(masks, shrunk, prun_mask.apply_masks(trained, masks))
    kept, = numbers["neurons"]
    assert 55 < kept < 100  # none of theirs is kept, and more than 3 of 5 of the others'
    assert 40 < numbers["regularisation"][0] <= 100


def test_where_the_fall_begins():
    wrong = {("unpruned", 1): 20}
    for line, numbers in (("L2, without retraining", (20, 21, 26, 40, 50, 60, 70)),
                          ("L2, with retraining", (19, 20, 20, 21, 22, 24, 26))):
        wrong |= {(line, share): number for share, number in zip(claims.SHARES, numbers)}
    assert claims.falls(results_with(wrong)[0][0]) == {"fall": [20 - 3], "fall without": [20], "fall with": [3]}


def test_the_surviving_weights_spread():
    before = np.linspace(-1, 1, 101)
    spreads = claims.spreads(before, 2 * before)
    assert spreads["hills"][0] == pytest.approx(before.std()) and spreads["tails"][0] == pytest.approx(1)


def test_controls_are_trained_for_as_many_epochs(lab, monkeypatch):
    trained, numbers = lab.train(), []

    def descent(X, Y, parameters, learning_rate, iterations, *masks, **settings):
        numbers.append(iterations)
        return parameters, []

    monkeypatch.setattr(nn, "minibatch_descent", descent)
    lab.epochs, lab.retraining_epochs = 10, 3  # an epoch of 60 digits is one iteration
    claims.starts(lab, trained)
    assert numbers == [13, 13, 3]  # new and rewound weights; random masks
    del numbers[:]
    claims.lines(lab, {"L1": trained, "L2": trained})
    iterative = claims.SHARES.index(claims.TWELVE_TIMES) + 1
    assert numbers.count(10 + 3 * iterative) == 1  # unpruned
    assert [n for n in numbers if n != 3] == [6, 9, 12, 15, 18, 21, 10 + 3 * iterative]  # at once


def test_the_lines_are_what_they_are_called(lab):
    trained = {kind: lab.train(**penalty) for kind, penalty in claims.PENALTIES.items()}
    networks, network = claims.lines(lab, trained), trained["L2"]
    for share in claims.SHARES:
        at_once = lab.retrain(trained["L2"], claims.keep_share(trained["L2"], share), l2=6e-4)
        network = lab.retrain(network, claims.keep_share(network, share), l2=6e-4)
        for line, expected in (("L2, with retraining", at_once), ("L2, iterative", network)):
            assert all((networks[line, share][name] == value).all() for name, value in expected.items())


def test_claims_prints_each_line_and_each_claim(tmp_path, capsys):
    write_mnist(tmp_path / "mnist", 60, 20)
    texts = []
    for out in (tmp_path / "a", tmp_path / "b"):
        claims.study(tmp_path / "mnist", out, (1, 2), 1, 1)
        texts.append(capsys.readouterr().out.replace(str(out), ""))
    assert texts[0] == texts[1] and contents(tmp_path / "a") == contents(tmp_path / "b")
    assert all(f"| {line} | " in texts[0] for line in (*claims.WITHOUT, *claims.WITH, "dropout D_r", "first weights"))
    for name, claim in claims.CLAIMS.items():
        assert f"- {claim.where}: {claim.text}:\n  **" in texts[0] and f"\n  (`{name}`: {claim.number})\n" in texts[0]
        assert texts[0].count(f"| `{name}` | ") == len(claim.shares)
    *lines, _, _ = texts[0][texts[0].index("- 3: "):].splitlines()  # without those of the two figures
    assert max(map(len, lines)) <= 100
    for name in ("claims.png", "claims_layers.png"):
        assert_figure(tmp_path / "a" / name)
