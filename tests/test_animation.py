"""The moving picture: a frame for each step, of what the network is after it."""

import itertools

import numpy as np
import pytest
from PIL import Image

import nn_functions as nn
import nn_test
import prun_mask
import pruning
from datasets.networks import save_parameters
from datasets.pictures import load_data
from figure import animation, drawing

from .conftest import contents, fail, succeed


@pytest.fixture
def command(small_data, tmp_path):
    save_parameters(tmp_path / "p.npy", nn.initialize_parameters((144, 5, 4, 3, 2, 1), 3), [])
    return ["figure.animation", "--data", small_data, "--parameters", tmp_path / "p.npy"]


def test_a_frame_is_the_network_after_its_step(small_data):
    data, parameters = load_data(small_data), nn.initialize_parameters((144, 5, 4, 3, 2, 1), 1)
    photos = np.random.RandomState(1).randint(0, 256, (3, 6, 8, 3)).astype(np.uint8)
    frames = animation.make_frames(data, parameters, photos, [1, 0, None], 3)
    steps = pruning.prune_iteratively(data, parameters, pruning.recorded_masks)
    networks = [parameters, *(step.parameters for step in itertools.islice(steps, 3))]
    for number, (frame, network) in enumerate(zip(frames, networks, strict=True)):
        assert (frame.step, frame.degree) == (number, prun_mask.degree(network))
        assert np.array_equal(frame.mask, network["W1"] != 0) and frame.evaluation == nn.evaluate(data, network)
        assert frame.verdicts == nn_test.verdicts(photos, [1, 0, None], network)


LEARNED = np.random.RandomState(2).randn(5, 144)


@pytest.fixture
def film(small_data):
    """Three frames, with two photos."""
    parameters = nn.initialize_parameters((144, 5, 4, 3, 2, 1), 1)
    photos = np.random.RandomState(1).randint(0, 256, (2, 6, 8, 3)).astype(np.uint8)
    frames = animation.make_frames(load_data(small_data), parameters, photos, [1, 0], 2)
    return animation.Film(drawing.pyplot(False), LEARNED, (6, 8, 3), frames, photos)


def test_a_frame_shows_what_training_added_where_connections_are_left(film):
    frames = film.frames
    for number, frame in enumerate(frames):
        film.show(number)
        assert film.title.get_text() == (f"step {number}: {frame.degree:.1f} % pruned, {frame.mask.sum()} connections "
                                         "of layer 1 are left")
        for r, image in enumerate(film.units):
            full = drawing.weights_as_picture(LEARNED[r], (6, 8, 3))[0]
            assert np.array_equal(image.get_array(), np.where(frame.mask[r].reshape(6, 8, 3), full, 0.5))
        for line, k in film.curves:
            degrees, values = line.get_data()
            assert list(degrees) == [frame.degree for frame in frames[:number + 1]]
            assert list(values) == [frame.evaluation[k] for frame in frames[:number + 1]]
        for title, verdict in zip(film.titles, frame.verdicts, strict=True):
            assert title.get_text() == verdict.text + (" (wrong)" if verdict.wrong else "")
            assert title.get_color() == ("red" if verdict.wrong else "black")
    assert [curve[0].get_label() for curve in film.curves] == ["cost", "training", "test"]


def test_what_training_added_is_counted_from_the_start_of_the_seed(command, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(animation, "Film", lambda plt, learned, *_: seen.append(learned))
    monkeypatch.setattr(animation, "save_gif", lambda film, path: None)
    for seed in (3, 4):
        succeed(*command, "--figures", tmp_path, "--seed", seed, steps=1)
    assert not seen[0].any()  # the network is the start of seed 3
    starts = [nn.initialize_parameters((144, 5), seed)["W1"] for seed in (3, 4)]
    assert np.array_equal(seen[1], starts[0] - starts[1])


def test_of_many_units_the_first_are_drawn(small_data):
    parameters = nn.initialize_parameters((144, 30, 1), 1)
    photos = np.zeros((1, 6, 8, 3), np.uint8)
    frames = animation.make_frames(load_data(small_data), parameters, photos, [0], 0)
    film = animation.Film(drawing.pyplot(False), parameters["W1"], (6, 8, 3), frames, photos)
    assert len(film.units) == drawing.MOST_UNITS
    assert film.units[0].axes.get_xlabel() == "unit 1 of 30"


def test_the_same_gif_twice_with_a_frame_for_each_step(command, tmp_path):
    for folder in ("a", "b"):
        succeed(*command, "--figures", tmp_path / folder, steps=1)
    assert contents(tmp_path / "a") == contents(tmp_path / "b") and len(contents(tmp_path / "a")) == 1
    with Image.open(tmp_path / "a" / "pruning.gif") as gif:
        assert gif.n_frames == 2 and gif.size == (850, 520) and gif.info["loop"] == 0
        for number, milliseconds in enumerate([animation.MILLISECONDS, animation.LAST]):
            gif.seek(number)
            assert gif.info["duration"] == milliseconds


def test_the_gif_has_the_frames_in_their_order(film, tmp_path):
    animation.save_gif(film, tmp_path / "film.gif")
    rendered = [np.asarray(film.rendered(number)).astype(int) for number in range(len(film.frames))]
    with Image.open(tmp_path / "film.gif") as gif:
        for number in range(gif.n_frames):
            gif.seek(number)
            shown = np.asarray(gif.convert("RGB")).astype(int)
            distances = [np.abs(shown - frame).mean() for frame in rendered]  # not 0: a GIF has 256 colours
            assert np.argmin(distances) == number and distances[number] < 10


def test_a_photo_of_ones_own_and_a_page(command, photos, tmp_path):
    succeed(*command, "--figures", tmp_path / "f", "--photo", photos / "2.png", "--html", tmp_path / "page.html",
            steps=2)
    page = (tmp_path / "page.html").read_text()
    assert page.count("data:image/png;base64,") == 3 and 'type="range"' in page and "width=device-width" in page
    read, labels = animation.read_photos(photos / "2.png", (6, 8, 3))
    assert len(read) == len(labels) == len(animation.CHOSEN) and (read[0] == 80).all() and labels[0] is None


def test_a_page_that_cannot_be_written_is_told_before_the_work(command, tmp_path):
    line = fail(*command, "--html", tmp_path, "--figures", tmp_path / "f")
    assert line == f"animation.py: {tmp_path}: is not a file that could be replaced" and not (tmp_path / "f").exists()


def test_a_photo_that_cannot_be_read_is_one_line(command, tmp_path):
    (tmp_path / "no.png").write_text("no picture")
    line = fail(*command, "--photo", tmp_path / "no.png", "--figures", tmp_path / "f")
    assert "no.png: cannot be read as a picture" in line and not (tmp_path / "f").exists()
