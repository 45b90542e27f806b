"""figure/digits.py, lenet.py and lenet5.py: what is measured, against a version written out; and what is committed."""

import json
import pathlib

import numpy as np
import pytest
import threadpoolctl

import nn_functions as nn
import prun_mask
from datasets.mnist import fingerprint, load_mnist
from datasets.networks import export_parameters, load_exported
from datasets.user_input import InputError
from figure import convolution, digits, lenet, lenet5, results

from .conftest import ROOT, assert_figure, contents, fail
from .test_mnist import write_mnist

STAGES = {"training": digits.Stage((), 1, 0.02, 20, 1e-4),
          "retraining": (digits.Stage((0.5, 0.2), 1, 0.02, 16, 1e-4), digits.Stage((0.04,), 2, 0.01, 30, 0)),
          "held_out": 20}
SMALL = lenet.STUDY._replace(controls={0.2: (784, 5, 4, 10), 0.04: (784, 3, 3, 10)}, **STAGES)
SMALL5 = lenet5.STUDY._replace(controls={0.04: (3, 4, 5)}, one_shot=(0.3,), **STAGES)


@pytest.fixture
def folder(tmp_path):
    """Of a few digits of noise."""
    write_mnist(tmp_path / "mnist", 60, 20)
    return tmp_path / "mnist"


