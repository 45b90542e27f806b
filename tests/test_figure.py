"""The studies in figure/: each run on a small data set, and what they measure against versions written out."""

import importlib
import os
import pickle
import re
import signal
import subprocess
import sys

import numpy as np
import pytest

import figure
import nn_functions as nn
import nn_main
import prun_mask
import pruning
from figure import delta, far, keeping, roundings, sensitivity, tradeoff, weights

from .conftest import ROOT, assert_figure, fail, not_ignoring_ctrl_c, succeed

WITH_FIGURE = ("delta", "far", "network", "roundings", "sensitivity", "tradeoff", "weights")
STUDIES = (*WITH_FIGURE, "keeping")


def there_and_back(value):
    """As what goes to another process does."""
    return pickle.loads(pickle.dumps(value))


@pytest.fixture
def quick(monkeypatch):
    """All studies with few seeds, iterations and steps, and in this process, which alone knows of it."""
    monkeypatch.setattr(figure, "SEEDS", (1, 3))
    monkeypatch.setattr(figure, "in_parallel", lambda run, jobs, unit="": [there_and_back(run)(there_and_back(job)) for job in jobs])
    monkeypatch.setattr(nn_main, "ITERATIONS", 40)
    monkeypatch.setattr(pruning, "STEPS", 3)
    monkeypatch.setattr(far, "CASES", {case: (names, percent, 4) for case, (names, percent, _) in far.CASES.items()})
    monkeypatch.setattr(tradeoff, "MORE_ITERATIONS", 30)
    monkeypatch.setattr(tradeoff, "STEPS", 4)
    monkeypatch.setattr(keeping, "CASES", {name: (which, min(iterations, 30), rate, in_masks)
                                           for name, (which, iterations, rate, in_masks) in keeping.CASES.items()})
    monkeypatch.setattr(roundings, "STEP_SIZES", {"large": (0.035, 30, 0.05, 3), "small": (0.0035, 60, 0.005, 2)})
    monkeypatch.setattr(roundings, "ORIGINAL", "missing")


@pytest.fixture
def networks(small_data, tmp_path):
    """The options of a small network before and after pruning."""
    before = nn.initialize_parameters((144, *nn_main.LAYERS, 1), 1)
    nn.save_parameters(tmp_path / "before.npy", before, [])
    nn.save_parameters(tmp_path / "after.npy", prun_mask.apply_masks(before, prun_mask.prune_masks(before, 60)), [])
    return ["--parameters", str(tmp_path / "before.npy"), "--pruned", str(tmp_path / "after.npy")]


@pytest.mark.parametrize("study", STUDIES)
def test_every_study_runs_and_draws_the_same_twice(study, quick, small_data, networks, tmp_path, capsys):
    module = importlib.import_module(f"figure.{study}")
    results = []
    for name in ("a", "b"):
        options = ["--data", str(small_data)]
        options += ["--figures", str(tmp_path / name)] if study in WITH_FIGURE else []
        options += networks[:{"delta": 2, "sensitivity": 2, "network": 4, "weights": 4}.get(study, 0)]
        assert module.main(options) == 0
        results.append([capsys.readouterr().out.replace(str(tmp_path / name), "")])
        if study in WITH_FIGURE:
            assert_figure(tmp_path / name / f"{study}.png")
            results[-1].append((tmp_path / name / f"{study}.png").read_bytes())
            assert f"figure/{study}.png" in module.__doc__
    assert results[0] == results[1] and (results[0][0] or study == "network")


@pytest.mark.parametrize("study", STUDIES)
def test_studies_have_help_and_one_line_errors(study, tmp_path):
    assert "default: datasets/carvnocar.h5" in succeed("-m", f"figure.{study}", "--help")
    assert fail("-m", f"figure.{study}", "--wrong") == f"{study}.py: unrecognized arguments: --wrong"
    figures = ["--figures", tmp_path] if study in WITH_FIGURE else []
    assert fail("-m", f"figure.{study}", "--data", tmp_path / "missing", *figures) == (
        f"{study}.py: {tmp_path}/missing: No such file or directory")


def threads_and_square(number):
    if number < 0:
        raise nn.InputError("below 0")
    return os.environ["OPENBLAS_NUM_THREADS"], os.getpid(), number**2


