"""Figures: their size, their colours, and letters that Matplotlib's own font does not have."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from datasets.networks import save_parameters
from figure import drawing

from .conftest import ROOT, assert_figure, fail, network_that_says_car_above, run, succeed


@pytest.mark.parametrize("noise, mode", [(False, "RGBA"), (True, "P")])
def test_a_figure_is_saved_in_200_pixels_an_inch_and_a_large_one_in_256_colours(noise, mode, tmp_path):
    figure, axes = drawing.subplots(figsize=(4, 3))
    picture = np.full((300, 400, 3), (200, 40, 40), np.uint8)
    picture[:, 200:] = np.random.RandomState(0).randint(0, 256, (300, 200, 3)) if noise else 0
    axes.imshow(picture)
    drawing.save_figure(figure, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as saved:
        assert saved.size == (800, 600) and saved.mode == mode
        pixels = np.asarray(saved.convert("RGB")).astype(int)
    near_red = np.abs(pixels - (200, 40, 40)).max(axis=2) < 12
    assert near_red.mean() > 0.2  # as drawn: half of the axes


def test_chinese_names_are_drawn(small_data, tmp_path):
    from matplotlib.font_manager import fontManager

    if not {font.name for font in fontManager.ttflist} & set(drawing.FALLBACK_FONTS):
        pytest.skip("no font with Chinese letters is installed")
    save_parameters(tmp_path / "p.npy", network_that_says_car_above(100), [])
    drawn = []
    for name in ("汽车", "照片"):  # without a font both are two empty boxes
        Image.new("RGB", (8, 6)).save(tmp_path / f"{name}.png")
        succeed("nn_test.py", tmp_path / f"{name}.png", "--data", small_data, "--parameters", tmp_path / "p.npy",
                "--figures", tmp_path, run=run)
        with Image.open(tmp_path / "predict.png") as figure:
            drawn.append(np.asarray(figure))
    assert not np.array_equal(*drawn)


def test_weights_as_pictures():
    picture, scale = drawing.weights_as_picture(np.array([0, 1.0, -1, 0.5, 0, 0] * 2), (2, 2, 3))
    assert scale == 1 and picture[0].tolist() == [[0.5, 1, 0], [np.round(0.75 * 30) / 30, 0.5, 0.5]]


def test_units_as_pictures_have_a_black_ground():
    _, axes = drawing.subplots(1, 2, figsize=(4, 2))
    colours = np.array([[0, 0, 0, 0, 0.5, -1], [0, 0, 0, 1, 1, 1]])
    assert drawing.draw_units(axes, colours, (1, 2, 3)) == 1
    (pruned, left), (_, light) = (panel.images[0].get_array()[0] for panel in axes)
    assert pruned.tolist() == [0, 0, 0] and light.tolist() == [1, 1, 1]
    assert 0.3 == left[2] < left[0] < left[1] < 1  # below 0, pruned in this colour, above 0

    _, axes = drawing.subplots(1, 2, figsize=(4, 2))
    drawing.draw_units(axes, np.array([[0, 2.0, -2], [0, 0, 0]]), (1, 3))
    (pruned, above, below), gone = (panel.images[0].get_array()[0] for panel in axes)
    assert pruned.tolist() == [0, 0, 0] and above[2] > above[0] and below[0] > below[2] and not gone.any()
    drawing.draw_units(axes, np.zeros((2, 3)), (1, 3), kept=np.ones((2, 3), bool))
    assert np.ptp(grey := axes[0].images[-1].get_array()) < 0.01 and grey.min() > 0.2  # 0, but not pruned


MAINS = '''
import importlib, json, sys
import matplotlib
matplotlib.use("svg")
matplotlib.rcParams["font.size"] = 17
from matplotlib import pyplot

def settings():
    return dict(matplotlib.rcParams), pyplot.get_fignums(), matplotlib.get_backend()

pyplot.figure()
before = settings()
for name, arguments in json.loads(sys.argv[1]).items():
    assert importlib.import_module(name).main(arguments) == 0, name
    assert settings() == before, name
'''


def test_matplotlib_is_the_same_after_each_script(trained, photos, tmp_path):
    out, data = str(trained / "out"), ["--data", str(trained / "small.h5"), "--figures", str(tmp_path)]
    networks = ["--parameters", f"{out}/parameters.npy", "--pruned", out]
    mains = {"nn_main": [*data, "--iterations", "3", "--out", str(tmp_path)],
             "prun_parameters": [*data, *networks, "--photos", str(photos)], "figure.network": [*data, *networks]}
    done = subprocess.run([sys.executable, "-c", MAINS, json.dumps(mains)], cwd=ROOT, capture_output=True, text=True,
                          check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(list(tmp_path.glob("*.png"))) == 3


def test_the_backend_of_a_notebook_does_no_harm(tmp_path):
    succeed("nn_test.py", "photos_demo/1.jpg", "--figures", tmp_path, run=run,
            MPLBACKEND="module://matplotlib_inline.backend_inline")
    assert_figure(tmp_path / "predict.png")


@pytest.mark.parametrize("backend", ["TkAgg", "agg"])
def test_show_without_a_screen_is_one_line_before_the_work(backend, monkeypatch, tmp_path):
    for variable in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(variable, raising=False)
    line = fail("figure.far", "--show", "--figures", tmp_path / "f", run=run, MPLBACKEND=backend)
    assert "far.py: --show: cannot show a figure here: " in line and not (tmp_path / "f").exists()


def test_show_shows_what_is_saved(trained, tmp_path):
    """With a backend like a notebook's, which needs no screen."""
    (tmp_path / "shown_here.py").write_text(
        "from matplotlib import pyplot\nfrom matplotlib.backends.backend_agg import FigureCanvasAgg as FigureCanvas\n"
        "def show(*_, **__):\n    print('shown:', len(pyplot.gcf().axes))\n")
    text = succeed("figure.network", "--data", trained / "small.h5", "--parameters", trained / "out" / "parameters.npy",
                   "--pruned", trained / "out", "--out", tmp_path, "--show", run=run, MPLBACKEND="module://shown_here",
                   PYTHONPATH=f"{ROOT}{os.pathsep}{tmp_path}")
    assert text == f"figure: {tmp_path}/network.png\nshown: 2\n"
    assert_figure(tmp_path / "network.png")
