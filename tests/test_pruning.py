"""The main job: its steps done again with the functions, its options, and when it ends."""

import itertools
import re

import numpy as np
import pytest
import threadpoolctl

import nn_functions as nn
import prun_mask
import pruning
from datasets import record
from datasets.networks import load_parameters, save_parameters
from datasets.npy import load_dict
from datasets.pictures import Data, load_data
from figure import drawing

from .conftest import assert_figure, contents, fail, succeed, write_data

pytestmark = pytest.mark.usefixtures("light_figures")

# ---------------------------------------------------------------------------------------------------------- the loop

def start(data):
    return nn.initialize_parameters((len(data.X_train), 5, 4, 3, 2, 1), 1)


def steps_of(number, data, masks_of, parameters=None, **settings):
    steps = pruning.prune_iteratively(data, parameters or start(data), masks_of, **settings)
    return list(itertools.islice(steps, number))


def five_percent(_, parameters):
    return prun_mask.make_masks(parameters, 5)


def test_the_loop_prunes_and_retrains_step_by_step(small_data):
    data = load_data(small_data)
    parameters, steps = start(data), steps_of(3, data, five_percent)
    assert [step.number for step in steps] == [1, 2, 3]
    for step in steps:
        masks = prun_mask.make_masks(parameters, 5)
        pruned = prun_mask.apply_masks(parameters, masks)
        parameters, costs = nn.gradient_descent(data.X_train, data.Y_train, pruned, 0.005, 220, masks)
        assert all(np.allclose(step.pruned[name], pruned[name], rtol=0, atol=1e-12) for name in pruned)
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


def test_masks_filled_into_one_array_give_the_bits_of_new_ones(small_data):
    data = load_data(small_data)
    parameters, mask = start(data), np.ones((5, 144), bool)

    def in_one_array(_, parameters):
        mask[:] = prun_mask.make_masks(parameters, 5)["W1"]
        return {"W1": mask}

    reused, new = (steps_of(8, data, masks_of, parameters, method="gram", iterations=20) for masks_of in (
        in_one_array, lambda _, parameters: {"W1": prun_mask.make_masks(parameters, 5)["W1"]}))
    for one, other in zip(reused, new):
        assert np.array_equal(one.costs, other.costs)
        assert all(np.array_equal(one.parameters[name], other.parameters[name]) for name in parameters)


@pytest.mark.parametrize("descent", [{}, {"descent": nn.minibatch_descent, "batch": 6, "seed": 1}])
def test_masks_of_0_and_1_give_the_bits_of_bool_and_others_are_refused(small_data, descent):
    data = load_data(small_data)
    mask = np.random.RandomState(0).rand(5, 144) < 0.5

    def retrained(mask):
        return steps_of(1, data, lambda *_: {"W1": mask}, iterations=20, **descent)[0].parameters

    expected = retrained(mask)
    for kind in (np.uint8, int, np.float32):
        assert all(np.array_equal(value, expected[name]) for name, value in retrained(mask.astype(kind)).items())
    for wrong, text in ((mask * 0.5, "other values than 0 and 1"), (mask[:, :9], "the mask of W1 has shape")):
        with pytest.raises(ValueError, match=text):
            retrained(wrong)


def test_a_run_of_several_steps_sees_all_pictures():
    """A pixel that only one picture has: its weight tells whether the picture was seen."""
    X, Y = np.eye(400), (np.arange(400) % 2)[None]
    parameters = {"W1": np.ones((1, 400)), "b1": np.ones((1, 1)), "W2": np.full((1, 1), 0.1), "b2": np.zeros((1, 1))}
    settings = {"iterations": 4, "batch": 20, "seed": 1, "descent": nn.minibatch_descent}  # a fifth of them in a step
    last = steps_of(20, Data(X, Y, X, Y), lambda *_: {}, parameters, **settings)[-1].parameters
    assert np.mean(last["W1"] != 1) > 0.97


