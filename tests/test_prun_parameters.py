"""The network before and after pruning, side by side."""

import shutil

import numpy as np
import pytest

import nn_functions as nn
import prun_parameters
from datasets.networks import load_parameters, save_parameters
from datasets.photos import read_picture
from datasets.pictures import load_data

from .conftest import assert_figure, fail, network_that_says_car_above, succeed


@pytest.fixture
def labelled(photos):
    (photos / "labels.csv").write_text("file,label\n1.png,0\n2.png,1\n10.png,1\n")
    yield photos
    (photos / "labels.csv").unlink()


@pytest.fixture
def pruned():
    """A network that says "car" above a brightness of 100, a quarter of its first layer pruned."""
    parameters = network_that_says_car_above(100)
    parameters["W1"][0, :36] = 0
    return parameters


@pytest.fixture
def two_networks(trained, labelled, pruned, tmp_path):
    """The options that compare a network that says "car" above a brightness of 40 with `pruned`."""
    save_parameters(tmp_path / "ori.npy", network_that_says_car_above(40), [])
    save_parameters(tmp_path / "pruned.npy", pruned, [])
    return ["--data", trained / "small.h5", "--parameters", tmp_path / "ori.npy", "--pruned", tmp_path / "pruned.npy",
            "--photos", labelled, "--figures", tmp_path]


def test_both_networks_are_printed_and_drawn(two_networks, pruned, tmp_path):
    ori, after = succeed("prun_parameters.py", *two_networks).split("Pruned network")
    assert ori.startswith(f"before pruning: {tmp_path / 'ori.npy'}\nafter it: {tmp_path / 'pruned.npy'}\n")
    assert str(network_that_says_car_above(40)["W1"]) in ori and str(pruned["W1"]) in after
    assert "degree: 0.0 %" in ori and "degree: 25.0 %" in after
    assert "photos: 3/3" in ori and "photos: 2/3" in after
    assert 'test accuracy: 50.00 % (always "no car": 50.00 %); cars: 4 found, 0 missed; 4 false alarms' in ori
    assert_figure(tmp_path / "prun_predict.png")


def test_changed_predictions_are_counted(two_networks, small_data):
    data = load_data(small_data)
    train, test = (((255 * X.mean(axis=0) > 40) != (255 * X[36:].sum(axis=0) / 144 > 100)).sum()
                   for X in (data.X_train, data.X_test))
    photo = sum((b > 40) != (0.75 * b > 100) for b in (0, 80, 160))
    assert (f"predictions changed by pruning: {train} of 20 training pictures, {test} of 8 test pictures, {photo} of 3 "
            "photos\n") in succeed("prun_parameters.py", *two_networks) and train and photo


def test_layer_table_counts_what_a_loop_counts():
    random = np.random.RandomState(4)
    parameters = nn.initialize_parameters((30, 5, 4, 3, 1), 4)
    for name in ("W1", "W2", "W3"):
        parameters[name] *= 5 * (random.rand(*parameters[name].shape) < 0.5)
    X = random.rand(30, 11)
    *rows, total = prun_parameters.layer_table(parameters, X)
    needed_in_all = 0
    for l, row in enumerate(rows, start=1):
        W = parameters[f"W{l}"]
        needed, on, shown = 0, 0, 0
        for x in X.T:
            A = x
            for k in range(1, l):
                A = np.maximum(0, parameters[f"W{k}"] @ A + parameters[f"b{k}"][:, 0])
            needed += sum(2 for weights in W for w, a in zip(weights, A) if w != 0 and a != 0)
            out = W @ A + parameters[f"b{l}"][:, 0]
            on, shown = on + (len(out) if l == 4 else (out > 0).sum()), shown + len(out)
        needed_in_all += needed
        assert (row.name, row.weights, row.flop) == (f"layer {l}", W.size, 2 * W.size)
        assert (row.active, row.weights_kept) == pytest.approx((100 * on / shown, 100 * (W != 0).sum() / W.size))
        assert row.flop_kept == pytest.approx(100 * needed / (2 * W.size * 11))
    assert total[:3] == ("total", 185, 370) and len(rows) == 4
    assert total.active == pytest.approx(sum(row.active * units for row, units in zip(rows, (5, 4, 3, 1))) / 13)
    assert total.weights_kept == pytest.approx(100 * sum((parameters[f"W{l}"] != 0).sum() for l in range(1, 5)) / 185)
    assert total.flop_kept == pytest.approx(100 * needed_in_all / (370 * 11))


