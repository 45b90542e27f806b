"""Drawing with Matplotlib without a screen, and saving what was drawn."""

import contextlib
import io
import logging
import os
import sys
import types
import warnings

import numpy as np
from PIL import Image

from datasets.files import write_atomically
from datasets.user_input import InputError, describe

DPI = 200  # pixels an inch of a figure that is saved
LARGEST_PNG = 400_000  # bytes of a figure in all its colours
MOST_UNITS = 6  # whose weights are drawn as pictures, the first ones: the pictures of more would be too small
LEVELS = 30  # of each colour of weights as pictures: noise in more of them makes a large file

# Fonts with Chinese, Japanese and Korean letters, which file names may have, on Linux, macOS and Windows. Those that
# are installed are used for the letters that Matplotlib's own font does not have.
FALLBACK_FONTS = (
    "Noto Sans CJK SC", "Noto Sans CJK TC", "Noto Sans CJK JP", "Noto Sans CJK KR", "Noto Sans SC", "Noto Sans JP",
    "Noto Sans KR", "Source Han Sans SC", "Source Han Sans CN", "Source Han Sans", "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei", "Droid Sans Fallback", "AR PL UMing CN", "IPAexGothic", "TakaoGothic", "NanumGothic",
    "PingFang SC", "PingFang HK", "Hiragino Sans GB", "Hiragino Sans", "Heiti TC", "STHeiti", "Apple SD Gothic Neo",
    "Arial Unicode MS", "Microsoft YaHei", "SimHei", "Microsoft JhengHei", "Yu Gothic", "Meiryo", "MS Gothic",
    "Malgun Gothic",
)


def pyplot(show):
    """Makes figures, by `figure` and `subplots`: pyplot if they are to be shown.

    Otherwise a stand-in: its figures need no screen, pyplot does not know of them, and no setting is changed.
    """
    backend = None if "matplotlib" in sys.modules else os.environ.pop("MPLBACKEND", None)
    import matplotlib

    if backend:  # which would have stopped the import if it is not installed, as a notebook's for another Python
        os.environ["MPLBACKEND"] = backend
        with contextlib.suppress(ValueError):
            matplotlib.rcParams["backend"] = backend
    if show:
        import matplotlib.pyplot

        return matplotlib.pyplot
    return types.SimpleNamespace(figure=_figure, subplots=_subplots)


def _figure(**settings):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    return FigureCanvasAgg(Figure(**settings)).figure


def _subplots(*grid, figsize, layout=None, **settings):
    figure = _figure(figsize=figsize, layout=layout)
    return figure, figure.subplots(*grid, **settings)


def font_families():
    """Matplotlib's own fonts, and those of `FALLBACK_FONTS` that are installed, for letters that the former lack."""
    import matplotlib
    from matplotlib.font_manager import fontManager

    installed = {font.name for font in fontManager.ttflist}
    return [*matplotlib.rcParams["font.family"], *(name for name in FALLBACK_FONTS if name in installed)]


def save_figure(figure, path, show=False):
    """Write a figure as a PNG file, whole or not at all, and print its path; then show it in a window, too.

    A file of more than LARGEST_PNG bytes is written anew with the 256 colours that suit it best.
    """
    content, logger = io.BytesIO(), logging.getLogger("matplotlib")
    level = logger.level
    logger.setLevel(logging.ERROR)  # it warns of a font that has no normal weight, as WenQuanYi Zen Hei
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of letters in a file name that the font does not have
            figure.savefig(content, format="png", dpi=DPI, pil_kwargs={"optimize": True})
    except RuntimeError as error:  # text.usetex without LaTeX
        raise InputError(f"{path}: Matplotlib's settings do not let it draw ({describe(error)[:200]})") from error
    finally:
        logger.setLevel(level)
    if content.tell() > LARGEST_PNG:
        with Image.open(content) as picture:
            few_colours = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
        content = io.BytesIO()
        few_colours.save(content, "PNG", optimize=True)
    write_atomically(path, lambda file: file.write(content.getbuffer()))
    print(f"figure: {path}")
    if show:
        pyplot(show).show()
        pyplot(show).close(figure)


def weights_as_picture(weights, shape):
    """A unit's weights as a picture, (height, width, 3), in which 0 is grey; and the value that is fully light."""
    scale = np.percentile(np.abs(weights[weights != 0]), 99) if weights.any() else 1
    with np.errstate(over="ignore"):
        picture = np.clip(0.5 + weights.reshape(shape) / (2 * scale), 0, 1)
    return np.round(picture * LEVELS) / LEVELS, scale


subplots, figure = _subplots, _figure
