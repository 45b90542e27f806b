"""Each script run as a user runs it, on a small data set: what it prints, its files, its figures, its errors."""

import functools
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest
from PIL import Image

import nn_functions as nn
import nn_main
import nn_test
import prun_mask
import prun_parameters
import pruning

from .conftest import ROOT, assert_figure, fail, run, succeed, write_data

SCRIPTS = ("nn_main.py", "prun_mask.py", "pruning.py", "prun_parameters.py", "nn_test.py")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder in which nn_main.py and pruning.py have been run on a small data set, and what they printed."""
    folder = tmp_path_factory.mktemp("trained")
    data = write_data(folder / "small.h5")
    common = ("--data", data, "--out", folder / "out", "--figures", folder / "figure")
    text = {
        "nn_main": succeed(ROOT / "nn_main.py", *common, "--iterations", 1500, "--learning-rate", 0.05, cwd=folder),
        "pruning": succeed(ROOT / "pruning.py", *common, "--parameters", folder / "out" / "parameters.npy",
                           "--steps", 4, "--iterations", 30, "--percent", 10, cwd=folder)}
    for name, words in text.items():
        (folder / name).write_text(words)
    return folder


def test_nn_main(trained):
    text = (trained / "nn_main").read_text()
    assert "training pictures: 20, of which 10 show a car" in text and "test pictures: 8" in text
    assert "6 x 8 pixels x 3 colours = 144" in text and "144 -> 5 -> 4 -> 3 -> 2 -> 1" in text
    values = nn.load_dict(trained / "out" / "parameters.npy")
    assert list(values) == [f"{k}{l}" for l in range(1, 6) for k in "Wb"] + ["costs"]
    assert values["costs"].shape == (1500,)
    data = nn.load_dict(trained / "out" / "data.npy")
    assert data["learning_rate"] == 0.05 and 0 < data["times"] < 300
    X, Y, X_test, Y_test = nn.load_data(trained / "small.h5")
    parameters = nn.load_parameters(trained / "out" / "parameters.npy", 144)
    assert f"train accuracy: {nn.accuracy(nn.predict(X, parameters), Y):.2f} %" in text
    assert f"test accuracy: {nn.accuracy(nn.predict(X_test, parameters), Y_test):.2f} %" in text
    assert nn.compute_cost(nn.predict(X, parameters), Y) < values["costs"][0]
    expected, _ = nn.gradient_descent(X, Y, nn.initialize_parameters((144, 5, 4, 3, 2, 1), 1), 0.05, 1500)
    assert all(np.allclose(parameters[name], expected[name], rtol=0, atol=1e-9) for name in expected)
    assert_figure(trained / "figure" / "cost.png")


def test_pruning(trained):
    record = nn.load_dict(trained / "out" / "degree_costs.npy")
    X, Y, X_test, Y_test = nn.load_data(trained / "small.h5")
    parameters = nn.load_parameters(trained / "out" / "parameters.npy", 144)
    text = (trained / "pruning").read_text()
    lines = [line.split() for line in text.splitlines()]
    files = sorted(path.name for path in (trained / "out" / "prun_parameter").iterdir())
    assert files == [f"prun_parameters{step}.npy" for step in range(1, 5)]
    for step in range(1, 5):
        # The step done again with the functions, from what the step before left.
        masks = prun_mask.prune_masks(parameters, 10)
        pruned = prun_mask.apply_masks(parameters, masks)
        parameters, costs = nn.gradient_descent(X, Y, pruned, 0.005, 30, masks)
        path = trained / "out" / "prun_parameter" / f"prun_parameters{step}.npy"
        saved = nn.load_parameters(path, 144)
        assert all(np.allclose(saved[name], parameters[name], rtol=0, atol=1e-12) for name in saved)
        assert all((saved[name][~mask] == 0).all() for name, mask in masks.items())
        assert list(nn.load_dict(path)) == [*saved, "costs"]
        AL, AL_test = nn.predict(X, parameters), nn.predict(X_test, parameters)
        expected = (prun_mask.degree(parameters), nn.accuracy(nn.predict(X, pruned), Y),
                    nn.accuracy(nn.predict(X_test, pruned), Y_test), nn.accuracy(AL, Y), nn.accuracy(AL_test, Y_test))
        (printed,) = [line for line in lines if line[:1] == [str(step)]]
        assert [float(value) for value in printed[1:6]] == pytest.approx(expected, abs=0.01)
        assert record["degree"][step - 1] == expected[0]
        assert record["costs"][step - 1] == pytest.approx(nn.compute_cost(AL, Y), abs=1e-12)
        assert (record["train_accuracy"][step - 1], record["test_accuracy"][step - 1]) == expected[3:]
    assert len(record["degree"]) == len(record["costs"]) == 4
    unpruned = nn.load_parameters(trained / "out" / "parameters.npy", 144)
    AL, AL_test = nn.predict(X, unpruned), nn.predict(X_test, unpruned)
    expected = 0, nn.accuracy(AL, Y), nn.accuracy(AL_test, Y_test), nn.compute_cost(AL, Y).item()
    (printed,) = [line for line in lines if line[:1] == ["unpruned"]]
    assert [float(value) for value in printed[1:]] == pytest.approx(expected, abs=0.01)
    for part, before, after in (("training", expected[1], record["train_accuracy"][-1]),
                                ("test", expected[2], record["test_accuracy"][-1])):
        assert f"on the {part} pictures {after:.2f} % (unpruned {before:.2f} %)" in text
    assert f"{record['degree'][-1]:.3f} % of the weights are pruned" in text
    assert_figure(trained / "figure" / "degree_costs.png")


def test_the_same_command_gives_the_same_bytes(trained, tmp_path):
    common = ("--data", trained / "small.h5", "--out", tmp_path, "--figures", tmp_path)
    succeed("nn_main.py", *common, "--iterations", 1500, "--learning-rate", 0.05)
    succeed("pruning.py", *common, "--parameters", tmp_path / "parameters.npy", "--steps", 4, "--iterations", 30,
            "--percent", 10)
    for name in ("parameters.npy", "degree_costs.npy", *(f"prun_parameter/prun_parameters{i}.npy" for i in range(1, 5))):
        assert (tmp_path / name).read_bytes() == (trained / "out" / name).read_bytes()


def test_resume_goes_on_to_the_same_bytes(trained, tmp_path):
    parameters = trained / "out" / "parameters.npy"
    command = ("pruning.py", "--data", trained / "small.h5", "--parameters", parameters, "--iterations", 30,
               "--percent", 10, "--out", tmp_path, "--figures", tmp_path)
    succeed(*command, "--steps", 2, "--resume")
    succeed(*command, "--steps", 4, "--resume")
    for name in ("degree_costs.npy", *(f"prun_parameter/prun_parameters{step}.npy" for step in range(1, 5))):
        assert (tmp_path / name).read_bytes() == (trained / "out" / name).read_bytes()
    before = (tmp_path / "degree_costs.npy").read_bytes()
    assert "cannot resume, it was made with other learning rate" in fail(*command, "--resume", "--learning-rate", 0.1)
    assert (tmp_path / "degree_costs.npy").read_bytes() == before


def pruning_of(trained, out, *options, parameters=None):
    """Run pruning.py on the small data set. Returns what it printed, its record, and its networks."""
    text = succeed("pruning.py", "--data", trained / "small.h5", "--parameters", parameters or trained / "out" / "parameters.npy",
                   "--iterations", 30, "--out", out, "--figures", out, *options)
    record = nn.load_dict(out / "degree_costs.npy")
    networks = [nn.load_parameters(pruning.network_file(out, step), 144) for step in range(1, len(record["degree"]) + 1)]
    return text, record, networks


@pytest.mark.parametrize("options, criterion, amounts", [
    (["--percent", 10, "--delta", 7.5], "percentile", [10, 17.5, 25]),
    (["--percent", 20, "--criterion", "global"], "global", [20, 20, 20]),
    (["--percent", 20, "--criterion", "global", "--delta", 10], "global", [20, 30, 40]),
    (["--quality", 0.4, "--criterion", "std"], "std", [0.4, 0.4, 0.4]),
    (["--quality", 0.4, "--criterion", "std", "--delta", 0.2], "std", [0.4, 0.6, 0.8])])
def test_criteria_and_delta(trained, tmp_path, options, criterion, amounts):
    _, record, networks = pruning_of(trained, tmp_path, *options, "--steps", 3)
    X, Y, _, _ = nn.load_data(trained / "small.h5")
    parameters = unpruned = nn.load_parameters(trained / "out" / "parameters.npy", 144)
    for amount, network, degree in zip(amounts, networks, record["degree"]):
        masks = prun_mask.prune_masks(parameters, amount, criterion, unpruned)
        parameters, _ = nn.gradient_descent(X, Y, prun_mask.apply_masks(parameters, masks), 0.005, 30, masks)
        assert all(np.allclose(network[name], parameters[name], rtol=0, atol=1e-12) for name in network)
        assert degree == prun_mask.degree(parameters)
    assert record["degree"][0] > 0 and record["degree"] == sorted(record["degree"])


@pytest.mark.parametrize("option", ["--l1", "--l2"])
def test_regularisation_of_training_and_retraining(trained, tmp_path, option):
    X, Y, _, _ = nn.load_data(trained / "small.h5")
    penalty = {option[2:]: 0.02}
    succeed("nn_main.py", "--data", trained / "small.h5", "--out", tmp_path, "--figures", tmp_path, "--iterations", 40, option, 0.02)
    start = nn.initialize_parameters((144, 5, 4, 3, 2, 1), 1)
    expected, costs = nn.gradient_descent(X, Y, start, 0.0035, 40, **penalty)
    saved = nn.load_parameters(tmp_path / "parameters.npy", 144)
    assert all(np.allclose(saved[name], expected[name], rtol=0, atol=1e-12) for name in saved)
    assert np.allclose(nn.load_dict(tmp_path / "parameters.npy")["costs"], costs, rtol=0, atol=1e-12)

    _, record, (network,) = pruning_of(trained, tmp_path, option, 0.02, "--steps", 1)
    parameters = nn.load_parameters(trained / "out" / "parameters.npy", 144)
    masks = prun_mask.prune_masks(parameters, 5)
    expected, _ = nn.gradient_descent(X, Y, prun_mask.apply_masks(parameters, masks), 0.005, 30, masks, **penalty)
    assert all(np.allclose(network[name], expected[name], rtol=0, atol=1e-12) for name in network)
    # The record's cost is of the pictures alone, so that networks can be compared.
    assert record["costs"][0] == pytest.approx(nn.compute_cost(nn.predict(X, expected), Y).item(), abs=1e-12)


def test_tolerance_goes_on_until_the_accuracy_falls(trained, tmp_path):
    succeed("nn_main.py", "--data", trained / "small.h5", "--layers", 5, 4, "--seed", 3, "--iterations", 1500, "--learning-rate",
            0.05, "--out", tmp_path, "--figures", tmp_path)
    # Of 20 pictures one may be wrong, which is 5 points, and not more than that.
    options = ("--percent", 30, "--learning-rate", 1e-9, "--tolerance", 5)
    pruned = functools.partial(pruning_of, trained, parameters=tmp_path / "parameters.npy")
    text, record, networks = pruned(tmp_path / "a", *options)
    X, Y, _, _ = nn.load_data(trained / "small.h5")
    accuracies = [nn.accuracy(nn.predict(X, network), Y) for network in networks]
    assert accuracies == record["train_accuracy"]
    assert nn.accuracy(nn.predict(X, nn.load_parameters(tmp_path / "parameters.npy", 144)), Y) == 100
    assert min(accuracies[:-1]) == 95 and accuracies[-1] < 95
    good = len(accuracies) - 1
    assert f"last good step: {good}, with {record['degree'][good - 1]:.3f} % of the weights pruned" in text
    assert f"{tmp_path}/a/prun_parameter/prun_parameters{good}.npy\n" in text
    # The same in two goes; and once it is over, --resume adds nothing.
    pruned(tmp_path / "b", *options[:4], "--steps", 2)
    again, _, _ = pruned(tmp_path / "b", *options, "--resume")
    assert (tmp_path / "a" / "degree_costs.npy").read_bytes() == (tmp_path / "b" / "degree_costs.npy").read_bytes()
    over, _, _ = pruned(tmp_path / "b", *options, "--resume")
    for text in (again, over):
        assert f"last good step: {good}, " in text
    # Where a run without tolerance has gone too far already, --resume finds the place.
    further, _, _ = pruned(tmp_path / "b", *options[:4], "--steps", good + 3, "--resume")
    again, record, _ = pruned(tmp_path / "b", *options, "--resume")
    assert f"last good step: {good}, " in again and len(record["degree"]) == good + 3 and "last good" not in further
    # --steps is a limit beside it.
    text, record, _ = pruned(tmp_path / "c", *options, "--steps", 2)
    assert len(record["degree"]) == 2 and "last good step: 2, " in text


def test_tolerance_ends_where_nothing_is_left_to_prune(trained, tmp_path):
    text, record, networks = pruning_of(trained, tmp_path, "--percent", 60, "--delta", 20, "--tolerance", 100)
    assert [int((networks[-1][f"W{l}"] != 0).sum()) for l in range(1, 6)] == [1, 1, 1, 1, 2]
    assert "would empty W1: its last connection is kept" in text and f"step {len(networks) + 1} would prune nothing\n" in text
    assert f"last good step: {len(networks)}, " in text
    text = succeed("pruning.py", "--data", trained / "small.h5", "--parameters", trained / "out" / "parameters.npy", "--criterion",
                   "std", "--quality", 1e-9, "--delta", 1e-30, "--tolerance", 100, "--out", tmp_path / "none", "--figures", tmp_path)
    assert "step 1 would prune nothing\n" in text and not list((tmp_path / "none" / "prun_parameter").iterdir())
    text, _, networks = pruning_of(trained, tmp_path, "--percent", 1e-9, "--tolerance", 100)
    # Without a second zero the least percentile is the smallest weight itself; with it, nothing is small enough.
    assert len(networks) < 4 and "would prune nothing" in text


@pytest.mark.parametrize("options", [["--criterion", "global", "--delta", 3], ["--criterion", "std", "--quality", 0.3, "--delta", 0.2],
                                     ["--l2", 0.01], ["--l1", 0.001]])
def test_resume_with_other_criteria_goes_on_to_the_same_bytes(trained, tmp_path, options):
    pruning_of(trained, tmp_path / "whole", *options, "--steps", 4)
    pruning_of(trained, tmp_path / "parts", *options, "--steps", 2)
    before = {path.name: path.read_bytes() for path in (tmp_path / "parts").rglob("*.npy")}
    line = fail("pruning.py", "--data", trained / "small.h5", "--parameters", trained / "out" / "parameters.npy",
                "--iterations", 30, "--out", tmp_path / "parts", "--figures", tmp_path, "--resume")
    names = [word[2:] for word in options[::2]]
    assert "cannot resume, it was made with other" in line and all(name in line for name in names)
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "parts").rglob("*.npy")}
    pruning_of(trained, tmp_path / "parts", *options, "--steps", 4, "--resume")
    whole, parts = ({path.name: path.read_bytes() for path in (tmp_path / name).rglob("*.npy")} for name in ("whole", "parts"))
    assert whole == parts and len(whole) == 5


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A folder of three photos, two of them labelled, one of those wrongly on purpose."""
    folder = tmp_path_factory.mktemp("photos")
    for i, number in enumerate((1, 2, 10)):
        Image.fromarray(np.full((90, 160, 3), 80 * i, np.uint8)).save(folder / f"{number}.png")
    (folder / "notes.txt").write_text("no photo")
    return folder


