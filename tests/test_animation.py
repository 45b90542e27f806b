"""The moving picture: a frame for each step, of what the network is after it."""

import base64
import io
import itertools
import re

import numpy as np
import pytest
from PIL import Image

import nn_functions as nn
import nn_test
import prun_mask
import pruning
from datasets.networks import save_parameters
from datasets.npy import save_dict
from datasets.pictures import as_columns, load_data
from figure import animation, drawing

from .conftest import fail

PARAMETERS = nn.initialize_parameters((144, 8, 4, 1), 3)
LABELS = [1, 0, None]


@pytest.fixture
def film(small_data):
    """Three frames, with three photos."""
    photos = np.random.RandomState(1).randint(0, 256, (3, 6, 8, 3)).astype(np.uint8)
    frames = animation.make_frames(load_data(small_data), PARAMETERS, photos, LABELS, 2)
    learned = np.random.RandomState(2).randn(8, 144)
    return animation.Film(learned, (6, 8, 3), frames, photos), learned, photos


def test_a_frame_shows_the_network_after_its_step(film, small_data):
    film, learned, photos = film
    data, degrees = load_data(small_data), []
    steps = pruning.prune_iteratively(data, PARAMETERS, lambda _, network: prun_mask.make_masks(network, 5))
    expected = [PARAMETERS, *(step.parameters for step in itertools.islice(steps, 2))]
    for number, (frame, network) in enumerate(zip(film.frames, expected, strict=True)):
        assert (frame.step, frame.degree) == (number, prun_mask.degree(network))
        assert np.array_equal(frame.mask, network["W1"] != 0) and frame.evaluation == nn.evaluate(data, network)
        assert frame.verdicts == nn_test.classify(as_columns(photos), LABELS, network)
        film.show(number)
        degrees.append(frame.degree)
        assert film.title.get_text() == (f"step {number}: {frame.degree:.1f} % pruned, {frame.mask.sum()} connections "
                                         "of layer 1 are left")
        for r, image in enumerate(film.units):  # what training added, where connections are left
            full = drawing.weights_as_picture(learned[r], (6, 8, 3))[0]
            coloured = animation.DARKEST + (1 - animation.DARKEST) * full
            grey = animation.DARKEST + (1 - animation.DARKEST) * 0.5  # a change of 0
            expected = np.where(frame.mask[r].reshape(6, 8, 3), coloured, grey)
            expected[~frame.mask[r].reshape(6, 8, 3).any(axis=2)] = 0
            assert np.allclose(image.get_array(), expected, rtol=0, atol=1e-12)
        for line, k in film.curves:
            assert list(line.get_xdata()) == degrees and line.get_ydata()[-1] == frame.evaluation[k]
        for title, verdict in zip(film.titles, frame.verdicts, strict=True):
            assert title.get_text() == verdict.text + (" (wrong)" if verdict.wrong else "")
    assert len(film.units) == drawing.MOST_UNITS and film.units[0].axes.get_xlabel().startswith("unit 1 of 8, ±")


