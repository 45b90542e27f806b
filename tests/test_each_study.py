"""What each study of the car network measures, against versions written out."""

import functools

import numpy as np
import pytest

import nn_functions as nn
import nn_main
import prun_mask
from datasets import npy
from datasets.networks import save_parameters
from datasets.pictures import load_data
from figure import drawing, far, magnitude_vs_random, results, roundings, studies

from .conftest import assert_figure, succeed

STARTS = {name: (init, layers, (1, 3)) for name, (init, layers, _) in magnitude_vs_random.STARTS.items()}
STEP_SIZES = {"original": (0.035, 30, 0.05, 3), "here": (0.0035, 60, 0.005, 2)}
SMALL = {"far": functools.partial(far.study, seeds=(1, 3), iterations=40, steps=range(5), few_steps=range(3)),
         "magnitude_vs_random": functools.partial(magnitude_vs_random.study, starts=STARTS, iterations=40,
                                                  steps=(0, 1, 2), number=1),
         "roundings": functools.partial(roundings.study, step_sizes=STEP_SIZES, steps=(0, 2, 3))}


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    monkeypatch.setattr(magnitude_vs_random, "COMPARED", (1, 2))


@pytest.fixture
def start():
    """A small network before training."""
    return nn.initialize_parameters((144, *nn_main.LAYERS, 1), 1)


@pytest.mark.parametrize("study", SMALL)
def test_a_study_leaves_the_same_rows_twice_of_which_figure_and_tables_are_drawn(study, small_data, tmp_path):
    for name in ("1", "2"):
        rows = SMALL[study](small_data, tmp_path / name / f"{study}.csv")
    first, second = ((tmp_path / name / f"{study}.csv").read_bytes() for name in ("1", "2"))
    assert first == second and rows
    printed = succeed(f"figure.{study}", "--draw", "--figures", tmp_path / "1")
    assert_figure(tmp_path / "1" / f"{study}.png")
    assert all(name.startswith(f"{study}: ") for name in results.blocks(printed)) and "<!-- end -->" in printed


# -------------------------------------------------------------------------------------------------------------- far

def test_far_tells_medians_and_ranges(capsys):
    rows = [{"case": case, "seed": seed, "step": step, "degree": 20.0 * step, "kept_1": 50 - step, "kept_2": 4,
             "kept_3": 3, "kept_4": 2, "train_accuracy": accuracy - seed - (case == "at random"), "test_accuracy": 80.0}
            for case in (*far.LINES, far.FEW) for seed in (1, 2, 3)
            for step, accuracy in enumerate((99, 97, 96.5, 60, 98, 50))]
    far.report(rows)
    tables = results.blocks(capsys.readouterr().out)
    rows = dict.fromkeys(tables["far: medians"].splitlines()[2:])  # the last step stands for all degrees above 60
    assert [row.partition(" | 80.00")[0] for row in rows] == [
        "| 0.000 | 50-4-3-2 | 97.00 (96.00 to 98.00) | 96.00 (95.00 to 97.00)",
        "| 60.000 | 47-4-3-2 | 58.00 (57.00 to 59.00) | 57.00 (56.00 to 58.00)",
        "| 100.000 | 45-4-3-2 | 48.00 (47.00 to 49.00) | 47.00 (46.00 to 48.00)"]
    assert tables["far: layers 2 to 4"].splitlines()[-1] == (
        "| 100.000 | 45-4-3-2 | 48.00 (47.00 to 49.00) | 80.00 (80.00 to 80.00) |")


def test_far_prunes_in_four_ways(small_data):
    data = load_data(small_data)
    rows = far.measure_seed(small_data, 40, range(3), range(3), {"seed": 3})
    _, trained = studies.train(data, 3, 40)
    cases = {"by magnitude": (5,), "at random": (5, None, np.random.default_rng([3, 1])), "layer 1 alone": (5, ("W1",)),
             "layers 2 to 4 alone": (50, ("W2", "W3", "W4"))}
    for case, arguments in cases.items():
        for step, network in studies.prune(data, trained, studies.masks_of(*arguments), range(3)):
            kept = {f"kept_{l}": np.count_nonzero(network[f"W{l}"]) for l in (1, 2, 3, 4)}
            assert rows.pop(0) == {"case": case, "step": step, **kept, **studies.measure(data, network)}


