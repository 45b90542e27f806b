"""What each study of the car network measures, against versions written out."""

import importlib

import numpy as np
import pytest

import nn_functions as nn
import nn_main
import prun_mask
from datasets.networks import save_parameters
from datasets.npy import load_dict, save_dict
from datasets.pictures import load_data
from datasets.user_input import InputError
from figure import controls, drawing, far, luck, roundings, sensitivity, studies

from .conftest import ROOT, assert_figure, fail, succeed, write_data

CASES = {name: case._replace(steps=4) for name, case in far.CASES.items()}
STARTS = {name: start._replace(seeds=(1, 3)) for name, start in luck.STARTS.items()}
STEP_SIZES = {"large": roundings.StepSizes(0.035, 30, 0.05, 3), "small": roundings.StepSizes(0.0035, 60, 0.005, 2)}


@pytest.fixture
def start():
    """A small network before training."""
    return nn.initialize_parameters((144, *nn_main.LAYERS, 1), 1)


@pytest.mark.parametrize("study", ["controls", "far", "luck", "roundings", "sensitivity", "network", "weights"])
def test_every_study_draws_and_prints_the_same_twice(study, small_data, start, tmp_path, capsys):
    save_parameters(tmp_path / "a.npy", start, [])
    save_parameters(tmp_path / "b.npy", prun_mask.apply_masks(start, prun_mask.make_masks(start, 60)), [])
    results = []
    for folder in (tmp_path / "1", tmp_path / "2"):
        if study == "far":
            far.study(small_data, folder, (1, 3), 40, CASES)
        elif study == "luck":
            luck.study(small_data, folder, STARTS, 40, (1, 3), 2)
        elif study == "roundings":
            roundings.study(small_data, folder, STEP_SIZES, 3)
        else:
            pruned = [] if study == "sensitivity" else ["--pruned", tmp_path / "b.npy"]
            print(succeed(f"figure.{study}", "--data", small_data, "--parameters", tmp_path / "a.npy", *pruned,
                          "--figures", folder))
        assert_figure(folder / f"{study}.png")
        results.append((capsys.readouterr().out.replace(str(folder), ""), (folder / f"{study}.png").read_bytes()))
        assert all(len(line) <= 100 for line in results[-1][0].replace(str(tmp_path), "").splitlines())
    assert results[0] == results[1] and f"/{study}.png" in results[0][0]
    assert f"figure/{study}.png" in importlib.import_module(f"figure.{study}").__doc__


def test_what_is_to_be_said_of_the_data_is_said_once(tmp_path, start):
    X = np.random.RandomState(0).rand(28, 6, 8, 3)
    write_data(tmp_path / "floats.h5", X_train=X[:20], X_test=X[20:])
    save_parameters(tmp_path / "a.npy", start, [])
    text = succeed("figure.sensitivity", "--data", tmp_path / "floats.h5", "--parameters", tmp_path / "a.npy",
                   "--figures", tmp_path)
    assert text.count("the pictures are float64, taken as values from 0 to 1") == 1


# -------------------------------------------------------------------------------------------------------------- far

@pytest.mark.parametrize("case, names, percent", [("layer 1 alone", ("W1",), 5),
                                                  ("layers 2 to 4 alone", ("W2", "W3", "W4"), 50)])
def test_far_prunes_the_layers_of_its_case_alone(case, names, percent, small_data, start):
    data, parameters = load_data(small_data), start
    values = studies.prune(small_data, (1, start, CASES[case]))
    for step, row in enumerate(values):
        if step:
            masks = {name: np.abs(parameters[name]) > prun_mask.threshold(parameters[name], percent) for name in names}
            pruned = prun_mask.apply_masks(parameters, masks)
            parameters, _ = nn.gradient_descent(data.X_train, data.Y_train, pruned, 0.005, 220, masks)
        left = [(parameters[name] != 0).sum() for name in ("W1", "W2", "W3", "W4")]
        assert row.tolist() == pytest.approx([100 * (1 - sum(left) / 758), *nn.evaluate(data, parameters), *left],
                                             abs=1e-9)
    assert len(values) == 5 and values[-1, 0] > 0


