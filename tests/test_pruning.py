"""The main job: its steps done again with the functions, its options, and when it ends."""

import functools
import itertools
import re

import numpy as np
import pytest

import nn_functions as nn
import prun_mask
import pruning
from datasets import record
from datasets.networks import load_parameters, save_parameters
from datasets.npy import load_dict
from datasets.pictures import load_data
from figure import drawing

from .conftest import assert_figure, contents, fail, run, succeed, write_data

# ---------------------------------------------------------------------------------------------------------- the loop

def start(data):
    return nn.initialize_parameters((len(data.X_train), 5, 4, 3, 2, 1), 1)


def steps_done_again(data, parameters, masks_of, steps, **descent):
    """The loop written out: a list of (pruned, retrained, costs)."""
    done = []
    for step in range(1, steps + 1):
        masks = masks_of(step, parameters)
        pruned = prun_mask.apply_masks(parameters, masks)
        parameters, costs = nn.gradient_descent(data.X_train, data.Y_train, pruned, 0.005, 220, masks, **descent)
        done.append((pruned, parameters, costs))
    return done


def test_the_loop_prunes_and_retrains_step_by_step(small_data):
    data = load_data(small_data)

    def masks_of(_, parameters):
        return prun_mask.make_masks(parameters, 5)

    steps = list(itertools.islice(pruning.prune_iteratively(data, start(data), masks_of), 3))
    expected = steps_done_again(data, start(data), masks_of, 3)
    assert [step.number for step in steps] == [1, 2, 3]
    for step, (pruned, parameters, costs) in zip(steps, expected):
        assert all(np.array_equal(step.pruned[name], pruned[name]) for name in pruned)
        assert all(np.allclose(step.parameters[name], parameters[name], rtol=0, atol=1e-12) for name in parameters)
        assert np.allclose(step.costs, costs, rtol=0, atol=1e-12)


def test_the_loop_asks_its_caller_for_masks_and_stops_at_none(small_data):
    data, asked = load_data(small_data), []

    def masks_of(step, parameters):
        asked.append((step, parameters))
        return prun_mask.make_masks(parameters, 10 * step) if step < 7 else None

    steps = list(pruning.prune_iteratively(data, start(data), masks_of, first_step=5, iterations=3, l2=0.1))
    assert [step for step, _ in asked] == [5, 6, 7] and [step.number for step in steps] == [5, 6]
    assert asked[1][1] is steps[0].parameters and asked[2][1] is steps[1].parameters
    assert len(steps[0].costs) == 3 and 0.45 < (steps[0].pruned["W1"] == 0).mean() < 0.55


# -------------------------------------------------------------------------------------------------- the small run

@pytest.fixture(scope="module")
def small_run(trained):
    """The data of the small run, its unpruned network, and its steps done again: pruned and retrained networks."""
    data = load_data(trained / "small.h5")
    unpruned = load_parameters(trained / "out" / "parameters.npy", 144)
    steps = pruning.prune_iteratively(data, unpruned, lambda _, parameters: prun_mask.make_masks(parameters, 10),
                                      iterations=30)
    return data, unpruned, list(itertools.islice(steps, 4))


def test_every_network_is_saved(trained, small_run):
    folder = trained / "out" / "prun_parameter"
    assert sorted(path.name for path in folder.iterdir()) == [f"prun_parameters{step}.npy" for step in range(1, 5)]
    for step in small_run[2]:
        saved = load_dict(folder / f"prun_parameters{step.number}.npy")
        assert list(saved) == [*step.parameters, "costs"] and np.array_equal(saved["costs"], step.costs)
        assert all(np.array_equal(saved[name], value) for name, value in step.parameters.items())
        assert all((saved[name][step.pruned[name] == 0] == 0).all() for name in ("W1", "W2", "W3", "W4"))


