"""The paper's claims on LeNet-300-100: how they are decided, and what is compared."""

import numpy as np
import pytest
import threadpoolctl

import nn_functions as nn
import prun_mask
from datasets.mnist import load_mnist
from figure import claims, digits, drawing, results

from .conftest import ROOT, assert_figure, contents
from .test_mnist import write_mnist

CLAIM = {claim.text: claim for claim in claims.CLAIMS}


def rows_with(networks):
    """Rows of networks of two seeds; networks : from name and density to in how many of 100 groups one of 100 is wrong.
    """
    return [{"network": name, "density": density, "seed": seed,
             "error_by_group": " ".join("1" if i < number else "0" for i in range(100))}
            for (name, density), numbers in networks.items() for seed, number in enumerate(numbers, start=1)]


@pytest.mark.parametrize("numbers, word", [([0.1, 0.2], "holds"), ([-0.1, -0.2], "does not hold"),
                                           ([0.1, -0.2], "open"), ([0, 1], "open"), ([np.nan, np.nan], "open")])
def test_the_rule_that_decides_a_claim(numbers, word):
    assert claims.verdict(numbers) == word


@pytest.mark.parametrize("worse, better, numbers, low", [((30, 25), (20, 22), (0.10, 0.03), 0.03),
                                                         ((21, 21), (20, 20), (0.01, 0.01), 0)])
def test_a_number_is_a_difference_of_errors(worse, better, numbers, low):
    """Another draw of digits may not have the single one of the second case."""
    rows = rows_with({("unpruned, as long", 1): worse, ("L2, iterative", 0.08): better})
    found, ends = claims.numbers_of(CLAIM["pruned is better than unpruned, as long"], 0.08, rows)
    assert found == pytest.approx(numbers) and ends[0] == pytest.approx(low, abs=0.012) and ends[1] > np.mean(numbers)


def test_a_tenth_of_a_point_is_free():
    for wrong, word in ((29, "holds"), (80, "does not hold")):
        rows = rows_with({("unpruned", 1): (24, 25), ("L2, not retrained", 0.5): (wrong, wrong)})
        numbers, ends = claims.numbers_of(CLAIM["half can go, not retrained, for at most 0.1"], 0.5, rows)
        assert claims.verdict([*numbers, *ends]) == word


def test_the_interval_is_that_of_the_mean_over_digits():
    differences = 100.0 * np.random.default_rng(0).integers(-1, 2, (3, 10000))  # of three seeds
    low, high = claims.bootstrap(np.stack([differences[:, i::100].mean(axis=1) for i in range(100)], axis=1))
    of_digits = differences.mean(axis=0)
    assert (low + high) / 2 == pytest.approx(of_digits.mean(), abs=0.1)
    assert high - low == pytest.approx(2 * 1.96 * of_digits.std() / 100, rel=0.2)


def test_masks_keep_a_fraction_of_each_layer_and_three_times_as_much_of_the_last():
    parameters = nn.initialize_parameters(digits.SIZES, 1, "he")
    masks = claims.keep_fraction(parameters, 0.1)
    assert [int(masks[f"W{l}"].sum()) for l in (1, 2, 3)] == [23520, 3000, 300]
    weakest = claims.keep_fraction(parameters, 0.1, scores=lambda W: -np.abs(W))
    assert not (weakest["W2"] & masks["W2"]).any()
    pruned = prun_mask.apply_masks(parameters, claims.keep_fraction(parameters, 0.05))
    assert (claims.keep_fraction(pruned, 0.1)["W1"] == (pruned["W1"] != 0)).all()


def test_thresholds_by_standard_deviations_are_the_same_multiple_in_each_layer():
    parameters = nn.initialize_parameters(digits.SIZES, 1, "he")
    parameters["W2"][:50] *= 3  # heavier tails than in the other layers: more of it is kept
    masks = claims.keep_by_deviations(parameters, 0.1)
    assert sum(mask.sum() for mask in masks.values()) == 23520 + 3000 + 300
    assert masks["W2"].mean() > masks["W1"].mean()
    kept, pruned = ([np.abs(parameters[name][mask == is_kept] / parameters[name].std()) for name, mask in masks.items()]
                    for is_kept in (True, False))
    assert min(map(np.min, kept)) > max(map(np.max, pruned))


def test_inputs_of_neurons_without_outputs_are_counted_apart():
    masks = {"W1": np.ones((3, 4), bool), "W2": np.ones((2, 3), bool), "W3": np.ones((2, 2), bool)}
    masks["W2"][:, 0] = masks["W3"][:, 1] = False  # a unit of layer 1 has 4 inputs, one of layer 2 the others' 2
    after = {name: mask.copy() for name, mask in masks.items()}
    after["W1"][0, :3] = after["W1"][2] = False
    assert claims.kept_inputs(masks, after) == pytest.approx([100 * 3 / 6, 100 * 6 / 10])


