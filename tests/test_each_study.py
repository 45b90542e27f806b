"""What each study measures, against versions written out."""

import itertools
import pickle

import numpy as np
import pytest

import nn_functions as nn
import nn_main
import prun_mask
import pruning
from datasets.networks import save_parameters
from datasets.npy import load_dict, save_dict
from datasets.pictures import load_data
from datasets.user_input import InputError
from figure import delta, drawing, far, keeping, roundings, sensitivity, studies, tradeoff, weights

from .conftest import ROOT, fail, succeed
from .test_npy import write_npy
from .test_studies import SMALL, in_this_process  # noqa: F401, a fixture


@pytest.fixture
def start():
    """A small network before training."""
    return nn.initialize_parameters((144, *nn_main.LAYERS, 1), 1)


@pytest.fixture
def drawn(monkeypatch):
    """A list of the figures that are drawn, instead of their being saved."""
    figures = []
    monkeypatch.setattr(drawing, "save_figure", lambda figure, path, show: figures.append(figure))
    return figures


# -------------------------------------------------------------------------------------------------------------- far

@pytest.mark.parametrize("case, names, percent",
                         [("all layers", ("W1", "W2", "W3", "W4"), 5), ("layer 1 alone", ("W1",), 5),
                                                  ("layers 2 to 4 alone", ("W2", "W3", "W4"), 50)])
def test_far_prunes_the_layers_of_its_case_alone(case, names, percent, small_data, start):
    data, parameters = load_data(small_data), start
    values = far.run(small_data, (start, far.CASES[case]._replace(steps=4)))
    for step, row in enumerate(values):
        if step:
            masks = {name: prun_mask.prune_mask(parameters[name], percent) for name in names}
            pruned = prun_mask.apply_masks(parameters, masks)
            parameters, _ = nn.gradient_descent(data.X_train, data.Y_train, pruned, 0.005, 220, masks)
        left = [(parameters[name] != 0).sum() for name in ("W1", "W2", "W3", "W4")]
        assert row.tolist() == pytest.approx([100 * (1 - sum(left) / 758), *nn.evaluate(data, parameters), *left],
                                             abs=1e-9)
    assert len(values) == 5 and values[-1, 0] > 0


def test_far_perturbs_the_first_bias_of_each_network(small_data, monkeypatch, in_this_process):  # noqa: F811
    networks = {1: nn.initialize_parameters((144, *nn_main.LAYERS, 1), 1),
                3: nn.initialize_parameters((144, *nn_main.LAYERS, 1), 3)}
    monkeypatch.setattr(studies, "trained_networks", lambda *_: {seed: {k: v.copy() for k, v in network.items()}
                                                                 for seed, network in networks.items()})
    monkeypatch.setattr(far, "draw", lambda *_: None)
    seen, run = [], far.run
    monkeypatch.setattr(studies, "in_parallel",
                        lambda _, jobs, cluster: [seen.append(job) or run(small_data, job) for job in jobs])
    succeed("figure.far", "--data", small_data, "--figures", small_data.parent, "--perturbation", 0.25, **SMALL["far"])
    assert len(seen) == 6
    for (parameters, _), original in zip(seen, itertools.cycle(networks.values())):
        assert parameters["b1"][0] == original["b1"][0] + 0.25 and np.array_equal(parameters["b1"][1:],
                                                                                  original["b1"][1:])
        assert all(np.array_equal(parameters[name], original[name]) for name in original if name != "b1")


def test_far_prints_how_far_it_goes(capsys):
    runs = np.array([[(0, 0.1, 99, 80, 9, 8), (5, 0.2, 98, 70, 8, 7), (9, 1.5, 90, 60, 7, 6),
                      (12, 0.2, 97 - k, 65 + k, 6, 5)]
                     for k in (0, 1, 5)])
    far.print_runs("case", dict(zip((7, 8, 9), runs)))
    far.print_medians("case", runs, [0, 3])
    lines = capsys.readouterr().out.splitlines()
    assert lines[4].split() == ["7", "99.00", "/", "80.00", "97.00", "/", "65.00", "6-5", "1.50", "9.000", "(90.00)"]
    assert lines[6].endswith("9.000 to 12.000 (90.00)") and lines[7].startswith("median   99.00 /  80.00   96.00")
    two_stretches = far.where_lost(np.array([0, 5, 9, 12, 15]), np.array([99, 96, 97, 95, 96]))
    assert two_stretches == "5.000 (96.00), 12.000 to 15.000 (95.00)"
    assert far.where_lost(np.array([0, 5]), np.array([99, 97])) == "never"
    assert lines[-1] == "| 12.000 % | 6-5 | 96.00 % (92.00 to 97.00) | 66.00 % (65.00 to 70.00) |"