def test_far_perturbs_the_networks_and_prints_no_degree_that_is_not_reached(small_data, tmp_path, capsys):
    texts = []
    for perturbation in (0, 1e-13, 5000):
        far.study(small_data, tmp_path, (1, 3), 40, CASES, perturbation)
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] != texts[2]
    table = texts[0][texts[0].index("\npruned: all layers\n|"):texts[0].index("\npruned: all layers, at random\n|")]
    assert [row.split(" |")[0] for row in table.splitlines()[4:]] == ["| 0.000 %"]  # after four steps of 5 %


def test_far_prints_how_far_it_goes(capsys):
    runs = np.array([[(0, 0.1, 99, 80, 9, 8), (9, 1.5, 90, 60, 7, 6), (12, 0.2, 97 - k, 65 + k, 6, 5)]
                     for k in (0, 1, 5)])
    far.print_runs("case", dict(zip((7, 8, 9), runs)))
    far.print_medians("case", runs, [2])
    lines = capsys.readouterr().out.splitlines()
    assert lines[4].split() == ["7", "99.00", "/", "80.00", "97.00", "/", "65.00", "6-5", "1.50", "9.000", "(90.00)"]
    assert lines[7].startswith("median   99.00 /  80.00   96.00")
    assert lines[-1] == "| 12.000 % | 6-5 | 96.00 % (92.00 to 97.00) | 66.00 % (65.00 to 70.00) |"
    two_stretches = far.where_lost(np.array([0, 5, 9, 12, 15]), np.array([99, 96, 97, 95, 96]))
    assert two_stretches == ["5.000 (96.00)", "12.000 to 15.000 (95.00)"]


# ----------------------------------------------------------------------------------------------- luck and controls

def test_luck_compares_the_draws_with_magnitude(capsys):
    runs = np.zeros((1, 3, 2, 4))  # a seed, by magnitude and two draws, before and after a step
    runs[0, :, 1] = [(50, 0.2, 90, 80), (50, 0.1, 91, 70), (50, 0.4, 93, 60)]
    luck.print_runs({"start": {7: runs[0]}}, 1)
    lines = capsys.readouterr().out.splitlines()
    assert lines[5] == "| start | 7 | 0.2000 | 0.2500 (0.1000 to 0.4000) |"
    assert lines[-2:] == [
        "| start | 7 | 90.00 | 92.00 (91.00 to 93.00) | 80.00 | 65.00 (60.00 to 70.00) |",
        "start: 1 of 2 draws have a lower cost than the same network by magnitude"]


def test_luck_finds_what_a_network_started_from():
    trained = {seed: nn.initialize_parameters((30, 16, 8, 1), seed, "he") for seed in (1, 2)}
    W1 = trained[2]["W1"].copy()
    trained[2]["W1"] -= 0.5
    first, change = luck.first_and_change(luck.STARTS["he 16-8"], trained)[1]
    assert np.array_equal(first, np.abs(W1)) and change == pytest.approx(np.full((16, 30), 0.5))


def test_ridge_is_the_closed_form_and_leaves_one_out():
    random = np.random.RandomState(0)
    X, Y, X_new = random.rand(3, 12), random.randint(0, 2, (1, 12)).astype(float), random.rand(3, 5)

    def closed_form(X, Y, X_new):  # the constant is one more input, without a penalty
        X1, X1_new = (np.vstack([x, np.ones(x.shape[1])]) for x in (X, X_new))
        return Y @ X1.T @ np.linalg.inv(X1 @ X1.T + 0.7 * np.diag([1, 1, 1, 0])) @ X1_new

    predicted, left_out = controls.ridge(X, Y, X_new, 0.7)
    assert predicted == pytest.approx(closed_form(X, Y, X_new))
    for i in range(12):
        others = np.arange(12) != i
        assert left_out[:, [i]] == pytest.approx(closed_form(X[:, others], Y[:, others], X[:, [i]]))