# -------------------------------------------------------------------------------------------------------- exporting

@pytest.fixture
def exported(trained, labelled, light_figures, tmp_path):
    """The options of a comparison, the exported network, and what the command printed that exported it."""
    options = ["--data", trained / "small.h5", "--parameters", trained / "out" / "parameters.npy", "--photos", labelled,
               "--figures", tmp_path]
    path = tmp_path / "deep" / "small.npz"
    text = succeed("prun_parameters.py", *options, "--pruned", network_of(trained), "--export", path)
    return options, path, text


def network_of(trained):
    return trained / "out" / "prun_parameter" / "prun_parameters4.npy"


def test_export_writes_the_weights_in_float32(exported, trained):
    _, path, text = exported
    assert f"exported: {path}, {path.stat().st_size} bytes:\n" in text
    assert "of its predictions for 28 pictures and 3 photos, none changed" in text
    before, after = load_parameters(network_of(trained), 144), load_parameters(path, 144)
    assert all(np.array_equal(before[name].astype(np.float32), after[name].astype(np.float32)) for name in before)


def test_export_never_writes_over_what_the_command_reads(exported, trained):
    options, small, _ = exported
    before = small.read_bytes()
    line = fail("prun_parameters.py", *options, "--pruned", small, "--export", small)
    assert line == f"prun_parameters.py: {small}: is a file that this command reads; export to another one"
    line = fail("prun_parameters.py", *options, "--pruned", small, "--export", trained / "small.h5")
    assert line == f"prun_parameters.py: --export {trained / 'small.h5'}: name a file FILE.npz"
    assert small.read_bytes() == before


def test_the_last_network_of_a_run_is_taken_by_its_folder(exported, trained):
    options, _, _ = exported
    assert succeed("prun_parameters.py", *options, "--pruned", trained / "out") == succeed(
        "prun_parameters.py", *options, "--pruned", network_of(trained))


def test_every_script_reads_an_exported_network(exported, trained, labelled, tmp_path):
    options, path, text = exported
    again = succeed("prun_parameters.py", *options, "--pruned", path)
    assert again.split("Pruned network")[1].count("degree: ") == 1
    assert text.split("compact: ")[1].split(",")[0] == again.split("compact: ")[1].split(",")[0]
    succeed("nn_test.py", labelled, "--data", trained / "small.h5", "--parameters", path, "--figures", tmp_path)
    succeed("pruning.py", "--data", trained / "small.h5", "--parameters", path, "--steps", 1, "--iterations", 5,
            "--out", tmp_path, "--figures", tmp_path)


# ---------------------------------------------------------------------------------------------------- the original's

CARS = {1, 2, 3, 4, 5, 7, *range(15, 24)}  # of the original's 27 photos


def test_original_networks_and_photos_give_their_numbers(original, light_figures, tmp_path):
    shutil.copytree(original / "photos_demo", tmp_path / "photos")
    labels = tmp_path / "photos" / "labels.csv"
    labels.write_text("file,label\n" + "".join(f"{i}.jpg,{int(i in CARS)}\n" for i in range(27)))
    text = succeed("prun_parameters.py", "--parameters", original / "parameters.npy", "--pruned",
                   original / "prun_parameters39.npy", "--photos", tmp_path / "photos", "--figures", tmp_path)
    ori, after = text.split("Pruned network")
    assert "[[ 0.17652197 " in ori and "degree: 0.0 %" in ori and "photos: 27/27" in ori
    assert " 0.23942507]]" in after and "degree: 86.406 %" in after and "photos: 25/27" in after
    text = succeed("nn_test.py", tmp_path / "photos", "--parameters", original / "prun_parameters39.npy", "--figures",
                   tmp_path)
    wrong = [line.split(":")[0].split("/")[-1] for line in text.splitlines() if line.endswith("(wrong)")]
    assert wrong == ["8.jpg", "21.jpg"]


def test_original_numbers_on_pixels_from_0_to_255(original):
    """The original classified photos on such pixels by mistake; its numbers come out in that way, too."""
    X = np.array([read_picture(original / "photos_demo" / f"{i}.jpg", (45, 80, 3)) for i in range(27)], float)
    for name, mistakes in (("parameters.npy", [9]), ("prun_parameters39.npy", [8, 21])):
        said = nn.predict(X.reshape(27, -1).T, load_parameters(original / name, 10800))[0] > 0.5
        assert [i for i in range(27) if said[i] != (i in CARS)] == mistakes
