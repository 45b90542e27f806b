"""Figures: their size, their colours, and letters that Matplotlib's own font does not have."""

import numpy as np
import pytest
from PIL import Image

from datasets.networks import save_parameters
from figure import drawing

from .conftest import network_that_says_car_above, run, succeed


@pytest.mark.parametrize("noise, mode", [(False, "RGBA"), (True, "P")])
def test_a_figure_is_saved_in_200_pixels_an_inch_and_a_large_one_in_256_colours(noise, mode, tmp_path):
    figure, axes = drawing.pyplot(False).subplots(figsize=(4, 3))
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