def network_that_says_car_from(brightness):
    """A network whose verdict is easy to know: a car if the picture's mean brightness, 0 to 255, is above the given."""
    return {"W1": np.full((1, 144), 10 / 144), "b1": np.zeros((1, 1)), "W2": np.ones((1, 1)),
            "b2": np.full((1, 1), -10 * brightness / 255)}


def test_nn_test(photos, small_data, tmp_path):
    nn.save_parameters(tmp_path / "p.npy", network_that_says_car_from(100), [])
    (photos / "labels.csv").write_text("file,label\n1.png,1\n10.png,1\n")
    text = succeed("nn_test.py", photos, photos / "2.png", "--data", small_data, "--parameters", tmp_path / "p.npy",
                   "--figures", tmp_path)
    verdicts = [1 / (1 + np.exp(-10 * (value - 100) / 255)) for value in (0, 80, 160, 80)]
    expected = [f"{photos}/{name}: {'car' if p > 0.5 else 'no car'} {p:.3f}"
                for name, p in zip(("1.png", "2.png", "10.png", "2.png"), verdicts)]
    expected[0] += " (wrong)"
    assert text.splitlines()[:5] == [*expected, "right: 1/2"]
    assert_figure(tmp_path / "predict.png")


def test_nn_test_judges_the_good_photos_and_lists_the_bad_ones(photos, small_data, tmp_path):
    nn.save_parameters(tmp_path / "p.npy", network_that_says_car_from(100), [])
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    process = run("nn_test.py", tmp_path / "bad.jpg", photos / "10.png", tmp_path / "missing.jpg", "--data", small_data,
                  "--parameters", tmp_path / "p.npy", "--figures", tmp_path)
    assert process.returncode == 2 and f"{photos}/10.png: car" in process.stdout
    bad, missing = process.stderr.splitlines()
    assert bad.startswith(f"nn_test.py: {tmp_path}/bad.jpg: cannot be read as a picture")
    assert missing == f"nn_test.py: {tmp_path}/missing.jpg: No such file or directory"