def test_what_is_pruned_does_not_look_like_what_training_has_not_changed(tmp_path):
    """Not even in the colours of the GIF, in which the frames say what is what."""
    learned = np.zeros((1, 144))
    learned[0, 96:] = np.linspace(-1, 1, 48)
    mask = np.arange(144)[None] >= 48  # two rows are pruned; the next two are not changed
    common = nn.Evaluation(0.1, 90.0, 80.0), [nn_test.Prediction("car", False)]
    frames = [animation.Frame(0, np.ones_like(mask), 0.0, *common), animation.Frame(1, mask, 33.3, *common)]
    film = animation.Film(learned, (6, 8, 3), frames, np.zeros((1, 6, 8, 3), np.uint8))
    before, after = (film.picture(0, frame) for frame in frames)
    assert after[:2].max() == 0 and min(before.min(), after[2:].min()) > 0.2
    animation.save_gif(animation.render(film), tmp_path / "film.gif")
    with Image.open(tmp_path / "film.gif") as gif:
        gif.seek(1)
        colours = np.asarray(gif.convert("RGB"))
    axes = film.units[0].axes.get_window_extent()
    seen = [colours[520 - int(y), int(axes.x0 + axes.x1) // 2].max()
            for y in np.linspace(axes.y1, axes.y0, 13)[1::2]]  # of each of the six rows
    assert seen[0] == seen[1] < 20 and min(seen[2:]) > 60
    said = " ".join(text.get_text() for part in film.figure.subfigs for text in part.texts)
    assert "black: pruned" in said and "Weights" in said


def test_the_gif_has_the_frames_in_their_order(film, tmp_path):
    film, *_ = film
    animation.save_gif(animation.render(film), tmp_path / "film.gif")
    rendered = [np.asarray(film.rendered(number)).astype(int) for number in range(3)]
    with Image.open(tmp_path / "film.gif") as gif:
        assert gif.n_frames == 3 and gif.size == (850, 520) and gif.info["loop"] == 0
        for number in range(3):
            gif.seek(number)
            assert gif.info["duration"] == (animation.LAST if number == 2 else animation.MILLISECONDS)
            distances = [np.abs(np.asarray(gif.convert("RGB")) - frame).mean() for frame in rendered]  # of 256 colours
            assert np.argmin(distances) == number and distances[number] < 10


def test_the_study_writes_the_same_twice_and_a_page(small_data, photos, tmp_path):
    save_parameters(tmp_path / "p.npy", PARAMETERS, [1.0])
    for folder, seed in (("a", 4), ("b", 4), ("c", 5), ("d", None)):  # what training added is counted from its start
        save_dict(tmp_path / "data.npy", {"costs": np.ones(1), "init": "he", "seed": seed, "layers": [8, 4]})
        if seed is None:
            (tmp_path / "data.npy").unlink()
        animation.study(small_data, tmp_path / "p.npy", tmp_path / folder, steps=1, photo=photos / "2.png",
                        html=tmp_path / "page.html")
    made = {name: (tmp_path / name / "pruning.gif").read_bytes() for name in "abcd"}
    assert made["a"] == made["b"] and len({*made.values()}) == 3
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 2 and 'type="range"' in page and "width=device-width" in page
    code = re.sub(r'base64,[^"]*', "", page)
    assert not re.search(r"http|src=|<link|@import|@font-face|<i\b", code)  # nothing from elsewhere, no icons
    buttons = dict(re.findall(r'<button id="(\w+)">(.*?)</button>', page))
    assert {name: re.sub(r"&#x\w+;|\W", "", text) for name, text in buttons.items()} == {
        "first": "First", "back": "Back", "play": "", "next": "Next", "last": "Last"}
    assert re.findall(r'play.textContent = ".* (\w+)"', page) == ["Play", "Pause"]
    first, last = (Image.open(io.BytesIO(base64.b64decode(frame))) for frame in re.findall(r'base64,(.*?)"', page))
    assert first.size == last.size == (850, 520) and first.tobytes() != last.tobytes()
    read, labels = animation.choose_photos(photos / "2.png", (6, 8, 3))
    assert len(read) == len(labels) == len(animation.CHOSEN) and (read[0] == 80).all() and labels[0] is None


@pytest.mark.parametrize("option, name", [("--html", ""), ("--photo", "no.png")])
def test_what_is_wrong_is_told_before_the_work(option, name, small_data, tmp_path):
    save_parameters(tmp_path / "p.npy", PARAMETERS, [])
    (tmp_path / "no.png").write_text("no picture")
    line = fail("figure.animation", "--data", small_data, "--parameters", tmp_path / "p.npy", "--figures",
                tmp_path / "f", option, tmp_path / name)
    assert line.startswith(f"animation.py: {tmp_path / name}: ") and not (tmp_path / "f").exists()