def test_the_networks_are_what_they_are_called(tmp_path):
    write_mnist(tmp_path / "mnist", 60, 20)
    data, L1, L2 = load_mnist(tmp_path / "mnist"), {"l1": 4e-5}, {"l2": 6e-4}

    def descend(start, epochs, step, masks=None, **more):  # an epoch of 60 digits is one iteration
        with threadpoolctl.threadpool_limits(1, user_api="blas"):
            return nn.minibatch_descent(data.X_train, data.Y_train, prun_mask.apply_masks(start, masks or {}),
                                        nn.half_cosine(0.1, epochs), epochs, masks, batch=128, momentum=0.9, seed=3,
                                        step=step, **more)[0]

    new, keep = digits.new_parameters(3), claims.keep_fraction
    trained, trained_l1, dropout = (descend(new, 4, 0, **more) for more in (L2, L1, {**L2, "dropout": 0.4}))
    half = descend(trained, 2, 1, keep(trained, 0.5), **L2)
    expected = {("unpruned", 1): trained, ("L2, retrained", 0.5): half,
                ("unpruned, L1", 1): trained_l1,
                ("L1, not retrained", 0.5): prun_mask.apply_masks(trained_l1, keep(trained_l1, 0.5)),
                ("L2, not retrained", 0.5): prun_mask.apply_masks(trained, keep(trained, 0.5)),
                ("L2, by standard deviations", 0.2): descend(trained, 2, 1, claims.keep_by_deviations(trained, 0.2),
                                                             **L2),
                ("no dropout", 0.05): descend(dropout, 2, 1, keep(dropout, 0.05), **L2),
                ("unpruned, as long", 1): descend(new, 4 + 5 * 2, 0, **L2),
                ("L1, retrained", 0.2): descend(trained_l1, 2, 1, keep(trained_l1, 0.2), **L1),
                ("L1, then L2", 0.2): descend(trained_l1, 2, 1, keep(trained_l1, 0.2), **L2),
                ("L2, iterative", 0.33): descend(half, 2, 2, keep(half, 0.33), **L2),
                ("L2, at once, as long", 0.33): descend(trained, 2 * 2, 1, keep(trained, 0.33), **L2),
                ("dropout D_o", 0.05): descend(dropout, 2, 1, keep(dropout, 0.05), dropout=0.4, adjust_dropout=False,
                                               **L2),
                ("dropout D_r", 0.05): descend(dropout, 2, 1, keep(dropout, 0.05), dropout=0.4, **L2),
                ("new weights", 0.05): descend(digits.new_parameters(1003), 4 + 2, 1, keep(trained, 0.05), **L2),
                ("first weights", 0.05): descend(new, 4 + 2, 1, keep(trained, 0.05), **L2)}
    networks = claims.networks_of(data, 3, 4, 2)
    for name, parameters in expected.items():
        assert all(np.array_equal(networks[name][key], value) for key, value in parameters.items()), name
    alone = networks["layer 2 alone", 0.2]
    assert [np.count_nonzero(alone[f"W{l}"]) for l in (1, 2, 3)] == [235200, 6000, 1000]
    chosen = np.abs(trained["W1"])[networks["at random, by magnitude", 0.05]["W1"] != 0]
    assert np.abs(trained["W1"]).mean() < chosen.mean() < np.abs(trained["W1"])[keep(trained, 0.05)["W1"]].mean()


def test_what_is_committed_is_decided_by_the_rows_that_are_committed():
    rows = results.read(ROOT / "figure" / "claims_networks.csv", claims.COLUMNS)
    decided = results.read(ROOT / "figure" / "claims.csv")
    expected = sum(claims.judge(rows).values(), [])
    assert all(row.items() <= other.items() for row, other in zip(expected, decided, strict=True))


def test_all_is_drawn_from_the_rows(tmp_path, capsys, monkeypatch):
    write_mnist(tmp_path / "mnist", 60, 200)
    monkeypatch.setattr(drawing, "DPI", 60)
    monkeypatch.setattr(claims, "EPOCHS", 1)
    monkeypatch.setattr(claims, "RETRAINING_EPOCHS", 1)
    assert claims.main(["--data", tmp_path / "mnist", "--figures", tmp_path / "a", "--seeds", 2]) == 0
    before = contents(tmp_path / "a")
    capsys.readouterr()
    assert claims.main(["--draw", "--data", tmp_path / "nothing", "--figures", tmp_path / "a"]) == 0
    tables = results.blocks(capsys.readouterr().out)
    assert contents(tmp_path / "a") == before and len(before) == 5
    assert max(map(len, "".join(tables.values()).splitlines())) <= 100
    errors = {(row["network"], row["density"], row["seed"]): row["error"]
              for row in results.read(tmp_path / "a" / "claims_networks.csv")}
    decided = results.read(tmp_path / "a" / "claims.csv")
    assert len(decided) == 2 * sum(len(claim.densities) for claim in claims.CLAIMS)
    for row in decided:
        if (claim := CLAIM[row["claim"]]).worse:
            worse, better = (errors[name, 1 if name[:8] == "unpruned" else row["density"], row["seed"]]
                             for name in (claim.worse, claim.better))
            assert row["value"] == pytest.approx(worse - better + claim.free) and row["low"] <= row["high"]
    for name in ("claims.png", "claims_error.png", "claims_layers.png"):
        assert_figure(tmp_path / "a" / name)