def test_prun_parameters(trained, photos, tmp_path):
    nn.save_parameters(tmp_path / "ori.npy", network_that_says_car_from(40), [])
    pruned = network_that_says_car_from(100)
    pruned["W1"][0, :36] = 0
    nn.save_parameters(tmp_path / "pruned.npy", pruned, [])
    (photos / "labels.csv").write_text("file,label\n1.png,0\n2.png,1\n10.png,1\n")
    text = succeed("prun_parameters.py", "--data", trained / "small.h5", "--parameters", tmp_path / "ori.npy",
                   "--pruned", tmp_path / "pruned.npy", "--photos", photos, "--figures", tmp_path)
    ori, after = text.split("Pruned parameter")
    assert "Ori parameter" in ori and str(network_that_says_car_from(40)["W1"]) in ori and str(pruned["W1"]) in after
    assert "degree: 0.0 %" in ori and "degree: 25.0 %" in after
    assert "photos: 3/3" in ori and "photos: 2/3" in after
    assert_figure(tmp_path / "prun_predict.png")
    (photos / "bad.png").write_bytes(b"no picture")
    process = run("prun_parameters.py", "--data", trained / "small.h5", "--parameters", tmp_path / "ori.npy", "--pruned",
                  tmp_path / "pruned.npy", "--photos", photos, "--figures", tmp_path)
    (photos / "bad.png").unlink()
    assert process.returncode == 2 and "photos: 3/3" in process.stdout and process.stderr.count("\n") == 1
    assert f"{photos}/bad.png: cannot be read" in process.stderr


