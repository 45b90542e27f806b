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
from figure import animation

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


def test_the_same_gif_twice_with_a_frame_for_each_step(command, tmp_path):
    for folder in ("a", "b"):
        succeed(*command, "--figures", tmp_path / folder, steps=4)
    assert contents(tmp_path / "a") == contents(tmp_path / "b") and len(contents(tmp_path / "a")) == 1
    with Image.open(tmp_path / "a" / "pruning.gif") as gif:
        assert gif.n_frames == 5 and gif.size == (850, 520) and gif.info["loop"] == 0
        frames = []
        for number in range(5):
            gif.seek(number)
            frames.append(np.asarray(gif.convert("RGB")).astype(int))
    # What is pruned turns grey: there is more and more of it in the pictures of layer 1.
    grey = [(np.abs(frame[50:130] - 128).max(axis=2) < 6).sum() for frame in frames]
    assert grey == sorted(grey) and grey[-1] > grey[0]


def test_a_photo_of_ones_own_and_a_page(command, photos, tmp_path):
    succeed(*command, "--figures", tmp_path / "f", "--photo", photos / "2.png", "--html", tmp_path / "page.html",
            steps=2)
    page = (tmp_path / "page.html").read_text()
    assert page.count("data:image/png;base64,") == 3 and 'type="range"' in page and "width=device-width" in page
    read, labels = animation.read_photos(photos / "2.png", (6, 8, 3))
    assert len(read) == len(labels) == len(animation.CHOSEN) and (read[0] == 80).all() and labels[0] is None


def test_a_photo_that_cannot_be_read_is_one_line(command, tmp_path):
    (tmp_path / "no.png").write_text("no picture")
    line = fail(*command, "--photo", tmp_path / "no.png", "--figures", tmp_path / "f")
    assert "no.png: cannot be read as a picture" in line and not (tmp_path / "f").exists()