def test_parallel_runs_keep_their_order_and_have_one_thread_each(monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "7")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    results = figure.in_parallel(threads_and_square, range(9))
    assert [square for _, _, square in results] == [i**2 for i in range(9)]
    assert all(threads == "1" and process != os.getpid() for threads, process, _ in results)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(nn.InputError, match="below 0"):
        figure.in_parallel(threads_and_square, [1, -1, 2])
    assert os.environ["OPENBLAS_NUM_THREADS"] == "7" and "OMP_NUM_THREADS" not in os.environ
    assert signal.getsignal(signal.SIGINT) is handler


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_a_process_that_is_killed_is_one_line():
    with pytest.raises(nn.InputError, match="a process was killed, perhaps because the memory is full"):
        figure.in_parallel(kill_itself, [1, 2, 3])


def kill_itself(_):
    os.kill(os.getpid(), signal.SIGKILL)


def test_networks_that_do_not_belong_together_are_refused(small_data, networks, tmp_path):
    nn.save_parameters(tmp_path / "other.npy", nn.initialize_parameters((144, 6, 4, 3, 2, 1), 1), [])
    for study in ("network", "weights"):
        line = fail("-m", f"figure.{study}", "--data", small_data, *networks[:2], "--pruned", tmp_path / "other.npy",
                    "--figures", tmp_path)
        assert line == f"{study}.py: {tmp_path}/other.npy: is not {tmp_path}/before.npy pruned, its layers are of other sizes"


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize("seconds", [0.3, 4])  # while the processes start, and while they work
def test_ctrl_c_ends_a_study_in_one_line(seconds, tmp_path):
    # A terminal sends it to all processes of the group.
    code = ("import os, signal, sys, threading\nimport figure.far\nif __name__ == '__main__':\n"
            f"    threading.Timer({seconds}, os.killpg, (os.getpid(), signal.SIGINT)).start()\n"
            "    sys.argv[0] = 'far.py'\n    sys.exit(figure.far.main())\n")
    (tmp_path / "study.py").write_text(code)
    process = subprocess.run([sys.executable, tmp_path / "study.py"], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
                             capture_output=True, text=True, timeout=60, preexec_fn=not_ignoring_ctrl_c, start_new_session=True)
    assert (process.returncode, process.stderr) == (130, "far.py: interrupted\n")


def test_trained_networks_are_those_of_nn_main(small_data, monkeypatch, quick):
    X, Y, _, _ = nn.load_data(small_data)
    networks = figure.trained_networks(small_data)
    assert list(networks) == [1, 3]
    for seed, network in networks.items():
        expected, _, _ = nn_main.train(X, Y, (144, 5, 4, 3, 2, 1), 0.0035, 40, seed)
        assert all(np.array_equal(network[name], expected[name]) for name in expected)


@pytest.mark.parametrize("case", far.CASES)
def test_far_prunes_the_layers_of_its_case_alone(case, quick, small_data):
    data = X, Y, _, _ = nn.load_data(small_data)
    parameters = nn.initialize_parameters((144, *nn_main.LAYERS, 1), 1)
    values = far.run(small_data, (parameters, case))
    names, percent = {"all layers": (("W1", "W2", "W3", "W4"), 5), "layer 1 alone": (("W1",), 5),
                      "layers 2 to 4 alone": (("W2", "W3", "W4"), 50)}[case]
    for step, row in enumerate(values):
        if step:
            masks = {name: prun_mask.prune_mask(parameters[name], percent) for name in names}
            parameters, _ = nn.gradient_descent(X, Y, prun_mask.apply_masks(parameters, masks), 0.005, 220, masks)
        left = [(parameters[name] != 0).sum() for name in ("W1", "W2", "W3", "W4")]
        assert row.tolist() == pytest.approx([100 * (1 - sum(left) / 758), *pruning.judge(data, parameters), *left], abs=1e-9)
    assert len(values) == 5 and values[-1, 0] > 0


def test_roundings_of_the_steps_here_begin_with_the_recorded_run():
    settings = roundings.STEP_SIZES["steps here: 0.0035 and 0.005"]
    assert settings[:3] == (0.0035, 40000, 0.005) and sum(kind[-1] for kind in roundings.STEP_SIZES.values()) == 100
    costs, retraining_costs, values, AL = roundings.run(ROOT / "datasets" / "carvnocar.h5", (settings, 0))
    record = nn.load_dict(ROOT / "datasets" / "degree_costs.npy")
    committed = nn.load_dict(ROOT / "datasets" / "parameters.npy")["costs"]
    assert np.abs(costs - committed).max() < 1e-9 and len(retraining_costs) == 39 * 220
    assert values[1:, 1].tolist() == record["train_accuracy"] and values[1:, 2].tolist() == record["test_accuracy"]
    assert np.abs(values[1:, 0] - record["costs"]).max() < 1e-9
    assert not values[:, 3].any() and AL.shape == (1, 181)