def test_layer_table_counts_what_a_loop_counts():
    random = np.random.RandomState(4)
    parameters = nn.initialize_parameters((30, 5, 4, 3, 1), 4)
    for name in ("W1", "W2", "W3"):
        parameters[name] *= 5 * (random.rand(*parameters[name].shape) < 0.5)
    X = random.rand(30, 11)
    *rows, total = prun_parameters.layer_table(parameters, X)
    needed_in_all = 0
    for l, (name, weights, flop, active, kept, flop_kept) in enumerate(rows, start=1):
        W = parameters[f"W{l}"]
        needed, on, shown = 0, 0, 0
        for x in X.T:
            A = x
            for k in range(1, l):
                A = np.maximum(0, parameters[f"W{k}"] @ A + parameters[f"b{k}"][:, 0])
            needed += sum(2 for row in W for w, a in zip(row, A) if w != 0 and a != 0)
            out = W @ A + parameters[f"b{l}"][:, 0]
            on, shown = on + (len(out) if l == 4 else (out > 0).sum()), shown + len(out)
        needed_in_all += needed
        assert (name, weights, flop) == (f"layer {l}", W.size, 2 * W.size)
        assert (active, kept) == pytest.approx((100 * on / shown, 100 * (W != 0).sum() / W.size))
        assert flop_kept == pytest.approx(100 * needed / (2 * W.size * 11))
    assert total[:4] == ("total", 185, 370, None)
    assert total[4] == pytest.approx(100 * sum((parameters[f"W{l}"] != 0).sum() for l in range(1, 5)) / 185)
    assert total[5] == pytest.approx(100 * needed_in_all / (370 * 11)) and len(rows) == 4