# ----------------------------------------------------------------------------------------------- magnitude_vs_random

def test_magnitude_is_compared_with_chance(small_data, tmp_path):
    rows = SMALL["magnitude_vs_random"](small_data, tmp_path / "a.csv")
    data, those = load_data(small_data), {"start": "small first weights", "seed": 3}
    first, trained = studies.train(data, 3, 40, "he", [16, 8])
    for random_seed in (None, 1):
        random = random_seed and np.random.default_rng([3, random_seed])
        networks = dict(studies.prune(data, trained, studies.masks_of(random=random), (1, 2)))
        for step, network in networks.items():
            found, = (row for row in rows
                      if {**those, "random_seed": random_seed, "step": step}.items() <= row.items())
            assert found["method"] == ("random" if random_seed else "magnitude")
            assert (found["cost"], found["train_accuracy"], found["test_accuracy"]) == nn.evaluate(data, network)
            assert found["degree"] == prun_mask.degree(network)
    changes = [row["change"] for row in rows if row["start"] == those["start"] and row["change"] is not None]
    assert len(changes) == 2 and changes[1] == np.median(np.abs(trained["W1"] - first["W1"]))
    by_magnitude, at_random = (magnitude_vs_random.values(rows, "cost", start=those["start"], step=2, method=method)
                               for method in ("magnitude", "random"))
    assert f"{(at_random < by_magnitude).sum()} of 2" in magnitude_vs_random.compare(rows, those["start"], 2)
    assert magnitude_vs_random.worth(rows)['always "no car"'].tolist() == [[50, 50]]
    assert len(magnitude_vs_random.worth(rows)["pruned at random"]) == 1


def test_ridge_is_the_closed_form_and_leaves_one_out():
    random = np.random.RandomState(0)
    X, Y, X_new = random.rand(3, 12), random.randint(0, 2, (1, 12)).astype(float), random.rand(3, 5)

    def closed_form(X, Y, X_new):  # the constant is one more input, without a penalty
        X1, X1_new = (np.vstack([x, np.ones(x.shape[1])]) for x in (X, X_new))
        return Y @ X1.T @ np.linalg.inv(X1 @ X1.T + 0.7 * np.diag([1, 1, 1, 0])) @ X1_new

    predicted, left_out = magnitude_vs_random.ridge(X, Y, X_new, 0.7)
    assert predicted == pytest.approx(closed_form(X, Y, X_new))
    for i in range(12):
        others = np.arange(12) != i
        assert left_out[:, [i]] == pytest.approx(closed_form(X[:, others], Y[:, others], X[:, [i]]))


def test_nearest_and_wilson():
    random = np.random.RandomState(0)
    X, Y, X_new = random.rand(4, 9), random.rand(1, 9), random.rand(4, 6)
    closest = [np.argmin([np.linalg.norm(x - new) for x in X.T]) for new in X_new.T]
    assert np.array_equal(magnitude_vs_random.nearest(X, Y, X_new), Y[:, closest])
    for limit in magnitude_vs_random.wilson(80, 60):  # where the accuracy is 1.96 standard deviations off
        assert abs(limit / 100 - 0.8) == pytest.approx(1.96 * np.sqrt(limit / 100 * (1 - limit / 100) / 60))


# -------------------------------------------------------------------------------------------------------- roundings

