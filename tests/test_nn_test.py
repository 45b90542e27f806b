"""Photos classified by a script."""

import numpy as np
import pytest
from PIL import Image

import nn_functions as nn
import nn_test
from datasets import pictures
from datasets.files import sha256
from datasets.networks import save_parameters
from datasets.npy import save_dict
from datasets.pictures import load_data

from .conftest import assert_figure, call, fail, network_that_says_car_above, run, succeed, write_data


@pytest.fixture
def options(small_data, tmp_path):
    """The options of a run with a network that says "car" above a mean brightness of 100."""
    save_parameters(tmp_path / "p.npy", network_that_says_car_above(100), [])
    return ["--data", small_data, "--parameters", tmp_path / "p.npy", "--figures", tmp_path / "figure"]


def test_each_photo_gets_a_line_and_labels_give_a_score(options, photos, tmp_path):
    (photos / "labels.csv").write_text("file,label\n1.png,1\n10.png,1\n")
    text = succeed("nn_test.py", photos, photos / "2.png", *options)
    (photos / "labels.csv").unlink()
    probabilities = [1 / (1 + np.exp(-10 * (value - 100) / 255)) for value in (0, 80, 160, 80)]
    network, *lines = text.splitlines()
    expected = [f"{photos / name}: {'car' if p > 0.5 else 'no car'} {p:.3f}"
                for name, p in zip(("1.png", "2.png", "10.png", "2.png"), probabilities)]
    expected[0] += " (wrong)"
    assert network == f"network: {tmp_path / 'p.npy'}"
    assert lines[:6] == [*expected, "right: 1/2", "cars: 1 found, 1 missed; 0 false alarms"]
    assert_figure(tmp_path / "figure" / "predict.png")