def test_export(trained, photos, tmp_path):
    (photos / "labels.csv").write_text("file,label\n1.png,0\n2.png,1\n10.png,1\n")
    pruned = trained / "out" / "prun_parameter" / "prun_parameters4.npy"
    common = ("--data", trained / "small.h5", "--parameters", trained / "out" / "parameters.npy", "--photos", photos, "--figures", tmp_path)
    exported = tmp_path / "deep" / "small.npz"
    text = succeed("prun_parameters.py", *common, "--pruned", pruned, "--export", exported)
    assert f"exported: {exported}, {exported.stat().st_size} bytes: " in text
    assert "of its verdicts on 28 pictures and 3 photos, 0 differ from before" in text
    before = (nn.load_parameters(pruned, 144), nn.load_parameters(exported, 144))
    assert all(np.array_equal(before[0][name].astype(np.float32), before[1][name].astype(np.float32)) for name in before[0])
    kept = pruned.read_bytes()
    assert "is one of the networks that are compared" in fail("prun_parameters.py", *common, "--pruned", pruned, "--export", pruned)
    assert pruned.read_bytes() == kept
    # Every script that takes --parameters reads it.
    again = succeed("prun_parameters.py", *common, "--pruned", exported)
    assert again.split("Pruned parameter")[1].count("degree: ") == 1
    assert text.split("compact: ")[1].split(",")[0] == again.split("compact: ")[1].split(",")[0]
    succeed("nn_test.py", photos, "--data", trained / "small.h5", "--parameters", exported, "--figures", tmp_path)
    succeed("pruning.py", "--data", trained / "small.h5", "--parameters", exported, "--steps", 1, "--iterations", 5,
            "--out", tmp_path, "--figures", tmp_path)
    line = fail("nn_test.py", photos, "--parameters", exported, "--figures", tmp_path)
    assert line == f"nn_test.py: {exported}: W1 has shape (5, 144), but 10800 inputs come to it"


