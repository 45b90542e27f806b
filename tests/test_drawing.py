"""Figures: letters that Matplotlib's own font does not have."""

import types

import matplotlib
import numpy as np
import pytest
from PIL import Image

from datasets.networks import save_parameters
from figure import drawing

from .conftest import network_that_says_car_above, run, succeed


def fonts(monkeypatch, *names):
    """The font families of a figure where the system has the given ones."""
    monkeypatch.setattr("matplotlib.font_manager.fontManager",
                        types.SimpleNamespace(ttflist=[types.SimpleNamespace(name=name) for name in names]))
    with matplotlib.rc_context({"font.family": ["sans-serif"]}):
        drawing.add_fallback_fonts(matplotlib)
        drawing.add_fallback_fonts(matplotlib)
        return matplotlib.rcParams["font.family"]


def test_installed_fonts_are_added_behind_matplotlibs_own(monkeypatch):
    assert fonts(monkeypatch, "DejaVu Sans", "Comic Sans MS") == ["sans-serif"]
    assert fonts(monkeypatch, "SimHei", "DejaVu Sans", "Noto Sans CJK SC", "SimHei") == [
        "sans-serif", "Noto Sans CJK SC", "SimHei"]


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