def test_nearest_and_wilson():
    random = np.random.RandomState(0)
    X, Y, X_new = random.rand(4, 9), random.rand(1, 9), random.rand(4, 6)
    closest = [np.argmin([np.linalg.norm(x - new) for x in X.T]) for new in X_new.T]
    assert np.array_equal(controls.nearest(X, Y, X_new), Y[:, closest])
    for limit in controls.wilson(80, 60):  # the interval's ends are where the accuracy is 1.96 standard deviations off
        assert abs(limit / 100 - 0.8) == pytest.approx(1.96 * np.sqrt(limit / 100 * (1 - limit / 100) / 60))


def test_controls_measure_what_is_named(small_data, start):
    data = load_data(small_data)
    pruned = prun_mask.apply_masks(start, prun_mask.make_masks(start, 60))
    results = controls.measure(small_data, data, start, pruned, draws=3, steps=2)
    for name, network in (("unpruned network", start), ("pruned by magnitude", pruned)):
        assert results[name].tolist() == [list(nn.evaluate(data, network)[1:])]
    draws = [studies.prune(small_data, (1, start, studies.Pruning(2, draw=i)))[-1, 2:4] for i in (1, 2, 3)]
    assert np.array_equal(results["pruned at random, 3 draws"], draws)
    assert results['always "no car"'].tolist() == [[50, 50]]


# -------------------------------------------------------------------------------------------------------- roundings

def test_roundings_of_the_steps_here_begin_with_the_recorded_run():
    sizes = roundings.STEP_SIZES["steps here: 0.0035 and 0.005"]
    assert sizes[:3] == (0.0035, 40000, 0.005) and sum(kind.runs for kind in roundings.STEP_SIZES.values()) == 100
    run = roundings.run(ROOT / "datasets" / "carvnocar.h5", 39, (sizes, 0))
    record = load_dict(ROOT / "datasets" / "degree_costs.npy")
    committed = load_dict(ROOT / "datasets" / "parameters.npy")["costs"]
    assert np.abs(run.training_costs - committed).max() < 1e-9 and len(run.retraining_costs) == 39 * 220
    cost, train_accuracy, test_accuracy = run.evaluations[1:].T
    assert train_accuracy.tolist() == record["train_accuracy"] and test_accuracy.tolist() == record["test_accuracy"]
    assert np.abs(cost - record["costs"]).max() < 1e-9
    assert not run.constant.any() and run.AL.shape == (1, 181)


def test_roundings_start_as_far_apart_as_is_said(small_data, start):
    data = load_data(small_data)
    for perturbation in (0, 0.5):
        run = roundings.run(small_data, 1, (STEP_SIZES["large"], perturbation))
        perturbed = {**start, "b1": start["b1"] + perturbation * np.eye(5, 1)}
        assert run.training_costs[0] == pytest.approx(nn.evaluate(data, perturbed).cost, abs=1e-12)


@pytest.mark.parametrize("constant, step",
                         [([0, 0, 0], None), ([0, 0, 1], 2), ([0, 1, 1], 1), ([1, 1, 1], 0), ([1, 1, 0], None),
                          ([1, 0, 1], 2)])
def test_a_collapse_begins_where_it_never_ends(constant, step):
    assert roundings.collapse(np.array(constant, bool)) == step


def test_rises_are_counted(original):
    costs = np.array([1, 0.9, 0.93, 0.94, 0.5, 0.6])
    assert roundings.rises(costs) == "2 rises of more than 0.02, the first at iteration 1"
    assert roundings.rises(np.array([1, 0.9])) == "0 rises of more than 0.02"
    costs = roundings.stored_costs(original / "parameters.npy")
    assert roundings.rises(costs) == "202 rises of more than 0.02, the first at iteration 1625"


def test_a_trace_is_read_as_the_original_stored_it_and_nothing_else(tmp_path):
    for costs in ([np.array(1.5), 2.5], [np.float32(1.5), np.array([2.5])], np.array([[1.5], [2.5]])):
        save_dict(tmp_path / "a.npy", {"costs": costs})
        assert roundings.stored_costs(tmp_path / "a.npy").tolist() == [1.5, 2.5]
    for costs in ([], ["1.5"], [None], [[1.5], [2.5]], np.ones(3, complex), np.array(["1.5"]), [1.5, np.nan]):
        save_dict(tmp_path / "a.npy", {"costs": costs})
        with pytest.raises(InputError, match="a.npy: holds no costs of training"):
            roundings.stored_costs(tmp_path / "a.npy")
    assert f"{tmp_path / 'none.npy'}: " in fail("figure.roundings", "--original", tmp_path / "none.npy")