def test_networks_that_an_earlier_run_left_are_named(pruning_command, tmp_path):
    command = [*pruning_command, "--iterations", 2, "--out", tmp_path / "out"]
    assert "earlier run" not in succeed(*command, "--steps", 3)
    text = succeed(*command, "--percent", 10, "--steps", 1)
    left = tmp_path / "out" / "prun_parameter" / "prun_parameters2.npy"
    assert f"\n{left} and those after it are of an earlier run\n" in text and left.exists()


def test_the_record_holds_degree_cost_and_accuracies(trained, small_run):
    data, _, steps = small_run
    saved = load_dict(trained / "out" / "degree_costs.npy")
    expected = [(prun_mask.degree(step.parameters), *nn.evaluate(data, step.parameters)) for step in steps]
    assert list(zip(*(saved[name] for name in record.VALUES))) == expected


def test_the_table_is_printed(trained, small_run):
    data, unpruned, steps = small_run
    text = (trained / "pruning.py.txt").read_text()
    rows = {line.split()[0]: [float(value) for value in line.split()[1:7]] for line in text.splitlines()
            if line.split()[:1] and line.split()[0] in ("unpruned", "1", "2", "3", "4")}
    before = nn.evaluate(data, unpruned)
    assert rows["unpruned"] == pytest.approx((0, before.train_accuracy, before.test_accuracy, before.cost), abs=0.01)
    for step in steps:
        pruned, retrained = nn.evaluate(data, step.pruned), nn.evaluate(data, step.parameters)
        assert rows[str(step.number)] == pytest.approx(
            (prun_mask.degree(step.parameters), *pruned[1:], *retrained[1:], retrained.cost), abs=0.01)
    assert f"last step: 4, with {prun_mask.degree(steps[-1].parameters):.3f} % of the weights pruned: " in text
    assert f"\ntrain accuracy: {retrained.train_accuracy:.2f} % (always " in text
    assert f"\ntest accuracy: {retrained.test_accuracy:.2f} % (always " in text
    assert f"(unpruned: train {before.train_accuracy:.2f} %, test {before.test_accuracy:.2f} %)" in text
    assert_figure(trained / "figure" / "degree_costs.png")


@pytest.mark.parametrize("shares", [(60.0, 65.0), (60.0, 60.0)])
def test_the_figure_shows_the_record_and_the_commoner_label(shares, monkeypatch):
    figures = []
    monkeypatch.setattr(drawing, "save_figure", lambda figure, path, show: figures.append(figure))
    run = {"degree": [1.0, 2], "costs": [3.0, 4], "train_accuracy": [90.0, 80], "test_accuracy": [70.0, 60]}
    pruning.draw_record(run, nn.Evaluation(0.5, 95.0, 75.0), ("always", *shares), "path")
    above, below = figures[0].axes
    for axes, curves in ((above, {"pruned and retrained": [3, 4], "unpruned": [0.5]}),
                         (below, {"training": [90, 80], "training, unpruned": [95], "test": [70, 60],
                                  "test, unpruned": [75]})):
        lines = {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}
        always = {label: lines.pop(label) for label in [*lines] if label.startswith("always")}
        assert {label: list(line.get_ydata()) for label, line in lines.items()} == curves
        assert all(list(line.get_xdata()) == ([0] if "unpruned" in label else [1, 2]) for label, line in lines.items())
    expected = {"always, training": 60, "always, test": 65} if shares == (60, 65) else {"always": 60}
    assert {label: {*line.get_ydata()} for label, line in always.items()} == {
        label: {share} for label, share in expected.items()}
    assert {text.get_text() for text in below.get_legend().get_texts()} == {*curves, *expected}


def test_the_same_command_gives_the_same_bytes(trained, tmp_path):
    prune(trained, tmp_path, "--steps", 4, "--percent", 10)
    assert {path: content for path, content in contents(tmp_path).items() if path.suffix == ".npy"} == {
        path: content for path,
        content in contents(trained / "out").items() if path.name not in ("data.npy", "parameters.npy")}


# ---------------------------------------------------------------------------------------------------------- options