def test_roundings_start_at_most_1e_12_apart(quick, small_data, monkeypatch):
    jobs = []
    monkeypatch.setattr(figure, "in_parallel", lambda run, given, unit="": jobs.extend(given) or [run(job) for job in given])
    assert roundings.main(["--data", str(small_data), "--figures", str(small_data.parent)]) == 0
    for settings in roundings.STEP_SIZES.values():
        perturbations = [perturbation for of_job, perturbation in jobs if of_job == settings]
        assert len(set(perturbations)) == settings[-1] and perturbations[0] == 0 and 0 < max(perturbations) <= 1e-12


@pytest.mark.parametrize("alike, step", [([0, 0, 0], None), ([0, 0, 1], 2), ([0, 1, 1], 1), ([1, 1, 1], 0), ([1, 1, 0], None),
                                         ([1, 0, 1], 2)])
def test_a_collapse_begins_where_it_never_ends(alike, step):
    values = np.zeros((3, 4))
    values[:, 3] = alike
    assert roundings.collapse(values) == step


def test_rises_are_counted():
    assert roundings.rises(np.array([1, 0.9, 0.93, 0.94, 0.5, 0.6])) == "2 rises of more than 0.02, the first at iteration 1"
    assert roundings.rises(np.array([1, 0.9])) == "0 rises of more than 0.02"


def test_rises_of_the_originals_trace(original):
    costs = np.array(nn.load_dict(original / "parameters.npy")["costs"], float)
    assert roundings.rises(costs) == "202 rises of more than 0.02, the first at iteration 1625"


@pytest.mark.parametrize("content", [{"W1": np.ones(3)}, {"costs": ["x"]}, {"costs": []}])
def test_a_trace_that_is_none_is_one_line(content, tmp_path):
    nn.save_dict(tmp_path / "a.npy", content)
    with pytest.raises(nn.InputError, match="a.npy: holds no costs of training"):
        roundings.stored_costs(tmp_path / "a.npy")
    nn.save_dict(tmp_path / "a.npy", {"costs": [np.array(1.5), 2.5]})  # as the original has them
    assert roundings.stored_costs(tmp_path / "a.npy").tolist() == [1.5, 2.5]


def test_sensitivity_prunes_one_layer_weakest_first(small_data, monkeypatch):
    data = X, Y, _, _ = nn.load_data(small_data)
    parameters = nn.initialize_parameters((144, 5, 4, 1), 1)
    values = sensitivity.prune_alone(data, parameters, "W2")
    assert values[:, 0] == pytest.approx(np.arange(21) * 5)
    weakest = sorted(np.abs(parameters["W2"]).ravel())
    for gone, (_, cost, train_accuracy, _) in enumerate(values):
        W2 = np.array([[0 if abs(w) in weakest[:gone] else w for w in row] for row in parameters["W2"]])
        AL = nn.predict(X, {**parameters, "W2": W2})
        assert cost == pytest.approx(nn.compute_cost(AL, Y).item()) and train_accuracy == nn.accuracy(AL, Y)
    monkeypatch.setattr(sensitivity, "MOST_POINTS", 10)
    assert len(sensitivity.prune_alone(data, parameters, "W1")) == 11


def test_tradeoff_trains_and_retrains_with_its_penalty(quick, small_data):
    start = nn.initialize_parameters((144, *nn_main.LAYERS, 1), 1)
    data = X, Y, _, _ = nn.load_data(small_data)
    for kind, penalty in (("L1", {"l1": 0.01}), ("L2", {"l2": 0.1})):
        points = tradeoff.run(small_data, (start, kind))
        held, _ = nn.gradient_descent(X, Y, start, 0.0035, 30, **penalty)
        masks = prun_mask.prune_masks(held, 80)
        pruned = prun_mask.apply_masks(held, masks)
        retrained, _ = nn.gradient_descent(X, Y, pruned, 0.005, 220, masks, **penalty)
        at = 1 + tradeoff.DEGREES.index(80)
        for way, network in ((f"{kind}, without retraining", pruned), (f"{kind}, with retraining", retrained)):
            assert tuple(points[way][at]) == (prun_mask.degree(network), *pruning.judge(data, network)[1:])
            assert len(points[way]) == 1 + len(tradeoff.DEGREES)
        assert ("L2, iterative pruning and retraining" in points) == (kind == "L2")
        for _ in range(4 if kind == "L2" else 0):
            masks = prun_mask.prune_masks(held, 5)
            held, _ = nn.gradient_descent(X, Y, prun_mask.apply_masks(held, masks), 0.005, 220, masks, **penalty)
    assert tuple(points["L2, iterative pruning and retraining"][-1]) == (prun_mask.degree(held), *pruning.judge(data, held)[1:])