def test_far_prints_no_degree_that_is_not_reached(small_data, monkeypatch, in_this_process):  # noqa: F811
    monkeypatch.setattr(far, "draw", lambda *_: None)
    text = succeed("figure.far", "--data", small_data, "--figures", small_data.parent, **SMALL["far"])
    table = text[text.index("\nall layers pruned\n|"):text.index("\nlayers 2 to 4 alone pruned\n|")]
    rows = table.splitlines()[4:]
    assert len(rows) == 1 and rows[0].startswith("| 0.000 %")  # after four steps of 5 %


# -------------------------------------------------------------------------------------------------------- roundings

def test_roundings_without_a_picture_of_a_car_say_nothing_of_its_gradient(capsys):
    run = roundings.Run(None, None, np.array([[0.1, 100, 100]]), np.array([True]), np.array([[0.1, 0.2]]))
    roundings.print_gradients([run], np.zeros((1, 2)))
    assert capsys.readouterr().out == ""
    roundings.print_gradients([run], np.array([[0, 1]]))
    assert "in 1, cars are given probabilities of 0.20 to 0.20, and the cost is 0.100" in capsys.readouterr().out


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


def test_roundings_start_at_most_1e_12_apart(small_data, monkeypatch):
    jobs = []
    monkeypatch.setattr(studies, "in_parallel",
                        lambda run, given, cluster: jobs.extend(given) or [run(job) for job in given])
    succeed("figure.roundings", "--data", small_data, "--figures", small_data.parent, "--original", "missing",
            **SMALL["roundings"])
    for sizes in SMALL["roundings"]["step_sizes"].values():
        perturbations = [perturbation for of_job, perturbation in jobs if of_job == sizes]
        assert len(set(perturbations)) == sizes.runs and perturbations[0] == 0 and 0 < max(perturbations) <= 1e-12


def test_roundings_takes_so_many_runs_of_the_first_kind(small_data, in_this_process):  # noqa: F811
    text = succeed("figure.roundings", "--data", small_data, "--figures", small_data.parent, "--original", "missing",
                   "--runs", 4, **SMALL["roundings"])
    assert "large: 4 runs" in text and "small: 2 runs" in text


@pytest.mark.parametrize("constant, step",
                         [([0, 0, 0], None), ([0, 0, 1], 2), ([0, 1, 1], 1), ([1, 1, 1], 0), ([1, 1, 0], None),
                                            ([1, 0, 1], 2)])
def test_a_collapse_begins_where_it_never_ends(constant, step):
    assert roundings.collapse(np.array(constant, bool)) == step


def test_rises_are_counted():
    assert roundings.rises(np.array([1, 0.9, 0.93, 0.94, 0.5,
                                     0.6])) == "2 rises of more than 0.02, the first at iteration 1"
    assert roundings.rises(np.array([1, 0.9])) == "0 rises of more than 0.02"


def test_rises_of_the_originals_trace(original):
    costs = roundings.stored_costs(original / "parameters.npy")
    assert roundings.rises(costs) == "202 rises of more than 0.02, the first at iteration 1625"


LISTS = [1.5]
for _ in range(150):
    LISTS = [LISTS]


@pytest.mark.parametrize("content", [
    {"W1": np.ones(3)}, {"costs": ["x"]}, {"costs": []}, {"costs": "1.5"}, {"costs": ["1.5"]}, {"costs": [None]},
    {"costs": np.ones(3, complex)}, {"costs": [1.5, np.complex128(1)]}, {"costs": [[1.5], [2.5]]}, {"costs": LISTS},
    {"costs": [np.longdouble("1e4000")]}, {"costs": np.array(["1.5"])}, {"costs": [1.5, np.nan]}])
def test_a_trace_that_is_none_is_one_line(content, tmp_path):
    save_dict(tmp_path / "a.npy", content)
    with pytest.raises(InputError, match="a.npy: holds no costs of training"):
        roundings.stored_costs(tmp_path / "a.npy")


def test_a_trace_is_read_as_the_original_stored_it(tmp_path):
    for costs in ([np.array(1.5), 2.5], [np.float32(1.5), np.array([2.5])], np.array([1.5, 2.5]),
                  np.array([[1.5], [2.5]])):
        save_dict(tmp_path / "a.npy", {"costs": costs})
        assert roundings.stored_costs(tmp_path / "a.npy").tolist() == [1.5, 2.5]