# ------------------------------------------------------------------------------------------ sensitivity and weights

def test_sensitivity_prunes_one_layer_weakest_first(small_data):
    data = load_data(small_data)
    parameters = nn.initialize_parameters((144, 5, 4, 1), 1)
    values = sensitivity.prune_alone(data, parameters, "W2")
    assert values[:, 0] == pytest.approx(np.arange(21) * 5)
    weakest = sorted(np.abs(parameters["W2"]).ravel())
    for number, row in enumerate(values):
        W2 = np.array([[0 if abs(w) in weakest[:number] else w for w in weights] for weights in parameters["W2"]])
        assert tuple(row[1:]) == pytest.approx(nn.evaluate(data, {**parameters, "W2": W2}))
    assert len(sensitivity.prune_alone(data, parameters, "W1", 10)) == 11


@pytest.mark.parametrize("accuracies, words", [
    ([100, 96, 95], "never"),
    ([100, 94, 90], "first at 10.0 %, for good from 10.0 %"),
    ([100, 94, 96, 90], "first at 10.0 %, for good from 30.0 %"),
    ([100, 94, 99], "first at 10.0 %, not for good")])
def test_sensitivity_says_where_accuracy_is_lost(accuracies, words):
    values = np.array([(10 * i, 0, accuracy, 0) for i, accuracy in enumerate(accuracies)])
    assert sensitivity.where_lost(values) == words


@pytest.mark.parametrize("init, layers", [("original", nn_main.LAYERS), ("he", [6, 8])])
def test_weights_say_how_many_of_the_largest_are_left(small_data, tmp_path, monkeypatch, init, layers):
    start = nn.initialize_parameters((144, *layers, 1), 3, init)
    trained = {**start, "W1": start["W1"] + np.random.RandomState(0).randn(layers[0], 144) * 0.1}
    left = np.abs(trained["W1"]) > 0.25
    save_parameters(tmp_path / "a.npy", trained, [1.0, 0.5])
    save_dict(tmp_path / "data.npy", {"costs": np.array([1.0, 0.5]), "init": init, "seed": 3, "layers": layers})
    save_parameters(tmp_path / "b.npy", {**trained, "W1": trained["W1"] * left}, [])
    command = ["figure.weights", "--data", small_data, "--parameters", tmp_path / "a.npy", "--pruned",
               tmp_path / "b.npy", "--figures", tmp_path]
    text = succeed(*command)
    number = left.sum()
    largest_at_start = np.argsort(-np.abs(start["W1"]), axis=None)[:number]
    counted = left.ravel()[largest_at_start].sum()
    assert 10 < counted < number - 10
    for among, when in ((counted, "before"), (number, "after")):
        assert (f"of the {number} connections of layer 1 that are left, {among} are among the {number} largest "
                f"{when} training\n") in text
    changed = np.median(np.abs(trained["W1"] - start["W1"]))
    assert f"medians: training changed a weight by {changed:.4f}, " in text

    rows = []
    monkeypatch.setattr(drawing, "weights_as_picture", lambda W, shape: (rows.append(W), (np.zeros(shape), 1))[1])
    for of, known in (([1.0, 0.5], True), ([1.0, 0.4], False)):  # a data.npy that is of another network says nothing
        save_dict(tmp_path / "data.npy", {"costs": np.array(of), "init": init, "seed": 3, "layers": layers})
        said = succeed(*command)
        assert (said == text) == known == ("training changed" in said.replace("what training changed", ""))
        assert (f"{tmp_path / 'a.npy'}: no data.npy tells its start, so what training changed is left out\n"
                in said) != known
    units = layers[0]
    assert len(rows) == units * (4 + 2) and np.array_equal(rows[units], trained["W1"][0] - start["W1"][0])