def test_tradeoff_prints_changes_from_before_the_penalty(monkeypatch, capsys):
    monkeypatch.setattr(tradeoff, "DEGREES", (50,))
    points = [{"way": np.array([[0.0, 90, 80], [50.2, 70 + k, 60]])} for k in (0, 4, 1)]
    changes = tradeoff.changes_of(points, [(100, 80), (90, 70), (95, 90)])
    tradeoff.print_changes(changes)
    assert [line for line in capsys.readouterr().out.splitlines() if "way" in line] == [
        "| way | -5.0 (-10.0 to 0.0) | -24.0 (-30.0 to -16.0) |", "| way | 0.0 (-10.0 to 10.0) | -20.0 (-30.0 to -10.0) |"]


@pytest.mark.parametrize("accuracies, words", [
    ([100, 96, 95], "never are more than 5 points of training accuracy lost"),
    ([100, 94, 90], "more than 5 points of training accuracy are lost first at 10.0 %, for good from 10.0 %"),
    ([100, 94, 96, 90], "more than 5 points of training accuracy are lost first at 10.0 %, for good from 30.0 %"),
    ([100, 94, 99], "more than 5 points of training accuracy are lost first at 10.0 %, not for good")])
def test_sensitivity_says_where_accuracy_is_lost(accuracies, words):
    values = np.array([(10 * i, 0, accuracy, 0) for i, accuracy in enumerate(accuracies)])
    assert sensitivity.where_lost(values) == words


def test_far_perturbs_the_first_bias_of_each_network(quick, small_data, monkeypatch):
    seen = []
    monkeypatch.setattr(far, "print_runs", lambda *arguments: None)
    monkeypatch.setattr(figure, "in_parallel", lambda run, jobs, unit="": [seen.append(job) or run(job) for job in jobs])
    for size in (0, 0.25):
        assert far.main(["--data", str(small_data), "--figures", str(small_data.parent), "--perturbation", str(size)]) == 0
    networks = [job[0] for job in seen if isinstance(job, tuple)]
    half = len(networks) // 2
    for whole, perturbed in zip(networks[:half], networks[half:]):
        assert perturbed["b1"][0] == whole["b1"][0] + 0.25 and np.array_equal(perturbed["b1"][1:], whole["b1"][1:])
        assert all(np.array_equal(perturbed[name], whole[name]) for name in whole if name != "b1")
    assert half == 6


def test_far_prints_how_far_it_goes(monkeypatch, capsys):
    monkeypatch.setattr(figure, "SEEDS", (7, 8, 9))
    runs = np.array([[(0, 0.1, 99, 80, 9, 8), (5, 0.2, 98, 70, 8, 7), (9, 1.5, 90, 60, 7, 6), (12, 0.2, 97 - k, 65 + k, 6, 5)]
                     for k in (0, 1, 5)])
    far.print_runs("case", runs)
    far.print_medians("case", runs, [0, 3])
    lines = capsys.readouterr().out.splitlines()
    assert lines[3].split() == "7 99.00 / 80.00 97.00 / 65.00 at 12.000 % 6-5 5.000 12.000 1.50".split()
    assert lines[4].split()[-3:] == ["5.000", "5.000", "1.50"]
    assert lines[-1] == "| 12.000 % | 6-5 | 96.00 % (92.00 to 97.00) | 66.00 % (65.00 to 70.00) |"