def prune(trained, out, *options, parameters=None):
    """Run pruning.py on the small data set. Returns what it printed, its record, and its networks."""
    text = succeed("pruning.py", "--data", trained / "small.h5", "--parameters",
                   parameters or trained / "out" / "parameters.npy",
                   "--iterations", 30, "--out", out, "--figures", out, *options)
    saved = load_dict(out / "degree_costs.npy")
    networks = [load_parameters(record.network_file(out, step), 144) for step in range(1, len(saved["degree"]) + 1)]
    return text, saved, networks


@pytest.mark.parametrize("criterion, option, amount", [("percentile", "--percent", 10), ("global", "--percent", 20),
                                                       ("std", "--quality", 0.4)])
def test_criteria(trained, tmp_path, criterion, option, amount):
    _, saved, networks = prune(trained, tmp_path, "--criterion", criterion, option, amount, "--steps", 3)
    unpruned = load_parameters(trained / "out" / "parameters.npy", 144)
    steps = pruning.prune_iteratively(
        load_data(trained / "small.h5"), unpruned,
        lambda _, parameters: prun_mask.make_masks(parameters, amount, criterion, unpruned), iterations=30)
    for network, degree, step in zip(networks, saved["degree"], steps):
        assert all(np.array_equal(network[name], step.parameters[name]) for name in network)
        assert degree == prun_mask.degree(step.parameters)
    assert saved["degree"][0] > 0 and saved["degree"] == sorted(saved["degree"])


@pytest.mark.parametrize("option", ["l1", "l2"])
def test_regularisation_of_retraining(trained, tmp_path, option):
    _, saved, (network,) = prune(trained, tmp_path, f"--{option}", 0.02, "--steps", 1)
    data, unpruned = load_data(trained / "small.h5"), load_parameters(trained / "out" / "parameters.npy", 144)
    masks = prun_mask.make_masks(unpruned, 5)
    expected, _ = nn.gradient_descent(data.X_train, data.Y_train, prun_mask.apply_masks(unpruned, masks), 0.005, 30,
                                      masks,
                                      **{option: 0.02})
    assert all(np.allclose(network[name], expected[name], rtol=0, atol=1e-12) for name in network)
    # The record's cost is of the pictures alone, so that networks can be compared.
    assert saved["costs"][0] == pytest.approx(nn.evaluate(data, expected).cost, abs=1e-12)


@pytest.fixture
def rare(tmp_path):
    """A folder with a network that finds the one car in 20 pictures."""
    write_data(tmp_path / "rare.h5", y_train=np.arange(20) == 7, y_test=np.arange(8) == 1)
    succeed("nn_main.py", "--data", "rare.h5", "--init", "he", "--layers", 6, 4, "--learning-rate", 0.05,
            "--iterations", 2000, cwd=tmp_path)
    return tmp_path


def test_a_collapse_is_marked_and_said_and_beyond_every_tolerance(rare):
    """Though the network that says "no car" to everything has an accuracy of 95 %."""
    command = ("pruning.py", "--data", "rare.h5", "--percent", 60)
    text = succeed(*command, "--tolerance", 100, cwd=rare)
    step = len(load_dict(rare / "out" / "degree_costs.npy")["degree"])
    data = load_data(rare / "rare.h5")
    verdicts = [nn.predict(data.X_train, load_parameters(record.network_file(rare / "out", number), 144)) > 0.5
                for number in range(1, step + 1)]
    assert [said.any() for said in verdicts] == [True] * (step - 1) + [False] and step > 2
    assert re.search(rf"^ +{step} .* 95\.00 .*  all judged alike$", text, re.M) and text.count("all judged alike") == 1
    assert f"last good step: {step - 1}, with" in text
    assert 'train accuracy: 100.00 % (always "no car": 95.00 %); cars: 1 found, 0 missed; 0 false alarms' in text
    assert 'train accuracy: 95.00 % (always "no car": 95.00 %); cars: 0 found, 1 missed; 0 false alarms' in text
    assert (f"collapsed: after 1 of {step} steps, the first of them step {step}, every training picture gets the same "
            "verdict\n") in text
    more = succeed(*command, "--tolerance", 100, "--steps", step + 2, "--resume", cwd=rare)
    assert f"last good step: {step - 1}, with" in more and "collapsed: after 1 of" in more
    assert f"collapsed: after 3 of {step + 2} steps" in succeed(*command, "--steps", step + 2, "--resume", cwd=rare)


