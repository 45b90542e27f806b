"""The studies in figure/: each run on a small data set, and what they measure against versions written out."""

import importlib
import os
import re
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

from .conftest import ROOT, fail, not_ignoring_ctrl_c, succeed
from .test_scripts import assert_figure

WITH_FIGURE = ("delta", "far", "network", "roundings", "sensitivity", "tradeoff", "weights")
STUDIES = (*WITH_FIGURE, "keeping")


@pytest.fixture
def quick(monkeypatch):
    """All studies with few seeds, iterations and steps, and in this process, which alone knows of it."""
    monkeypatch.setattr(figure, "SEEDS", (1, 3))
    monkeypatch.setattr(figure, "in_parallel", lambda run, jobs, unit="": [run(job) for job in jobs])
    monkeypatch.setattr(nn_main, "ITERATIONS", 40)
    monkeypatch.setattr(pruning, "STEPS", 3)
    monkeypatch.setattr(far, "STEPS", 6)
    monkeypatch.setattr(far, "OTHER_STEPS", 2)
    monkeypatch.setattr(tradeoff, "MORE_ITERATIONS", 30)
    monkeypatch.setattr(tradeoff, "STEPS", 4)
    monkeypatch.setattr(keeping, "CASES", {name: (which, min(iterations, 30), rate)
                                           for name, (which, iterations, rate) in keeping.CASES.items()})
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
        options += networks if study in ("delta", "network", "sensitivity", "weights") else []
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
    results = figure.in_parallel(threads_and_square, range(9))
    assert [square for _, _, square in results] == [i**2 for i in range(9)]
    assert all(threads == "1" and process != os.getpid() for threads, process, _ in results)
    with pytest.raises(nn.InputError, match="below 0"):
        figure.in_parallel(threads_and_square, [1, -1, 2])


def test_ctrl_c_ends_a_study_in_one_line(tmp_path):
    code = ("import os, signal, sys, threading\nimport figure.far\nif __name__ == '__main__':\n"
            "    threading.Timer(4, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
            "    sys.argv[0] = 'far.py'\n    sys.exit(figure.far.main())\n")
    (tmp_path / "study.py").write_text(code)
    process = subprocess.run([sys.executable, tmp_path / "study.py"], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
                             capture_output=True, text=True, timeout=60, preexec_fn=not_ignoring_ctrl_c)
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
    start = nn.initialize_parameters((144, *nn_main.LAYERS, 1), 1)
    values, left = far.run(small_data, (start, case))
    sizes = [720, 20, 12, 6]
    steps = 6 if "1" in case or "all" in case else 2
    expected = []
    for size, name in zip(sizes, ("W1", "W2", "W3", "W4")):
        n = size
        for _ in range(steps if name in far.CASES[case] else 0):
            together = n + (size - n > 1)  # the magnitudes of which the percentile is taken
            position = 0.05 * (together - 1)
            n -= int(position) + 1 - (together - n) if position >= 1 or together == n else 0
        expected.append(n)
    assert left == expected and len(values) == steps + 1
    assert values[-1, 0] == pytest.approx(100 * (1 - sum(left) / 758)) and values[0, 0] == 0
    assert tuple(values[0, 1:]) == pruning.judge(nn.load_data(small_data), start)


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


def test_keeping_compares_at_the_same_masks(quick, small_data, monkeypatch):
    seen = []
    plain = nn.gradient_descent
    monkeypatch.setattr(nn, "gradient_descent", lambda *arguments, **named: seen.append(arguments) or plain(*arguments, **named))
    start = nn.initialize_parameters((144, *nn_main.LAYERS, 1), 1)
    values = keeping.run(small_data, (1, start))
    assert values.shape == (5, 3)
    (_, _, kept, _, n_kept, masks), (_, _, new, _, n_new, new_masks) = seen[-3][:6], seen[-2][:6]
    assert n_kept == n_new == 30 and all(np.array_equal(masks[name], new_masks[name]) for name in masks)
    assert all(np.array_equal(kept[name] != 0, new[name] != 0) for name in masks)
    other = nn.initialize_parameters((144, *nn_main.LAYERS, 1), 1001)
    assert all(np.array_equal(new[name], other[name] * masks.get(name, 1)) for name in other)
    assert not np.array_equal(kept["W1"], new["W1"])


def test_delta_grows_from_step_to_step(quick, small_data):
    start = nn.initialize_parameters((144, *nn_main.LAYERS, 1), 1)
    values = delta.run(small_data, start, (10, 15))
    parameters = start
    for step, percent in enumerate((10, 25, 40), start=1):
        parameters = prun_mask.apply_masks(parameters, prun_mask.prune_masks(parameters, percent))
        assert abs(values[step, 0] - prun_mask.degree(parameters)) < 0.2  # retraining may change which is the weakest, not how many
    assert abs(prun_mask.degree(parameters) - 59.5) < 1


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