def test_keeping_compares_at_the_same_masks(quick, small_data, monkeypatch):
    seen = []
    plain = nn.gradient_descent
    monkeypatch.setattr(nn, "gradient_descent", lambda *arguments, **named: seen.append(arguments) or plain(*arguments, **named))
    start = nn.initialize_parameters((144, *nn_main.LAYERS, 1), 1)
    data = nn.load_data(small_data)
    values = keeping.run(small_data, (1, start))
    assert values.shape == (6, 3) and tuple(values[0]) == pruning.judge(data, start)
    trained = [plain(*arguments, gram=nn.GramMatrices(data[0]))[0] for arguments in seen[2:]]
    for row, network in zip((2, 3, 4, 5), trained):
        assert values[row] == pytest.approx(pruning.judge(data, network), abs=1e-9)
    assert values[1] == pytest.approx(pruning.judge(data, seen[2][2]), abs=1e-9)
    assert len(seen) == 2 + 4  # two whole steps, and the last in the four cases that train
    (_, _, kept, *how, masks), (_, _, new, *new_how, new_masks), (_, _, longer, *_, longer_masks), (_, _, dense, *_, none) = seen[2:]
    assert how == new_how == [0.005, 30]
    other = nn.initialize_parameters((144, *nn_main.LAYERS, 1), 1001)
    for name, mask in masks.items():
        assert np.array_equal(mask, new_masks[name]) and np.array_equal(mask, longer_masks[name])
        assert np.array_equal(mask, kept[name] != 0) and np.array_equal(new[name], other[name] * mask)
    assert np.array_equal(longer["W1"], new["W1"]) and not np.array_equal(kept["W1"], new["W1"])
    assert none == {} and all(np.array_equal(dense[name], other[name]) for name in other)


def test_delta_grows_from_step_to_step(quick, small_data):
    start = nn.initialize_parameters((144, *nn_main.LAYERS, 1), 1)
    values = delta.run(small_data, start, (10, 15))
    parameters = start
    for step, percent in enumerate((10, 25, 40), start=1):
        parameters = prun_mask.apply_masks(parameters, prun_mask.prune_masks(parameters, percent))
        assert abs(values[step, 0] - prun_mask.degree(parameters)) < 0.2  # retraining may change which is the weakest, not how many
    assert abs(prun_mask.degree(parameters) - 59.5) < 1


def test_weights_say_how_many_of_the_largest_are_left(small_data, tmp_path):
    start = nn.initialize_parameters((144, *nn_main.LAYERS, 1), 3)
    trained = {**start, "W1": start["W1"] + np.random.RandomState(0).randn(5, 144) * 0.1}
    left = np.abs(trained["W1"]) > 0.25
    nn.save_parameters(tmp_path / "a.npy", trained, [])
    nn.save_parameters(tmp_path / "b.npy", {**trained, "W1": trained["W1"] * left}, [])
    text = succeed("-m", "figure.weights", "--data", small_data, "--parameters", tmp_path / "a.npy", "--pruned",
                   tmp_path / "b.npy", "--seed", 3, "--figures", tmp_path)
    number = left.sum()
    largest_at_start = np.argsort(-np.abs(start["W1"]), axis=None)[:number]
    counted = left.ravel()[largest_at_start].sum()
    assert 10 < counted < number - 10
    assert f"of the {number} connections of layer 1 that are left, {counted} are among the {number} largest before training" in text
    assert f"of the {number} connections of layer 1 that are left, {number} are among the {number} largest after training" in text
    changed = np.median(np.abs(trained["W1"] - start["W1"]))
    assert f"training changed a weight by {changed:.4f} (median)" in text


def test_weights_of_any_size_are_in_the_histograms(monkeypatch):
    figures = []
    monkeypatch.setattr(nn, "save_figure", lambda drawing, path, show: figures.append(drawing))
    before = np.random.RandomState(0).randn(2, 36)
    after = before * (np.abs(before) > 1) * 1.5  # retraining made them larger than any before
    weights.draw(before, before, after, (3, 4, 3), "path")
    for axes, number in zip(figures[0].subfigs[0].axes, (72, np.count_nonzero(after))):
        assert sum(bar.get_height() for bar in axes.patches) == number


def test_weights_as_pictures():
    picture, scale = weights.as_picture(np.array([0, 1.0, -1, 0.5, 0, 0] * 2), (2, 2, 3))
    assert scale == 1 and picture.shape == (2, 2, 3)
    assert picture[0].tolist() == [[0.5, 1, 0], [np.round(0.75 * 30) / 30, 0.5, 0.5]]
    assert weights.as_picture(np.zeros(12), (2, 2, 3))[0].min() == 0.5


def test_committed_figures_of_the_studies_are_small_and_shown():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for study in WITH_FIGURE:
        path = ROOT / "figure" / f"{study}.png"
        assert_figure(path)
        assert path.stat().st_size < 300_000
        assert f"(figure/{study}.png)" in readme
    assert all(f"python -m figure.{study}" in readme for study in STUDIES)
    assert set(re.findall(r"\]\((figure/\w+\.png)\)", readme)) <= {f"figure/{path.name}" for path in (ROOT / "figure").glob("*.png")}