def test_a_tolerance_needs_a_network_that_has_learned_something(rare):
    parameters = load_parameters(rare / "out" / "parameters.npy", 144)
    save_parameters(rare / "p.npy", {**parameters, "b3": parameters["b3"] - 100}, [])
    line = fail("pruning.py", "--data", "rare.h5", "--parameters", "p.npy", "--tolerance", 5, cwd=rare)
    assert line == "pruning.py: p.npy: --tolerance needs a network that has learned something"
    assert not (rare / "out" / "degree_costs.npy").exists()


def test_numbers_that_go_bad_stop_it_and_overwrite_nothing(pruning_command, tmp_path):
    command = [*pruning_command, "--out", tmp_path / "out", "--figures", tmp_path / "out"]
    succeed(*command, "--steps", 2, "--iterations", 20)
    before = contents(tmp_path)
    line = fail(*command, "--learning-rate", 1e200)
    assert "the cost is nan at iteration" in line and contents(tmp_path) == before


def test_a_network_whose_cost_is_not_finite_is_not_saved(pruning_command, tmp_path):
    line = fail(*pruning_command, "--learning-rate", "1e300", "--iterations", 1, "--out", tmp_path / "out", "--figures",
                tmp_path / "out")
    assert line == "pruning.py: the cost of the network is nan: its weights are too large; try a smaller learning rate"
    assert contents(tmp_path / "out") == {}


def test_standard_deviations_that_overflow_are_no_warning(pruning_command, tmp_path):
    parameters = load_parameters(tmp_path / "p.npy", 144)
    save_parameters(tmp_path / "p.npy", {**parameters, "W1": parameters["W1"] * 1e300}, [])
    succeed(*pruning_command, "--criterion", "std", "--steps", 1, "--iterations", 2, "--out", tmp_path / "out",
            "--figures", tmp_path / "out")


def test_a_layer_is_never_emptied(pruning_command, tmp_path):
    text = succeed(*pruning_command, "--criterion", "std", "--quality", "1e300", "--steps", 2, "--iterations", 2,
                   "--out", tmp_path / "out", "--figures", tmp_path / "out")
    assert "step 1 would empty W1: its last connection is kept" in text
    last = load_parameters(record.network_file(tmp_path / "out", 2), 144)
    assert [np.count_nonzero(last[f"W{l}"]) for l in (1, 2, 3, 4)] == [1, 1, 1, 1]


# -------------------------------------------------------------------------------------------------------- tolerance

@pytest.fixture(scope="module")
def accurate(trained, tmp_path_factory):
    """A run that prunes a network of 100 % accuracy until more than one picture of 20 is wrong."""
    folder = tmp_path_factory.mktemp("accurate")
    succeed("nn_main.py", "--data", trained / "small.h5", "--layers", 5, 4, "--seed", 3, "--iterations", 1500,
            "--learning-rate", 0.05, "--out", folder, "--figures", folder)
    pruned = functools.partial(prune, trained, parameters=folder / "parameters.npy")
    options = ("--percent", 30, "--learning-rate", 1e-9)
    whole = folder / "whole"
    return pruned, options, whole, pruned(whole, *options, "--tolerance", 5)


def test_tolerance_goes_on_until_the_accuracy_falls(trained, accurate):
    _, _, whole, (text, saved, networks) = accurate
    data = load_data(trained / "small.h5")
    accuracies = [nn.evaluate(data, network).train_accuracy for network in networks]
    assert accuracies == saved["train_accuracy"] and "(unpruned: train 100.00 %, " in text
    assert min(accuracies[:-1]) == 95 and accuracies[-1] < 95
    good = len(accuracies) - 1
    assert f"last good step: {good}, with {saved['degree'][good - 1]:.3f} % of the weights pruned" in text
    assert f"{whole}/prun_parameter/prun_parameters{good}.npy\n" in text