def descend(study, data, parameters, epochs, batch, rate, l2, masks=None, step=0, dropout=None):
    """A stage written out; the seed is 3."""
    rates = nn.half_cosine(rate, epochs * -(-data.Y_train.shape[1] // batch))
    return study.descent(data.X_train, data.Y_train, parameters, rates, len(rates), masks, batch=batch, momentum=0.9,
                         l2=l2, dropout=dropout or study.dropout, seed=3, step=step)[0]


def error(study, data, network):
    AL = nn.predict(data.X_test, network, study.layers_of)
    return pytest.approx(100 * (AL.argmax(axis=0) != data.Y_test.argmax(axis=0)).mean())


def test_a_fraction_is_kept_of_each_layer_by_its_factor():
    parameters = nn.initialize_parameters(digits.SIZES, 1, "he")
    masks = digits.keep_fraction(parameters, 0.1, lenet.STUDY.factors)
    assert [int(masks[f"W{l}"].sum()) for l in (1, 2, 3)] == [18816, 7200, 1000]  # 8 %, 24 %, and all
    assert np.abs(parameters["W1"][masks["W1"]]).min() > np.abs(parameters["W1"][~masks["W1"]]).max()


def test_no_dead_neuron_is_left_by_a_step(folder):
    job, start = {"method": "iterative", "seed": 3}, digits.new_parameters(3)
    few = digits.take_step(SMALL, load_mnist(folder), start, digits.Stage((0.002,), 1, 0.02, 20, 0), 1, job, None)
    kept = {f"W{l}": few[f"W{l}"] != 0 for l in (1, 2, 3)}
    assert kept["W1"].sum() < round(0.8 * 0.002 * kept["W1"].size)
    assert all(np.array_equal(mask, prun_mask.without_dead_neurons(kept)[name]) for name, mask in kept.items())


@pytest.mark.parametrize("study, method", [
    (SMALL, "iterative"), (SMALL, "low rate"), (SMALL, "restarts"), (SMALL5, "iterative")])
def test_a_run_is_training_and_then_pruning_and_retraining(folder, study, method):
    data = load_mnist(folder)
    rows = digits.run(study, folder, None, {}, {"method": method, "seed": 3, "digits": "test"})
    network = descend(study, data, study.new_parameters(3), 1, 20, 0.02, 1e-4)
    expected = [network]
    for step, (fraction, epochs, batch, rate, l2) in enumerate(
            ((0.5, 1, 16, 0.02, 1e-4), (0.2, 1, 16, 0.02, 1e-4), (0.04, 2, 30, 0.01, 0)), start=1):
        masks = {} if method == "restarts" else digits.keep_fraction(network, fraction, study.factors)
        rate = 0.002 if method == "low rate" else rate  # a tenth of that of training
        network = descend(study, data, prun_mask.apply_masks(network, masks), epochs, batch, rate, l2, masks, step)
        expected.append(network)
    for row, size, epochs, network in zip(rows, (1, 0.5, 0.2, 0.04), (1, 2, 3, 5), expected, strict=True):
        kept = tuple((network[f"W{l}"] != 0).sum() for l in range(1, len(study.factors) + 1))
        assert (row["size"], row["epochs"], row["error"]) == (size, epochs, error(study, data, network))
        assert digits.kept_of(study, row) == kept and row["kept"] == sum(kept)
        assert row["flop"] == pytest.approx(study.layer_table(network, data.X_test)[-1].flop_kept, abs=0.01)
    assert digits.ratio(rows[0]) == 1 and (method == "restarts" or digits.ratio(rows[-1]) > 12)


@pytest.mark.parametrize("study", [SMALL, SMALL5], ids=lambda study: study.name)
def test_controls_have_as_many_epochs(folder, study):
    """The network at 0.04 has had 1 epoch of training, and 1 + 1 + 2 of retraining."""
    data = load_mnist(folder)
    trained = descend(study, data, study.new_parameters(3), 1, 20, 0.02, 1e-4)
    masks = digits.keep_fraction(trained, 0.04, study.factors)
    small = study.new_parameters(3, study.controls[0.04])
    expected = {"unpruned": descend(study, data, study.new_parameters(3), 5, 20, 0.02, 1e-4),
                "one-shot": descend(study, data, prun_mask.apply_masks(trained, masks), 4, 30, 0.01, 0, masks, 1),
                "small dense": descend(study, data, small, 5, 20, 0.02, 1e-4, dropout=(0, 0))}
    for method, network in expected.items():
        row, = digits.run(study, folder, None, {}, {"method": method, "seed": 3, "digits": "test", "size": 0.04})
        assert (row["epochs"], row["error"]) == (5, error(study, data, network))
        assert digits.kept_of(study, row) == tuple(np.count_nonzero(W) for name, W in network.items() if name[0] == "W")


def test_random_and_shuffled_keep_as_many_of_each_layer(folder, tmp_path):
    counts = {(3, 0.5): (400, 90, 30), (3, 0.2): (300, 60, 20), (3, 0.04): (200, 40, 10)}
    job = {"method": "random", "seed": 3, "digits": "test"}
    rows = digits.run(SMALL, folder, tmp_path / "n", counts, job)
    assert [digits.kept_of(SMALL, row) for row in rows[1:]] == list(counts.values())
    networks = [load_exported(digits.network_file(SMALL, tmp_path / "n", job, SMALL.training._replace(fractions=size)))
                for size in ((), (0.5,), (0.2,))]
    for before, after in zip(networks, networks[1:]):
        assert not (after["W1"] != 0)[before["W1"] == 0].any()  # drawn among those that were left
    largest = prun_mask.keep_largest(np.abs(networks[0]["W1"]), 400)
    assert (networks[1]["W1"] != 0)[largest].sum() < 20  # not by magnitude
    row, = digits.run(SMALL, folder, None, counts, {**job, "method": "shuffled", "size": 0.04})
    assert digits.kept_of(SMALL, row) == (200, 40, 10) and row["epochs"] == 5


def test_the_small_dense_networks_have_as_few_weights():
    """Within three percent of what the pruned networks have left."""
    for study, numbers in ((lenet.STUDY, (19767, 6609, 2934)), (lenet5.STUDY, (35875, 3603, 2191))):
        for sizes, left in zip(study.controls.values(), numbers, strict=True):
            weights = sum(W.size for name, W in study.new_parameters(1, sizes).items() if name[0] == "W")
            assert weights == pytest.approx(left, rel=0.03)


def main(study, folder, out, *more):
    def draw_all(study, rows, others, options):
        digits.print_tables(study, rows, others)
        digits.draw(study, rows, others, (0, 100), (1, 10), f"{options.figures}/{study.name}.png")

    argv = ["--data", folder, "--figures", out, "--seeds", 1, *more]
    return digits.main(study, argv, "", draw_all, f"datasets/{study.name}.npz")


def test_the_study_leaves_its_rows_and_all_is_drawn_from_them(folder, tmp_path, capsys):
    main(SMALL, folder, tmp_path / "a", "--networks", tmp_path / "n")
    printed = capsys.readouterr().out
    rows = results.read(tmp_path / "a" / "lenet.csv")
    for job in digits.jobs_of(SMALL, (1,)):  # each job alone gives its rows
        found = [row for row in rows if all(row[name] == value for name, value in job.items())]
        with threadpoolctl.threadpool_limits(1, user_api="blas"):
            expected = digits.run(SMALL, folder, None, digits.counts_of(SMALL, rows, "test"), job)
        assert found == [{**row, **job, "processor": results.processor()} for row in expected]
    size = digits.exported_size(SMALL, rows)
    exported = load_exported(tmp_path / "a" / "lenet.npz")
    assert sum(np.count_nonzero(exported[name]) for name in ("W1", "W2", "W3")) == digits.of(
        digits.of(rows, "iterative", size), "iterative")[0]["kept"]
    assert max(map(len, "".join(results.blocks(printed).values()).splitlines())) <= 100
    before = contents(tmp_path / "a")
    main(SMALL, tmp_path / "nothing", tmp_path / "a", "--draw")
    tables = results.blocks(capsys.readouterr().out)
    assert contents(tmp_path / "a") == before and tables == results.blocks(printed) and "lenet: controls" in tables
    assert_figure(tmp_path / "a" / "lenet.png")


def test_a_study_goes_on_from_its_rows_and_networks(folder, tmp_path, monkeypatch):
    main(SMALL, folder, tmp_path / "a", "--networks", tmp_path / "n")
    whole = (tmp_path / "a" / "lenet.csv").read_text()
    header, rows = whole.splitlines()[:2], whole.splitlines()[2:]
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "lenet.csv").write_text("\n".join([*header, *rows[:4], *rows[8:12]]) + "\n")  # on another machine
    main(SMALL, folder, tmp_path / "b")
    assert (tmp_path / "b" / "lenet.csv").read_text() == whole
    job, steps, take_step = {"method": "iterative", "seed": 1, "digits": "test"}, [], digits.take_step
    study = SMALL._replace(data=fingerprint(folder))
    last = pathlib.Path(digits.network_file(study, tmp_path / "n", job, SMALL.training._replace(fractions=(0.04,))))
    expected = last.read_bytes()
    last.unlink()  # killed before the last step

    def counted(study, data, before, stage, number, *rest):
        steps.append(number)
        return take_step(study, data, before, stage, number, *rest)

    monkeypatch.setattr(digits, "take_step", counted)
    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        digits.run(study, folder, tmp_path / "n", {}, job)
    assert steps == [3] and last.read_bytes() == expected
    write_mnist(tmp_path / "other", 61, 20)
    with pytest.raises(InputError, match=r"other settings \(data\)"):
        main(SMALL, tmp_path / "other", tmp_path / "b")
    with pytest.raises(InputError, match="--fresh needs an empty folder"):
        main(SMALL, folder, tmp_path / "b", "--fresh", "--networks", tmp_path / "n")


def test_rows_of_other_settings_are_refused_and_the_way_on_is_said(folder, tmp_path):
    settings = json.loads(json.dumps(digits.settings_of(SMALL)))
    results.write(tmp_path / "lenet.csv", [], [*digits.columns_of(lenet.STUDY), "processor"], settings)
    line = fail("figure.lenet", "--data", folder, "--figures", tmp_path)
    assert "training" in line and "--fresh" in line
    assert "python -m datasets.fetch_mnist" in fail("figure.lenet5", "--data", tmp_path / "no", "--figures", tmp_path)


def test_the_exported_network_is_the_furthest_that_loses_nothing_on_held_out_digits():
    rows = [{"method": "iterative", "digits": digit, "size": size, "error": error} for digit, errors in (
        ("test", (1, 1, 1, 9)), ("held-out", (1.5, 1.4, 1.5, 1.6))) for size, error in zip((1, 0.5, 0.2, 0.1), errors)]
    assert [digits.exported_size(SMALL._replace(tolerance=points), rows) for points in (0, 0.1)] == [0.2, 0.1]


def test_an_own_method_is_drawn_beside_ours(folder, tmp_path, capsys):
    main(SMALL, folder, tmp_path, "--networks", tmp_path / "n")
    results.append(tmp_path / "my.csv", [{"method": "mine", "seed": 1, "weights": 266200, "kept": 26620, "error": 5.5}])
    capsys.readouterr()
    main(SMALL, folder, tmp_path, "--with", tmp_path / "my.csv")
    assert "mine: ratio and error (%): 10.0 5.50" in capsys.readouterr().out
    good = {"method": "mine", "seed": 1, "weights": 266200, "kept": 26620, "error": 5.5}
    for changes, wrong in (({"kept": 0}, "kept"), ({"error": "low"}, "low"), ({"weights": None}, "weights"),
                           ({"method": "iterative"}, "of ours"), ({"weights": 430500}, "LeNet-300"), ({}, "twice")):
        results.write(tmp_path / "bad.csv", [good, {**good, **changes}], list(good))
        with pytest.raises(InputError, match=f"bad.csv: .*{wrong}"):
            main(SMALL, folder, tmp_path, "--with", tmp_path / "bad.csv")


def test_filters_without_outputs_are_dead():
    masks = {name: np.ones(W.shape, bool) for name, W in convolution.new_parameters(1).items() if name[0] == "W"}
    masks["W2"][:, 25:50] = False  # filter 1 of the first layer
    masks["W2"][7] = False  # filter 7 of the second
    masks["W3"][:, 16 * 9:16 * 10] = False  # and filter 9
    masks["W3"][:, 3] = False  # one feature of filter 0, which has others
    alive = prun_mask.without_dead_neurons(masks)
    expected = {name: mask.copy() for name, mask in masks.items()}
    expected["W1"][1] = expected["W2"][9] = expected["W3"][:, 16 * 7:16 * 8] = False
    assert all(np.array_equal(alive[name], expected[name]) for name in expected)


def test_filters_are_drawn_of_the_networks_that_are_kept(folder, tmp_path, capsys):
    study, job = lenet5.STUDY._replace(data=fingerprint(folder)), {"method": "iterative", "seed": 1, "digits": "test"}
    rows = [{**job, "size": size, "epochs": 1, "weights": 430500, "kept": 430500 * size, "error": 1.0} for size in (
        1, *lenet5.FILTERS)]
    results.write(tmp_path / "lenet5.csv", rows, digits.columns_of(study))
    for row in rows:
        stage = study.training._replace(fractions=() if row["size"] == 1 else (row["size"],))
        export_parameters(path := digits.network_file(study, tmp_path, job, stage), convolution.new_parameters(1))
    command = ["--data", folder, "--figures", tmp_path, "--networks", tmp_path, "--draw"]
    assert lenet5.main(command) == 0
    assert_figure(tmp_path / "lenet5_filters.png")
    pathlib.Path(path).unlink()
    assert lenet5.main(command) == 2 and f"{path}: No such file" in capsys.readouterr().err


def test_each_layer_is_pruned_alone(folder):
    data, study = load_mnist(folder), SMALL5
    trained = descend(study, data, study.new_parameters(3), 1, 20, 0.02, 1e-4)
    rows = lenet5.prune_alone(study, folder, None, {"method": "layers alone", "seed": 3, "digits": "test"})
    weakest = np.argsort(np.abs(trained["W2"]), axis=None)[:22500]
    pruned = {**trained, "W2": trained["W2"].copy()}
    pruned["W2"].flat[weakest] = 0
    row, = (row for row in rows if row["kept_2"] == 2500)
    assert row["error"] == error(study, data, pruned) and row["kept"] == 430_500 - 22_500 and len(rows) == 24


def test_the_table_by_layer_counts_patches():
    parameters, random = convolution.new_parameters(1), np.random.RandomState(0)
    parameters = {name: value * (random.rand(*value.shape) < 0.3) for name, value in parameters.items()}
    parameters["W1"][:5] = 0  # their values are 0 everywhere
    X = random.randint(0, 256, (784, 4)).astype(np.uint8)
    rows = lenet5.layer_table(parameters, X)
    assert [(row.weights, row.flop) for row in rows] == [
        (500, 576_000), (25_000, 3_200_000), (400_000, 800_000), (5_000, 10_000), (430_500, 4_586_000)]  # Table 3
    features, units, _ = nn.activations(X, parameters, convolution.layers_of)
    assert rows[0].active == pytest.approx(75) and rows[2].active == pytest.approx(100 * (units != 0).mean())
    needed = [np.count_nonzero(parameters["W1"]) * 576, np.count_nonzero(parameters["W2"][:, 125:]) * 64,
              np.count_nonzero(parameters["W3"]), ((parameters["W4"] != 0) * (units != 0).mean(axis=1)).sum()]
    assert [row.flop_kept for row in rows] == pytest.approx(
        [200 * n / row.flop for n, row in zip([*needed, sum(needed)], rows)])


@pytest.mark.parametrize("study", [lenet.STUDY, lenet5.STUDY], ids=lambda study: study.name)
def test_the_committed_network_is_that_of_the_csv(mnist, study):
    path = ROOT / "figure" / f"{study.name}.csv"
    if not path.exists():
        pytest.skip(f"the study has not been run anew yet: {path.name} is not there")
    rows = results.read(path)
    row, = digits.of(digits.of([row for row in rows if row["digits"] == "test"], "iterative",
                               digits.exported_size(study, rows)), "iterative", seed=1)
    measured = digits.measure(study, load_mnist(mnist), load_exported(ROOT / "datasets" / f"{study.name}.npz"))
    assert measured["kept"] == row["kept"] and measured["error"] == pytest.approx(row["error"], abs=0.05)