def test_a_trace_of_lists_in_two_places_is_refused_at_once(tmp_path):
    """2^60 numbers in lists of two, in 300 bytes; and text that would take hours to be read as numbers."""
    costs = [1.5]
    for _ in range(60):
        costs = [costs, costs]
    for content in ({"costs": costs}, {"costs": ["9" * 10**6] * 10**5}):
        write_npy(tmp_path / "a.npy", pickle.dumps(content, 4))
        with pytest.raises(InputError, match="a.npy: (refused|holds no costs)"):
            roundings.stored_costs(tmp_path / "a.npy")


# ------------------------------------------------------------------------------------------------------ sensitivity

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
    ([100, 96, 95], "never are more than 5 points of training accuracy lost"),
    ([100, 94, 90], "more than 5 points of training accuracy are lost first at 10.0 %, for good from 10.0 %"),
    ([100, 94, 96, 90], "more than 5 points of training accuracy are lost first at 10.0 %, for good from 30.0 %"),
    ([100, 94, 99], "more than 5 points of training accuracy are lost first at 10.0 %, not for good")])
def test_sensitivity_says_where_accuracy_is_lost(accuracies, words):
    values = np.array([(10 * i, 0, accuracy, 0) for i, accuracy in enumerate(accuracies)])
    assert sensitivity.where_lost(values) == words


# --------------------------------------------------------------------------------------------------------- tradeoff

@pytest.mark.parametrize("kind, penalty", [("L1", {"l1": 0.01}), ("L2", {"l2": 0.1})])
def test_tradeoff_trains_and_retrains_with_its_penalty(kind, penalty, small_data, start):
    data = load_data(small_data)
    points = tradeoff.run(small_data, 30, (40, 80), 4, (start, kind))

    def measure(network):
        return prun_mask.degree(network), *nn.evaluate(data, network)[1:]

    trained, _ = nn.gradient_descent(data.X_train, data.Y_train, start, 0.0035, 30, **penalty)
    masks = prun_mask.prune_masks(trained, 80)
    pruned = prun_mask.apply_masks(trained, masks)
    retrained, _ = nn.gradient_descent(data.X_train, data.Y_train, pruned, 0.005, 220, masks, **penalty)
    for method, network in ((f"{kind}, without retraining", pruned), (f"{kind}, with retraining", retrained)):
        assert tuple(points[method][2]) == measure(network) and len(points[method]) == 3
    assert len(points) == (3 if kind == "L2" else 2)
    if kind == "L2":
        *_, last = itertools.islice(pruning.prune_iteratively(data, trained, pruning.recorded_masks, **penalty), 4)
        assert tuple(points["L2, iterative pruning and retraining"][-1]) == measure(last.parameters)


def test_tradeoff_prints_changes_from_before_the_penalty(capsys):
    points = [{"method": np.array([[0.0, 90, 80], [50.2, 70 + k, 60]])} for k in (0, 4, 1)]
    changes = tradeoff.accuracy_changes(points, [(100, 80), (90, 70), (95, 90)])
    tradeoff.print_changes(changes, (50,))
    assert [line for line in capsys.readouterr().out.splitlines() if "method" in line] == [
        "| method | -5.0 (-10.0 to 0.0) | -24.0 (-30.0 to -16.0) |",
        "| method | 0.0 (-10.0 to 10.0) | -20.0 (-30.0 to -10.0) |"]


# ---------------------------------------------------------------------------------------------------------- keeping

def test_keeping_compares_at_the_same_masks(small_data, start, monkeypatch):
    calls, plain = [], nn.gradient_descent
    monkeypatch.setattr(nn, "gradient_descent", lambda *arguments,
                        **named: calls.append(arguments) or plain(*arguments, **named))
    data = load_data(small_data)
    values = keeping.run(small_data, 3, SMALL["keeping"]["cases"], (1, start))
    assert values.shape == (6, 3) and tuple(values[0]) == nn.evaluate(data, start)
    assert len(calls) == 2 + 4  # two whole steps, and the last in the four cases that train
    trained = [plain(*arguments)[0] for arguments in calls[2:]]
    for row, network in zip((2, 3, 4, 5), trained):
        assert values[row] == pytest.approx(nn.evaluate(data, network), abs=1e-9)
    assert values[1] == pytest.approx(nn.evaluate(data, calls[2][2]), abs=1e-9)
    (_, _, kept, *how, masks), (_, _, new, *new_how, new_masks), (_, _, longer, *_, longer_masks), (_, _, dense, *_,
                                                                                                    none) = calls[2:]
    assert how == new_how == [0.005, 30]
    other = nn.initialize_parameters((144, *nn_main.LAYERS, 1), 1001)
    for name, mask in masks.items():
        assert np.array_equal(mask, new_masks[name]) and np.array_equal(mask, longer_masks[name])
        assert np.array_equal(mask, kept[name] != 0) and np.array_equal(new[name], other[name] * mask)
    assert np.array_equal(longer["W1"], new["W1"]) and not np.array_equal(kept["W1"], new["W1"])
    assert none == {} and all(np.array_equal(dense[name], other[name]) for name in other)