@pytest.mark.parametrize("pictures, batch, threads", [(181, None, 1), (1001, None, 2), (1001, 64, 1)])
def test_few_pictures_have_one_blas_thread_in_each_descent(pictures, batch, threads):
    seen, data = [], Data(np.zeros((3, pictures)), np.zeros((1, pictures)), None, None)

    def descent(X, Y, parameters, *_, **settings):
        seen.append({pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"})
        return parameters, np.zeros(1)

    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        steps_of(2, data, lambda *_: {}, {"W1": np.zeros((1, 3)), "b1": np.zeros((1, 1))}, descent=descent,
                 **({"batch": batch} if batch else {}))
    assert seen == [{threads}] * 2


# -------------------------------------------------------------------------------------------------- the small run

def test_every_network_and_the_record_are_saved_and_printed(trained):
    data, unpruned = load_data(trained / "small.h5"), load_parameters(trained / "out" / "parameters.npy", 144)
    steps = steps_of(4, data, lambda _, parameters: prun_mask.make_masks(parameters, 10), unpruned, iterations=30)
    folder, text = trained / "out" / "prun_parameter", (trained / "pruning.py.txt").read_text()
    assert sorted(path.name for path in folder.iterdir()) == [f"prun_parameters{step}.npy" for step in range(1, 5)]
    rows = {line.split()[0]: [float(value) for value in line.split()[1:7]] for line in text.splitlines()
            if line.split()[:1] and line.split()[0] in ("unpruned", "1", "2", "3", "4")}
    before, expected = nn.evaluate(data, unpruned), []
    assert rows["unpruned"] == pytest.approx((0, before.train_accuracy, before.test_accuracy, before.cost), abs=0.01)
    for step in steps:
        saved = load_dict(folder / f"prun_parameters{step.number}.npy")
        assert list(saved) == [*step.parameters, "costs"] and np.array_equal(saved["costs"], step.costs)
        assert all(np.array_equal(saved[name], value) for name, value in step.parameters.items())
        assert all((saved[name][step.pruned[name] == 0] == 0).all() for name in ("W1", "W2", "W3", "W4"))
        degree = prun_mask.degree(step.parameters)
        pruned, retrained = nn.evaluate(data, step.pruned), nn.evaluate(data, step.parameters)
        one_class = len(np.unique(nn.predict(data.X_train, step.parameters) > 0.5)) == 1
        expected.append((degree, *retrained, *pruned[1:], one_class))
        assert rows[str(step.number)] == pytest.approx((degree, *pruned[1:], *retrained[1:], retrained.cost), abs=0.01)
    saved = load_dict(trained / "out" / "degree_costs.npy")
    assert list(zip(*(saved[name] for name in record.VALUES))) == expected
    assert f"last step: 4, with {degree:.3f} % of the weights pruned: " in text
    assert f"\ntrain accuracy: {retrained.train_accuracy:.2f} % (always " in text
    assert f"(unpruned: train {before.train_accuracy:.2f} %, test {before.test_accuracy:.2f} %)" in text
    assert_figure(trained / "figure" / "degree_costs.png")


def test_the_figure_shows_the_record_and_the_majority_class(monkeypatch):
    figures = []
    monkeypatch.setattr(drawing, "save_figure", lambda figure, path, show: figures.append(figure))
    run = {"degree": [1.0, 2], "costs": [3.0, 4], "train_accuracy": [90.0, 80], "test_accuracy": [70.0, 60],
           "pruned_train_accuracy": [89.0, 79], "pruned_test_accuracy": [69.0, 59]}
    pruning.draw_record(run, nn.Evaluation(0.5, 95.0, 75.0), ("always", 60.0, 65.0), "path")
    drawn = [{line.get_label(): list(line.get_ydata()) for line in axes.lines if line.get_label()[0] != "_"}
             for axes in figures[0].axes]
    assert drawn == [
        {"pruned and retrained": [3, 4], "unpruned": [0.5]},
        {"training": [90, 80], "training, unpruned": [95], "training, not yet retrained": [89, 79],
         "test": [70, 60], "test, unpruned": [75], "test, not yet retrained": [69, 59],
         "always, training": [60, 60], "always, test": [65, 65]}]


def test_the_same_command_gives_the_same_bytes(trained, tmp_path):
    prune(trained, tmp_path, "--steps", 4, "--percent", 10)
    assert {path: content for path, content in contents(tmp_path).items() if path.suffix == ".npy"} == {
        path: content for path, content in contents(trained / "out").items()
        if path.name not in ("data.npy", "parameters.npy")}


# ---------------------------------------------------------------------------------------------------------- options

def prune(trained, out, *options, parameters=None):
    """Run pruning.py on the small data set. Returns what it printed, its record, and its networks."""
    text = succeed("pruning.py", "--data", trained / "small.h5", "--parameters",
                   parameters or trained / "out" / "parameters.npy", "--iterations", 30, "--out", out, *options)
    saved = load_dict(out / "degree_costs.npy")
    networks = [load_parameters(record.network_file(out, step), 144) for step in range(1, len(saved["degree"]) + 1)]
    return text, saved, networks


@pytest.mark.parametrize("criterion, amount, settings", [
    ("global", 20, {}), ("std", 0.4, {}), ("percentile", 5, {"l1": 0.02}),
    ("percentile", 5, {"batch": 8, "momentum": 0.5})])
def test_options_are_passed_on(trained, tmp_path, criterion, amount, settings):
    options = itertools.chain(*((f"--{name}", value) for name, value in settings.items()))
    _, saved, networks = prune(trained, tmp_path, "--criterion", criterion, "--steps", 3, *options,
                               "--quality" if criterion == "std" else "--percent", amount)
    data = load_data(trained / "small.h5", scale="batch" not in settings)
    unpruned = load_parameters(trained / "out" / "parameters.npy", 144)
    if settings.get("batch"):
        settings = {**settings, "descent": nn.minibatch_descent, "seed": 1}
    steps = steps_of(3, data, lambda _, parameters: prun_mask.make_masks(parameters, amount, criterion, unpruned),
                     unpruned, iterations=30, **settings)
    for network, degree, cost, step in zip(networks, saved["degree"], saved["costs"], steps):
        assert all(np.array_equal(network[name], step.parameters[name]) for name in network)
        assert degree == prun_mask.degree(step.parameters)
        assert cost == nn.evaluate(data, network).cost  # of the pictures alone, so that networks can be compared
    assert saved["degree"][0] > 0 and saved["degree"] == sorted(saved["degree"])


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
    said = [nn.predict(data.X_train, load_parameters(record.network_file(rare / "out", number), 144)) > 0.5
            for number in range(1, step + 1)]
    assert [values.any() for values in said] == [True] * (step - 1) + [False] and step > 2
    assert re.search(rf"^ +{step} .* 95\.00 .*  predicts one class$", text, re.M)
    assert text.count("predicts one class") == 1 and f"last good step: {step - 1}, with" in text
    assert 'train accuracy: 100.00 % (always "no car": 95.00 %); cars: 1 found, 0 missed; 0 false alarms' in text
    assert 'train accuracy: 95.00 % (always "no car": 95.00 %); cars: 0 found, 1 missed; 0 false alarms' in text
    assert f"collapsed: after 1 of {step} steps, the first of them step {step}, one class is predicted" in text
    more = succeed(*command, "--steps", step + 2, "--resume", cwd=rare)
    assert f"collapsed: after 3 of {step + 2} steps" in more and "last good" not in more


def test_a_tolerance_needs_a_network_that_has_learned_something(rare):
    parameters = load_parameters(rare / "out" / "parameters.npy", 144)
    save_parameters(rare / "p.npy", {**parameters, "b3": parameters["b3"] - 100}, [])
    line = fail("pruning.py", "--data", "rare.h5", "--parameters", "p.npy", "--tolerance", 5, cwd=rare)
    assert line == "pruning.py: p.npy: --tolerance needs a network that has learned something"
    assert not (rare / "out" / "degree_costs.npy").exists()


def test_numbers_that_go_bad_stop_it_and_overwrite_nothing(pruning_command, tmp_path):
    command = [*pruning_command, "--out", tmp_path / "out"]
    succeed(*command, "--steps", 2, "--iterations", 20)
    before = contents(tmp_path)
    for rate, iterations, text in ((1e200, 20, "the cost is nan at iteration"), (1e300, 1, "of the network is nan")):
        assert text in fail(*command, "--learning-rate", rate, "--iterations", iterations)
    assert contents(tmp_path) == before


def test_a_layer_is_never_emptied(pruning_command, tmp_path):
    text = succeed(*pruning_command, "--criterion", "std", "--quality", "1e300", "--steps", 2, "--iterations", 2,
                   "--out", tmp_path / "out")
    assert "step 1: W1 would be emptied: its last connection is kept" in text
    last = load_parameters(record.network_file(tmp_path / "out", 2), 144)
    assert [np.count_nonzero(last[f"W{l}"]) for l in (1, 2, 3, 4)] == [1, 1, 1, 1]


# -------------------------------------------------------------------------------------------------------- tolerance

@pytest.fixture(scope="module")
def accurate(trained, tmp_path_factory):
    """The options of a run that prunes a network of 100 % accuracy until more than one picture of 20 is wrong."""
    folder = tmp_path_factory.mktemp("accurate")
    succeed("nn_main.py", "--data", trained / "small.h5", "--layers", 5, 4, "--seed", 3, "--iterations", 1500,
            "--learning-rate", 0.05, "--out", folder)
    return {"parameters": folder / "parameters.npy"}, ("--percent", 30, "--learning-rate", 1e-9)


def test_tolerance_and_resume(trained, accurate, tmp_path):
    parameters, options = accurate
    text, saved, networks = prune(trained, tmp_path / "whole", *options, "--tolerance", 5, **parameters)
    accuracies = [nn.evaluate(load_data(trained / "small.h5"), network).train_accuracy for network in networks]
    assert accuracies == saved["train_accuracy"] and min(accuracies[:-1]) == 95 and accuracies[-1] < 95
    good = len(accuracies) - 1
    said = f"last good step: {good}, with {saved['degree'][good - 1]:.3f} % of the weights pruned"
    assert said in text and f"/prun_parameter/prun_parameters{good}.npy\n" in text

    text, limited, _ = prune(trained, tmp_path / "parts", *options, "--tolerance", 5, "--steps", 2, **parameters)
    assert len(limited["degree"]) == 2 and "last good step: 2, " in text  # --steps are a limit beside it
    for _ in range(2):  # goes on to the same end; and once it is over, adds nothing
        text, _, _ = prune(trained, tmp_path / "parts", *options, "--tolerance", 5, "--resume", **parameters)
        assert said in text and all((tmp_path / "parts" / path).read_bytes() == content
                                    for path, content in contents(tmp_path / "whole").items())
    # Where a run without tolerance has gone too far already, --resume finds the place.
    prune(trained, tmp_path / "parts", *options, "--steps", good + 3, "--resume", **parameters)
    text, longer, _ = prune(trained, tmp_path / "parts", *options, "--tolerance", 5, "--resume", **parameters)
    assert said in text and len(longer["degree"]) == good + 3


def test_a_run_by_tolerance_ends_where_a_step_would_prune_nothing(trained, tmp_path):
    one_pixel = {"W1": np.linspace(1e-5, 1e-4, 144)[None], "b1": np.zeros((1, 1)), "W2": np.ones((1, 1)),
                 "b2": np.full((1, 1), -5.0)}
    one_pixel["W1"][0, 0] = 10  # which alone decides
    save_parameters(tmp_path / "one.npy", one_pixel, [])
    text, _, networks = prune(trained, tmp_path / "out", "--percent", 60, "--tolerance", 100, "--learning-rate", 1e-9,
                              parameters=tmp_path / "one.npy")
    assert np.array_equal(networks[-1]["W1"] != 0, one_pixel["W1"] == 10)
    assert f"step {len(networks) + 1} would prune nothing\n" in text and f"last good step: {len(networks)}, " in text
    text = succeed("pruning.py", "--data", trained / "small.h5", "--parameters", tmp_path / "one.npy",
                   "--criterion", "std", "--quality", 1e-9, "--tolerance", 100, "--out", tmp_path / "none")
    assert "step 1 would prune nothing\n" in text and "last good step: none" in text
    assert contents(tmp_path / "none") == {}


def test_the_bits_do_not_depend_on_the_number_of_threads(tmp_path):
    """The recorded run's data and network, with one and with two threads allowed to BLAS."""
    for threads in (1, 2):
        out = tmp_path / str(threads)
        with threadpoolctl.threadpool_limits(threads, user_api="blas"):
            for command in (["nn_main.py", "--iterations", 300], ["pruning.py", "--steps", 3]):
                succeed(*command, "--out", out, "--figures", out)
    one, two = (contents(tmp_path / str(threads)) for threads in (1, 2))
    different = {path.name for path in one if one[path] != two[path]}
    assert one.keys() == two.keys() and different <= {"data.npy"}  # which holds a time
