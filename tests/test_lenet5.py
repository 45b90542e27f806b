"""LeNet-5 on MNIST: what is measured, against a version written out."""

import numpy as np
import pytest
import threadpoolctl

import nn_functions as nn
import prun_mask
from datasets.mnist import load_mnist
from datasets.networks import load_exported
from figure import convolution, digits, lenet, lenet5

from .conftest import ROOT, assert_figure, contents, fail, run
from .test_mnist import write_mnist

TRAINING = digits.Stage((), 1, 0.02, 20, 1e-4)
RETRAINING = (digits.Stage((0.04,), 1, 0.02, 16, 1e-4), digits.Stage((0.01, 0.002), 2, 0.01, 30, 0))
METHOD = ((150, 14, 1, 25), (0.3, 0.5))


@pytest.fixture
def folder(tmp_path):
    """Of a few digits of noise."""
    write_mnist(tmp_path / "mnist", 60, 20)
    return tmp_path / "mnist"


def descend(data, parameters, epochs, batch, rate, l2, masks=None):
    rates = nn.half_cosine(rate, epochs * -(-60 // batch))
    return convolution.minibatch_descent(data.X_train, data.Y_train, parameters, rates, len(rates), masks, batch=batch,
                                         momentum=0.9, l2=l2, dropout=(0.3, 0.5), seed=3)[0]


def masks_at(parameters, share):
    """Magnitudes above a threshold for each layer, and no dead neurons."""
    kept = {name: min(1, factor * share) * parameters[name].size for name, factor in zip(convolution.SIZES, METHOD[0])}
    masks = {name: np.abs(parameters[name]) >= np.sort(np.abs(parameters[name]), axis=None)[-round(number)]
             for name, number in kept.items()}
    return prun_mask.without_dead_neurons({name: mask & (parameters[name] != 0) for name, mask in masks.items()})


@pytest.mark.parametrize("line, end", [("iterative", None), ("low rate", 0.01)])
def test_a_run_is_training_and_then_pruning_and_retraining(folder, line, end):
    result = lenet5.run(None, folder, 0, *METHOD, TRAINING, RETRAINING, (line, 3, end))
    data, expected = load_mnist(folder), []
    expected.append(descend(data, convolution.new_parameters(3), 1, 20, 0.02, 1e-4))
    steps = ((0.04, 1, 16, 0.02, 1e-4), (0.01, 2, 30, 0.01, 0), (0.002, 2, 30, 0.01, 0))
    for share, epochs, batch, rate, l2 in steps[:2] if end else steps:
        masks = masks_at(expected[-1], share)
        rate = 0.002 if end else rate  # a tenth of that of training
        expected.append(descend(data, prun_mask.apply_masks(expected[-1], masks), epochs, batch, rate, l2, masks))
    for point, network in zip(result.points, expected, strict=True):
        outputs = nn.predict(data.X_test, network, convolution.layers_of)
        wrong = (outputs.argmax(axis=0) != data.Y_test.argmax(axis=0)).mean()
        assert point == (tuple((network[name] != 0).sum() for name in convolution.SIZES), pytest.approx(100 * wrong))
    for network, parameters in zip([] if end else expected, result.parameters, strict=True):
        assert all(np.array_equal(network[name], parameters[name]) for name in network)
        assert {value.dtype for value in parameters.values()} == {np.dtype(np.float32)}
    ratios = [digits.ratio(point, convolution.WEIGHTS) for point in result.points]
    assert ratios[0] == 1 and ratios == sorted(ratios) and ratios[-1] > (40 if end else 200)


def test_controls_have_as_many_epochs(folder):
    """The network at a share of 0.01 has had 1 epoch of training, and 1 + 2 of retraining."""
    data = load_mnist(folder)
    masks = masks_at(trained := descend(data, convolution.new_parameters(3), 1, 20, 0.02, 1e-4), 0.01)
    expected = {"as long": descend(data, convolution.new_parameters(3), 4, 20, 0.02, 1e-4),
                "one-shot": descend(data, prun_mask.apply_masks(trained, masks), 3, 30, 0.01, 0, masks)}
    for line, network in expected.items():
        result = lenet5.run(None, folder, 0, *METHOD, TRAINING, RETRAINING, (line, 3, 0.01))
        assert result == ([lenet5.measure(data, network)], [])


def test_the_steps_are_at_about_the_ratios_of_others():
    """12, 113 and 189 times are the sizes with controls, before neurons without connections go."""
    sizes = [size[0] * size[1] for size in convolution.SIZES.values()]
    steps = lenet5.steps_of("iterative", None, lenet5.TRAINING, lenet5.RETRAINING)[1:]
    at = {stage.shares[0]: sum(min(1, factor * stage.shares[0]) * size for factor, size in
                               zip(lenet5.LAYER_FACTORS, sizes)) for stage in steps}
    assert list(at.values()) == sorted(at.values(), reverse=True)
    for share, ratio in zip(lenet5.CONTROLS, (12, 113, 189), strict=True):
        assert convolution.WEIGHTS / at[share] == pytest.approx(ratio, rel=0.01)
    assert lenet5.EXPORTED_SHARE in at


def test_filters_without_outputs_are_dead(folder):
    masks = {name: np.ones(shape, bool) for name, shape in convolution.SIZES.items()}
    masks["W2"][:, 25:50] = False  # filter 1 of the first layer
    masks["W2"][7] = False  # filter 7 of the second
    masks["W3"][:, 16 * 9:16 * 10] = False  # and filter 9
    masks["W3"][:, 3] = False  # one feature of filter 0, which has others
    alive = prun_mask.without_dead_neurons(masks)
    expected = {name: mask.copy() for name, mask in masks.items()}
    expected["W1"][1] = expected["W2"][9] = expected["W3"][:, 16 * 7:16 * 8] = False
    assert all(np.array_equal(alive[name], expected[name]) for name in expected)


def test_each_layer_is_pruned_alone(folder):
    data, parameters = load_mnist(folder), convolution.new_parameters(1)
    errors = lenet5.prune_alone(folder, 0, (0.5, 0.1), parameters)
    assert errors.shape == (4, 2)
    weakest = np.argsort(np.abs(parameters["W2"]), axis=None)[:22500]
    pruned = {**parameters, "W2": parameters["W2"].copy()}
    pruned["W2"].flat[weakest] = 0
    assert errors[1, 1] == lenet5.measure(data, pruned).error


def test_the_first_layer_is_compared_with_the_worst_of_the_others(capsys):
    errors = [[[9, 30], [2, 5], [3, 4]], [[4, 40], [5, 2], [1, 50]]]  # by seed, layer and share
    lenet5.print_sensitivity(np.array(errors), (0.5, 0.1), "error")
    lines = capsys.readouterr().out.splitlines()
    assert "| 10% | 35.00 (30.00 to 40.00) | 3.50 (2.00 to 5.00) | 27.00 (4.00 to 50.00) |" in lines
    assert lines[-2:] == ["| 50% | +6.00, -1.00 |", "| 10% | +25.00, -10.00 |"]


def test_the_table_by_layer_counts_patches():
    parameters, random = convolution.new_parameters(1), np.random.RandomState(0)
    parameters = {name: value * (random.rand(*value.shape) < 0.3) for name, value in parameters.items()}
    parameters["W1"][:5] = 0  # their values are 0 everywhere
    X = random.randint(0, 256, (784, 4)).astype(np.uint8)
    rows = lenet5.layer_table(parameters, X)
    assert [(row.weights, row.flop) for row in rows] == [
        (500, 576_000), (25_000, 3_200_000), (400_000, 800_000), (5_000, 10_000), (430_500, 4_586_000)]  # Table 3
    assert [row.weights_kept for row in rows] == pytest.approx(
        [100 * (parameters[name] != 0).mean() for name in convolution.SIZES]
        + [100 * sum(np.count_nonzero(parameters[name]) for name in convolution.SIZES) / 430_500])
    features, units, _ = nn.activations(X, parameters, convolution.layers_of)
    assert rows[0].active == pytest.approx(75) and rows[2].active == pytest.approx(100 * (units != 0).mean())
    needed = [np.count_nonzero(parameters["W1"]) * 576, np.count_nonzero(parameters["W2"][:, 125:]) * 64,
              np.count_nonzero(parameters["W3"]), ((parameters["W4"] != 0) * (units != 0).mean(axis=1)).sum()]
    assert [row.flop_kept for row in rows] == pytest.approx(
        [200 * n / row.flop for n, row in zip([*needed, sum(needed)], rows)])
    assert rows[-1].active == pytest.approx(100 * (15 * 144 + 800 + (units != 0).mean(axis=1).sum() + 10) / 4190)


def test_held_out_digits_are_judged_and_the_test_digits_not_read(folder):
    for name in ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
        (folder / name).unlink()
    result = lenet5.run(None, folder, 20, *METHOD, TRAINING, (), ("iterative", 1, None))
    assert len(result.points) == 1 and round(result.points[0].error * 20 / 100, 6).is_integer()


@pytest.mark.parametrize("study", [lenet, lenet5])
def test_a_study_by_held_out_digits_exports_only_where_it_is_told_to(study, tmp_path):
    def export(*argv):
        return digits.parse_options(argv, "", study.EXPORT).export

    assert export().endswith(study.EXPORT)
    there = ("--figures", str(tmp_path))  # a study whose figures go elsewhere leaves the committed network as it is
    assert export(*there) == str(tmp_path / study.EXPORT.removeprefix("datasets/"))
    assert export(*there, "--held-out", "10") is None
    assert export(*there, "--held-out", "10", "--export", str(tmp_path / "a.npz")) == str(tmp_path / "a.npz")


def test_the_study_prints_draws_and_exports_the_same_twice(folder, tmp_path, capsys):
    texts = []
    for out in (tmp_path / "a", tmp_path / "b"):
        lenet5.study(folder, out, out / "lenet5.npz", (1, 2), TRAINING, RETRAINING, (0.01,), 0.002)
        texts.append(capsys.readouterr().out.replace(str(out), ""))
    assert texts[0] == texts[1] and contents(tmp_path / "a") == contents(tmp_path / "b")
    for piece in ("| 1.0 | 430500 | 500, 25000, 400000, 5000 | ", "| 47.", "| kept | layer 1 | ", "lenet5_filters.png"):
        assert piece in texts[0]
    exported = load_exported(tmp_path / "a" / "lenet5.npz")
    point = lenet5.measure(load_mnist(folder), exported)
    assert f"{(tmp_path / 'a' / 'lenet5.npz').stat().st_size} bytes, error {point.error:.2f} %" in texts[0]
    with threadpoolctl.threadpool_limits(1, user_api="blas"):  # as in the study
        expected = lenet5.run(None, folder, 0, lenet5.LAYER_FACTORS, lenet5.DROPOUT, TRAINING, RETRAINING,
                              ("iterative", 1, None)).parameters[3]
    assert all(np.array_equal(exported[name], expected[name]) for name in expected)
    for name in ("lenet5.png", "lenet5_filters.png"):
        assert_figure(tmp_path / "a" / name)


def test_an_interrupted_run_goes_on_after_its_last_step(folder, tmp_path, monkeypatch):
    def steps_done():
        return {path: path.stat().st_mtime_ns for path in tmp_path.rglob("output.pkl")}

    def do(cache):
        return lenet5.run(cache, folder, 0, *METHOD, TRAINING, RETRAINING, ("iterative", 3, None))

    expected, descents = do(None), []
    descent = convolution.minibatch_descent

    def interrupted(*arguments, **settings):
        descents.append(1)
        if len(descents) == 3:
            raise KeyboardInterrupt
        return descent(*arguments, **settings)

    monkeypatch.setattr(convolution, "minibatch_descent", interrupted)
    with pytest.raises(KeyboardInterrupt):
        do(tmp_path / "cache")
    first = steps_done()
    result = do(tmp_path / "cache")
    assert len(first) == 2 and len(steps_done()) == 4 and len(descents) == 5 and first.items() <= steps_done().items()
    assert result.points == expected.points
    for network, other in zip(result.parameters, expected.parameters, strict=True):
        assert all(np.array_equal(network[name], other[name]) for name in network)
    do(tmp_path / "cache")
    lenet5.run(tmp_path / "cache", folder, 0, *METHOD, TRAINING, RETRAINING, ("one-shot", 3, 0.04))
    assert len(descents) == 5  # a share of the first step, and its epochs: the same network


def test_the_cache_of_the_script_is_taken_from(tmp_path):
    """As a script, whose functions are sent to other processes; with dark pictures, as noise would need lower rates."""
    folder = tmp_path / "mnist"
    write_mnist(folder, 60, 20, train_images=np.zeros((60, 28, 28), np.uint8))
    out = ("--figures", tmp_path / "figures", "--held-out", 5, "--seeds", 1, "--cache", tmp_path / "cache")
    once = run("figure.lenet5", "--data", folder, *out)
    stored = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("output.pkl")}
    assert (once.returncode, once.stderr) == (0, "") and "median" not in once.stdout
    assert "error on 5 held-out digits" in once.stdout and "exported" not in once.stdout
    assert run("figure.lenet5", "--data", folder, *out) == once
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("output.pkl")} == stored


def test_what_is_wrong_is_told_before_the_work(folder, tmp_path):
    line = fail("figure.lenet5", "--data", folder, "--figures", tmp_path / "f", "--export", tmp_path)
    assert line.startswith(f"lenet5.py: {tmp_path}: ") and not (tmp_path / "f").exists()
    line = fail("figure.lenet5", "--data", tmp_path / "none", "--figures", tmp_path / "f")
    assert "python -m datasets.fetch_mnist" in line and not (tmp_path / "f").exists()


def test_the_committed_network_has_the_error_that_the_readme_says(mnist):
    path = ROOT / "datasets" / "lenet5.npz"
    point = lenet5.measure(load_mnist(mnist), load_exported(path))
    for name in ("README.md", "figure/README.md"):
        page = " ".join((ROOT / name).read_text(encoding="utf-8").split())
        assert f"{sum(point.left):,} connections, {digits.ratio(point, convolution.WEIGHTS):.1f} times fewer" in page
        assert f"error of {point.error:.2f} %" in page and f"{path.stat().st_size:,} bytes" in page