@pytest.mark.parametrize("name", ["price_$5_and_$6.png", "x$\\frac$.png", "汽车 照片.png", b"bad\xff.png".decode(errors="surrogateescape")])
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_photos_of_any_name_are_judged(small_data, tmp_path, name, encoding):
    nn.save_parameters(tmp_path / "p.npy", network_that_says_car_from(100), [])
    Image.new("RGB", (8, 6)).save(tmp_path / "1.png")
    (tmp_path / "1.png").rename(tmp_path / name)
    text = succeed("nn_test.py", tmp_path, "--data", small_data, "--parameters", tmp_path / "p.npy", "--figures",
                   tmp_path / "figure", PYTHONIOENCODING=encoding)
    assert ": no car 0.019\n" in text


def test_original_networks_and_photos_give_their_numbers(original, tmp_path):
    cars = {1, 2, 3, 4, 5, 7, *range(15, 24)}
    shutil.copytree(original / "photos_demo", tmp_path / "photos")
    labels = tmp_path / "photos" / "labels.csv"
    labels.write_text("file,label\n" + "".join(f"{i}.jpg,{int(i in cars)}\n" for i in range(27)))
    text = succeed("prun_parameters.py", "--parameters", original / "parameters.npy", "--pruned",
                   original / "prun_parameters39.npy", "--photos", tmp_path / "photos", "--figures", tmp_path)
    ori, after = text.split("Pruned parameter")
    assert "[[ 0.17652197 " in ori and "degree: 0.0 %" in ori and "photos: 27/27" in ori
    assert " 0.23942507]]" in after and "degree: 86.406 %" in after and "photos: 25/27" in after
    text = succeed("nn_test.py", tmp_path / "photos", "--parameters", original / "prun_parameters39.npy", "--figures",
                   tmp_path)
    wrong = [line.split(":")[0].split("/")[-1] for line in text.splitlines() if line.endswith("(wrong)")]
    assert wrong == ["8.jpg", "21.jpg"]
    # The original judged photos on pixels from 0 to 255 by mistake; its numbers are met in that way, too.
    X = np.array([nn.read_picture(tmp_path / "photos" / f"{i}.jpg", (45, 80, 3)) for i in range(27)], float)
    for name, mistakes in (("parameters.npy", [9]), ("prun_parameters39.npy", [8, 21])):
        verdicts = nn.predict(X.reshape(27, -1).T, nn.load_parameters(original / name, 10800))[0] > 0.5
        assert [i for i in range(27) if verdicts[i] != (i in cars)] == mistakes