def test_roundings_do_the_run_with_the_step_sizes_that_are_named(small_data, start):
    assert sum(runs for *_, runs in roundings.STEP_SIZES.values()) == 100
    data = load_data(small_data)
    rows = roundings.measure_run(small_data, STEP_SIZES, (0, 2), {"steps": "original", "run": 0})
    parameters, costs = nn.gradient_descent(data.X_train, data.Y_train, start, 0.035, 30)
    for step in range(3):
        if step:
            masks = prun_mask.make_masks(parameters, 5, report=lambda line: None)
            pruned = prun_mask.apply_masks(parameters, masks)
            parameters, _ = nn.gradient_descent(data.X_train, data.Y_train, pruned, 0.05, 220, masks)
        if step != 1:
            row = rows.pop(0)
            assert (row["cost"], row["train_accuracy"], row["test_accuracy"]) == pytest.approx(
                nn.evaluate(data, parameters), abs=1e-9)
            assert (row["step"], row["rises"]) == (step, len(roundings.rises(costs)))


def test_roundings_start_as_far_apart_as_is_said(small_data, start, monkeypatch):
    data = load_data(small_data)
    monkeypatch.setattr(roundings, "PERTURBATION", 1.5)
    X_car, sizes = data.X_train[:, data.Y_train[0] == 1], {"here": (1e-12, 1, 1e-12, 3)}
    for run in (0, 2):
        row, *_ = roundings.measure_run(small_data, sizes, (0, 1), {"steps": "here", "run": run})
        perturbed = {**start, "b1": start["b1"] + 0.5 * run * np.eye(5, 1)}
        assert row["cost"] == pytest.approx(nn.evaluate(data, perturbed).cost, abs=1e-9)
        assert row["highest_of_cars"] == pytest.approx(nn.predict(X_car, perturbed).max())


@pytest.mark.parametrize("constant, step",
                         [([0, 0, 0], None), ([0, 0, 1], 2), ([0, 1, 1], 1), ([1, 1, 1], 0), ([1, 1, 0], None),
                          ([1, 0, 1], 2)])
def test_a_collapse_begins_where_it_never_ends(constant, step):
    assert roundings.collapse(np.array(constant, bool)) == step


def test_rises_are_counted(original):
    assert roundings.rises(np.array([1, 0.9, 0.93, 0.94, 0.5, 0.6])).tolist() == [1, 4]
    published = roundings.rises(np.ravel(npy.load_dict(original / "parameters.npy")["costs"]))
    assert (len(published), published[0]) == (202, 1625)


# ---------------------------------------------------------------------------------------------------------- weights

def test_weights_say_how_many_of_the_largest_are_left(small_data, tmp_path, monkeypatch):
    init, layers = "he", [6, 8]
    start = nn.initialize_parameters((144, *layers, 1), 3, init)
    trained = {**start, "W1": start["W1"] + np.random.RandomState(0).randn(layers[0], 144) * 0.1}
    left = np.abs(trained["W1"]) > 0.25
    save_parameters(tmp_path / "a.npy", trained, [1.0, 0.5])
    save_parameters(tmp_path / "b.npy", {**trained, "W1": trained["W1"] * left}, [])
    largest_at_start = np.argsort(-np.abs(start["W1"]), axis=None)[:left.sum()]
    counted = left.ravel()[largest_at_start].sum()
    drawn, draw_units = [], drawing.draw_units
    monkeypatch.setattr(drawing, "draw_units", lambda axes, W, *more: drawn.append(W) or draw_units(axes, W, *more))
    for costs, known in (([1.0, 0.5], True), ([1.0, 0.4], False)):  # a data.npy that is of another network says nothing
        npy.save_dict(tmp_path / "data.npy", {"costs": np.array(costs), "init": init, "seed": 3, "layers": layers})
        said = succeed("figure.weights", "--data", small_data, "--parameters", tmp_path / "a.npy", "--pruned",
                       tmp_path / "b.npy", "--figures", tmp_path)
        assert known == (f"of the {left.sum()} connections of layer 1 that are left, {counted} are among the "
                         f"{left.sum()} largest before training\n" in said)
    assert len(drawn) == 4 + 2 and np.array_equal(drawn[1], trained["W1"] - start["W1"])
    assert_figure(tmp_path / "weights.png")