def test_tolerance_and_resume(accurate, tmp_path):
    pruned, options, whole, (text, saved, _) = accurate
    good_step = next(line for line in text.splitlines() if line.startswith("last good step: ")).split(":")[1]
    pruned(tmp_path, *options, "--steps", 2)
    for _ in range(2):  # goes on to the same end; and once it is over, adds nothing
        again, _, _ = pruned(tmp_path, *options, "--tolerance", 5, "--resume")
        assert (tmp_path / "degree_costs.npy").read_bytes() == (whole / "degree_costs.npy").read_bytes()
        assert f"last good step:{good_step}" in again
    # Where a run without tolerance has gone too far already, --resume finds the place.
    further, _, _ = pruned(tmp_path, *options, "--steps", len(saved["degree"]) + 2, "--resume")
    again, longer, _ = pruned(tmp_path, *options, "--tolerance", 5, "--resume")
    assert f"last good step:{good_step}" in again and len(longer["degree"]) == len(saved["degree"]) + 2
    assert "last good" not in further


def test_steps_are_a_limit_beside_tolerance(accurate, tmp_path):
    pruned, options, _, _ = accurate
    text, saved, _ = pruned(tmp_path, *options, "--tolerance", 5, "--steps", 2)
    assert len(saved["degree"]) == 2 and "last good step: 2, " in text


def test_a_run_by_tolerance_ends_where_a_step_would_prune_nothing(trained, tmp_path):
    one_pixel = {"W1": np.linspace(1e-5, 1e-4, 144)[None], "b1": np.zeros((1, 1)), "W2": np.ones((1, 1)),
                 "b2": np.full((1, 1), -5.0)}
    one_pixel["W1"][0, 0] = 10  # which alone decides
    save_parameters(tmp_path / "one.npy", one_pixel, [])
    text, _, networks = prune(trained, tmp_path, "--percent", 60, "--tolerance", 100, "--learning-rate", 1e-9,
                              parameters=tmp_path / "one.npy")
    assert np.array_equal(networks[-1]["W1"] != 0, one_pixel["W1"] == 10)
    assert f"step {len(networks) + 1} would prune nothing\n" in text
    assert f"last good step: {len(networks)}, " in text
    text = succeed("pruning.py", "--data", trained / "small.h5", "--parameters", tmp_path / "one.npy",
                   "--criterion", "std", "--quality", 1e-9, "--tolerance", 100, "--out", tmp_path / "none",
                   "--figures", tmp_path)
    assert "step 1 would prune nothing\n" in text and "last good step: none" in text
    assert contents(tmp_path / "none") == {}


@pytest.mark.parametrize("accuracies, steps, tolerance, over", [
    ([], 2, None, False), ([90, 90], 2, None, True), ([90], None, 10, False), ([90, 89], None, 10, True),
    ([89, 90], None, 10, True), ([90, 89], 5, None, False)])
def test_when_a_run_is_over(accuracies, steps, tolerance, over):
    assert pruning.is_over(accuracies, 100, steps, tolerance) == over


def test_the_bits_do_not_depend_on_the_number_of_threads(tmp_path):
    """The recorded run's data and network, with one and with two threads allowed to BLAS."""
    for threads in ("1", "2"):
        out = tmp_path / threads
        for command in (["nn_main.py", "--iterations", 300], ["pruning.py", "--steps", 3]):
            succeed(*command, "--out", out, "--figures", out, run=run, OPENBLAS_NUM_THREADS=threads,
                    MKL_NUM_THREADS=threads)
    one, two = (contents(tmp_path / threads) for threads in ("1", "2"))
    different = {path.name for path in one if one[path] != two[path]}
    assert one.keys() == two.keys() and different <= {"data.npy"}  # which holds a time