def make_pictures(folder):
    """A folder of six pictures in several formats, in two parts."""
    for i, name in enumerate(("train/car/1.png", "train/car/2.jpg", "train/nocar/1.gif", "train/nocar/without_ending",
                              "test/car/1.bmp", "test/nocar/1.webp")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (30 + i, 20), (40 * i, 0, 0)).save(folder / name, "PNG" if "." not in name else None)
    (folder / "train" / "car" / ".hidden").touch()


def test_make_carvnocar(tmp_path):
    make_pictures(tmp_path)
    make = ("-m", "datasets.make_carvnocar", "--pictures", tmp_path, "--size", 8, 6, "--out")
    text = succeed(*make, tmp_path / "a.h5")
    assert "train: 4 pictures, (6, 8, 3), of which 2 show a car" in text
    with h5py.File(tmp_path / "a.h5") as file:
        X, y = file["X_train"][()], file["y_train"][()]
        assert X.shape == (4, 6, 8, 3) and X.dtype == np.uint8 and y.shape == (4, 1)
        assert file["X_test"].shape == (2, 6, 8, 3)
    reds = X[:, 3, 4, 0].round(-1)  # the i-th picture was of red 40 i; i = 0 and 1 are cars
    assert sorted(reds) == [0, 40, 80, 120] and list(reds) != sorted(reds)
    assert np.array_equal(y[:, 0], reds <= 40)
    succeed(*make, tmp_path / "b.h5")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    succeed(*make, tmp_path / "c.h5", "--seed", 3)
    assert (tmp_path / "a.h5").read_bytes() != (tmp_path / "c.h5").read_bytes()

    (tmp_path / "test" / "car" / "2.jpg").write_text("no picture")
    assert fail(*make, tmp_path / "a.h5").startswith(
        f"make_carvnocar.py: {tmp_path}/test/car/2.jpg: cannot be read as a picture")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


# ------------------------------------------------------------------------------------------------- help and errors

@pytest.mark.parametrize("script", [*SCRIPTS, "-m datasets.make_carvnocar"])
def test_help_and_a_wrong_option(script):
    text = succeed(*script.split(), "--help")
    assert "-h, --help" in text and ("default: " in text) == (script != "prun_mask.py")
    assert "unrecognized arguments: --wrong" in fail(*script.split(), "--wrong")