# ------------------------------------------------------------------------------------------------------------ delta

def test_delta_grows_from_step_to_step(small_data, start):
    values = delta.run(small_data, start, 3, (10, 15))
    parameters = start
    for step, percent in enumerate((10, 25, 40), start=1):
        parameters = prun_mask.apply_masks(parameters, prun_mask.prune_masks(parameters, percent))
        # Retraining may change which is the weakest, not how many are pruned.
        assert abs(values[step, 0] - prun_mask.degree(parameters)) < 0.2
    assert abs(prun_mask.degree(parameters) - 59.5) < 1


def test_delta_prints_a_step_once_and_the_start_without_a_percentage(capsys):
    name = next(iter(delta.SCHEDULES))
    delta.print_runs({name: np.array([(84.5, 0.1, 99, 80), (85.2, 0.2, 98, 70)])})
    _, _, *lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines] == [["0", "84.50", "0.100000"], ["1", "5.00", "85.20"]]


# ---------------------------------------------------------------------------------------------------------- weights

def test_weights_say_how_many_of_the_largest_are_left(small_data, tmp_path):
    start = nn.initialize_parameters((144, *nn_main.LAYERS, 1), 3)
    trained = {**start, "W1": start["W1"] + np.random.RandomState(0).randn(5, 144) * 0.1}
    left = np.abs(trained["W1"]) > 0.25
    save_parameters(tmp_path / "a.npy", trained, [])
    save_parameters(tmp_path / "b.npy", {**trained, "W1": trained["W1"] * left}, [])
    text = succeed("figure.weights", "--data", small_data, "--parameters", tmp_path / "a.npy", "--pruned",
                   tmp_path / "b.npy", "--seed", 3, "--figures", tmp_path)
    number = left.sum()
    largest_at_start = np.argsort(-np.abs(start["W1"]), axis=None)[:number]
    counted = left.ravel()[largest_at_start].sum()
    assert 10 < counted < number - 10
    for among, when in ((counted, "before"), (number, "after")):
        assert (f"of the {number} connections of layer 1 that are left, {among} are among the {number} largest "
                f"{when} training\n") in text
    changed = np.median(np.abs(trained["W1"] - start["W1"]))
    assert f"training changed a weight by {changed:.4f} (median)" in text


def test_weights_of_any_size_are_in_the_histograms(drawn):
    before = np.random.RandomState(0).randn(2, 36)
    after = before * (np.abs(before) > 1) * 1.5  # retraining made them larger than any before
    weights.draw(before, before, after, (3, 4, 3), "path")
    for axes, number in zip(drawn[0].subfigs[0].axes, (72, np.count_nonzero(after))):
        assert sum(bar.get_height() for bar in axes.patches) == number


@pytest.mark.parametrize("size", [5e-324, 1e308])
def test_weights_that_cannot_be_drawn_are_one_line(size, small_data, tmp_path):
    parameters = {**nn.initialize_parameters((144, *nn_main.LAYERS, 1), 1), "W1": np.full((5, 144), size)}
    save_parameters(tmp_path / "a.npy", parameters, [])
    line = fail("figure.weights", "--data", small_data, "--parameters", tmp_path / "a.npy", "--pruned",
                tmp_path / "a.npy", "--figures", tmp_path / "figure")
    assert "a.npy: the largest weight of layer 1 is" in line and not (tmp_path / "figure").exists()


def test_weights_as_pictures():
    picture, scale = drawing.weights_as_picture(np.array([0, 1.0, -1, 0.5, 0, 0] * 2), (2, 2, 3))
    assert scale == 1 and picture.shape == (2, 2, 3)
    assert picture[0].tolist() == [[0.5, 1, 0], [np.round(0.75 * 30) / 30, 0.5, 0.5]]
    assert drawing.weights_as_picture(np.zeros(12), (2, 2, 3))[0].min() == 0.5