def test_good_photos_are_classified_and_bad_ones_listed(options, photos, tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    finished = call("nn_test.py", tmp_path / "bad.jpg", photos / "10.png", tmp_path / "missing.jpg", *options)
    assert finished.returncode == 2 and f"{photos / '10.png'}: car" in finished.stdout
    bad, missing = finished.stderr.splitlines()
    assert bad.startswith(f"nn_test.py: {tmp_path / 'bad.jpg'}: cannot be read as a picture")
    assert missing == f"nn_test.py: {tmp_path / 'missing.jpg'}: No such file or directory"


@pytest.mark.usefixtures("light_figures")
def test_what_is_not_used_is_said_and_no_score_is_no_success(options, photos, tmp_path):
    (photos / "labels.csv").write_text("file;label\nX1.png;1\nX2.png;1\n")
    text = succeed("nn_test.py", photos, *options)
    compared = succeed("prun_parameters.py", *options, "--pruned", tmp_path / "p.npy", "--photos", photos)
    (photos / "labels.csv").unlink()
    assert "right:" not in text and text.count("no score: no photo has a label") == 1
    assert compared.count("photos: no score, no labels\n") == 2
    for line in (f"{photos}: not read: 1 .txt", f"{photos / 'labels.csv'}: 2 rows without a photo: X1.png, X2.png"):
        assert f"\n{line}\n" in text and f"\n{line}\n" in compared


@pytest.mark.usefixtures("light_figures")
def test_other_pictures_than_the_network_was_trained_on_are_a_note(options, photos, small_data, tmp_path):
    """To classify, the network needs only their size. Pruning with other pictures is refused."""
    note = f"{tmp_path / 'p.npy'}: was trained on another data set than {{}}"
    save_dict(tmp_path / "data.npy", {"costs": np.zeros(0), "data": sha256(small_data)})
    other = write_data(tmp_path / "other.h5", seed=1)
    for script, *more in (["nn_test.py", photos], ["nn_test.py", "--test"],
                          ["prun_parameters.py", "--pruned", tmp_path / "p.npy", "--photos", photos]):
        assert "was trained on" not in succeed(script, *more, *options)
        assert f"\n{note.format(other)}\n" in succeed(script, *more, *options, "--data", other)
    line = fail("pruning.py", *options, "--data", other, "--out", tmp_path / "new")
    assert line.startswith(f"pruning.py: {note.format(other)}") and not (tmp_path / "new").exists()
    larger = write_data(tmp_path / "larger.h5", shape=(6, 9, 3))
    line = fail("nn_test.py", photos, *options, "--data", larger)
    assert line == (f"nn_test.py: {tmp_path / 'p.npy'}: W1 has shape (1, 144), but 162 inputs come to it; "
                    "name its pictures with --data, or another network")


def test_photos_of_any_name_are_classified(options, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    names = ("price_$5_and_$6.png", "x$\\frac$.png", "汽车 照片.png", b"bad\xff.png".decode(errors="surrogateescape"))
    for name in names:
        Image.new("RGB", (8, 6)).save(folder / "1.png")
        (folder / "1.png").rename(folder / name)
    text = succeed("nn_test.py", folder, *options, run=run, PYTHONIOENCODING="cp1252")
    assert text.count(": no car 0.019\n") == len(names)


@pytest.mark.parametrize("threshold, counted", [(0.5, "2 found, 1 missed; 1 false alarm"),
                                                (0.9, "1 found, 2 missed; 0 false alarms")])
def test_the_threshold_moves_the_predictions_and_mistakes_are_counted(options, tmp_path, threshold, counted):
    for name in ("car/50", "car/120", "car/200", "nocar/90", "nocar/150"):  # probabilities 0.12 0.69 0.98, 0.40 0.88
        (tmp_path / "my" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 6), (int(name.split("/")[1]),) * 3).save(tmp_path / "my" / f"{name}.png")
    text = succeed("nn_test.py", tmp_path / "my", *options, "--threshold", threshold)
    assert f"right: 3/5\ncars: {counted}\n" in text and text.count(" (wrong)") == 2
    assert (f"{tmp_path / 'my' / 'car' / '120.png'}: no car 0.687 (wrong)" in text) == (threshold == 0.9)


def test_the_test_pictures_of_the_data_set_are_classified(options, small_data, tmp_path):
    write_data(small_data, y_test=[0, 1, 1, 1, 0, 0, 0, 1])  # which are 0 1 0 1 0 1 0 1 by their brightness
    _, *lines = succeed("nn_test.py", "--test", *options).splitlines()
    data = load_data(small_data)
    car = 255 * data.X_test.mean(axis=0) > 100
    right = car == data.Y_test[0]
    for i, line in enumerate(lines[:8]):
        assert line.startswith(f"test {i + 1}: {'car' if car[i] else 'no car'} ")
        assert line.endswith(" (wrong)") == (not right[i])
    assert lines[8] == f"right: {right.sum()}/8" and 0 < right.sum() < 8
    assert f"{(car & right).sum()} found, {(~car & ~right).sum()} missed; {(car & ~right).sum()} false" in lines[9]


@pytest.mark.parametrize("script", ["nn_test.py", "prun_parameters.py"])
def test_pictures_stay_bytes_until_they_are_multiplied(script, options, photos, small_data, monkeypatch):
    """As floating-point numbers they take eight times the memory: so only some of them are such at a time."""
    write_data(small_data, 1500, 1500)
    multiplied, as_floating = [], nn.as_floating
    monkeypatch.setattr(nn, "as_floating", lambda X, dtype: multiplied.append(X) or as_floating(X, dtype))
    monkeypatch.setattr(nn_test, "draw_photos", lambda *arguments: None)
    monkeypatch.setattr(pictures, "scale_pictures", None)
    more = ["--test"] if script == "nn_test.py" else ["--pruned", options[3], "--photos", photos]
    succeed(script, *more, *options)
    assert {X.dtype for X in multiplied} == {np.dtype(np.uint8)} and {1000, 500} <= {X.shape[1] for X in multiplied}
    assert max(X.shape[1] for X in multiplied) == 1000


def test_photos_of_one_name_are_drawn_with_their_folders(monkeypatch):
    names = []
    monkeypatch.setattr(nn_test, "_draw_photo", lambda axes, photo, name, predictions: names.append(name))
    monkeypatch.setattr(nn_test.drawing, "save_figure", lambda *_: None)
    paths = [f"my/{name}.png" for name in ("car/1", "nocar/1", "car/2")]
    nn_test.draw_photos(paths, [None] * 3, [], "title", "path")
    assert names == ["car/1.png", "nocar/1.png", "2.png"]