@pytest.mark.parametrize("script, option", [
    ("nn_main.py", "--data"), ("pruning.py", "--data"), ("pruning.py", "--parameters"), ("prun_parameters.py", "--data"),
    ("prun_parameters.py", "--parameters"), ("prun_parameters.py", "--pruned"), ("prun_parameters.py", "--photos"),
    ("nn_test.py", "--data"), ("nn_test.py", "--parameters"), ("nn_test.py", ""),
    ("-m datasets.make_carvnocar", "--pictures"),
])
def test_a_missing_file_is_one_line(script, option, tmp_path):
    figures = [] if "make" in script else ["--figures", tmp_path]
    line = fail(*script.split(), *option.split(), tmp_path / "missing", *figures)
    name = "make_carvnocar.py" if "make" in script else script
    assert line.startswith(f"{name}: {tmp_path}/missing") and line.endswith(": No such file or directory")
    assert not list(tmp_path.iterdir())


def test_a_wrong_data_set_is_one_line(small_data, tmp_path):
    for script in ("pruning.py", "prun_parameters.py", "nn_test.py"):
        line = fail(script, "--data", small_data, "--figures", tmp_path / "figure")
        assert line == f"{script}: datasets/parameters.npy: W1 has shape (5, 10800), but 144 inputs come to it"
    assert "not an HDF5 file" in fail("nn_main.py", "--data", "requirements.txt")
    assert "not a .npy file" in fail("pruning.py", "--parameters", "requirements.txt")


def test_a_reader_that_goes_away_is_no_error(tmp_path):
    process = subprocess.Popen([sys.executable, "nn_test.py", "--figures", tmp_path], cwd=ROOT, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == b"" and process.wait() == 1


def test_defaults_are_the_recorded_experiment():
    assert (nn_main.LAYERS, nn_main.LEARNING_RATE, nn_main.ITERATIONS, nn_main.SEED) == ([5, 4, 3, 2], 0.0035, 40000, 1)
    assert (pruning.PERCENT, pruning.STEPS, pruning.LEARNING_RATE, pruning.ITERATIONS) == (5, 39, 0.005, 220)
    for script, options in ((nn_main, ("DATA", "OUT", "FIGURES")), (pruning, ("DATA", "PARAMETERS", "OUT", "FIGURES")),
                            (nn_test, ("DATA", "PARAMETERS", "FIGURES")),
                            (prun_parameters, ("DATA", "PARAMETERS", "PRUNED", "PHOTOS", "FIGURES"))):
        assert all((ROOT / getattr(script, option)).exists() for option in options)


def test_layers_and_seed_are_taken(small_data, tmp_path):
    succeed("nn_main.py", "--data", small_data, "--layers", 3, 2, "--seed", 7, "--iterations", 1, "--learning-rate",
            1e-300, "--out", tmp_path, "--figures", tmp_path)
    expected = nn.initialize_parameters((144, 3, 2, 1), 7)
    saved = nn.load_parameters(tmp_path / "parameters.npy", 144)
    assert list(saved) == list(expected) and all(np.array_equal(saved[name], expected[name]) for name in expected)


def test_figures_show_the_numbers_that_they_are_given(monkeypatch):
    figures = []
    monkeypatch.setattr(nn, "save_figure", lambda figure, path, show: figures.append(figure))
    nn_main.draw_costs(np.array([3.0, 2, 1]), 0.5, "path")
    record = {"degree": [1.0, 2], "costs": [3.0, 4], "train_accuracy": [90.0, 80], "test_accuracy": [70.0, 60]}
    pruning.draw_record(record, (0.0, 0.5, 95.0, 75.0), "path")
    training, (above, below) = figures[0].axes[0], figures[1].axes
    assert list(training.lines[0].get_ydata()) == [3, 2, 1]
    for axes, curves in ((above, {"pruned and retrained": [3, 4], "unpruned": [0.5] * 2}),
                         (below, {"training": [90, 80], "training, unpruned": [95] * 2, "test": [70, 60],
                                  "test, unpruned": [75] * 2})):
        assert {line.get_label(): list(line.get_ydata()) for line in axes.lines} == curves
        assert all(list(line.get_xdata()) == [1, 2] for line in axes.lines if "unpruned" not in line.get_label())
