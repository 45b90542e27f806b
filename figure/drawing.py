"""Figures, made without pyplot: they need no screen, and the caller's Matplotlib stays as it was."""

import contextlib
import io
import os
import sys
import warnings

import numpy as np
from PIL import Image

from datasets.files import write_atomically

DPI = 200  # pixels an inch of a figure that is saved
LARGEST_PNG = 400_000  # bytes of a figure in all its colours
MOST_UNITS = 6  # whose weights are drawn as pictures, the first ones: the pictures of more would be too small
LEVELS = 30  # of each colour of weights as pictures: noise in more of them makes a large file
# Of weights as pictures, from far below 0 to far above: grey is 0, and colour-blind people tell them apart, too.
WEIGHT_COLORS = ("#FFE9B0", "#F5A300", "#505050", "#2F9BF0", "#C4E8FF")
# Fonts with Chinese, Japanese and Korean letters, which file names may have, on Linux, macOS and Windows.
FALLBACK_FONTS = ("Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK KR", "WenQuanYi Zen Hei",
                  "Droid Sans Fallback", "PingFang SC", "Hiragino Sans GB", "Apple SD Gothic Neo", "Microsoft YaHei",
                  "Yu Gothic", "Malgun Gothic")


def figure(**settings):
    """A figure of `matplotlib.figure.Figure`, of which pyplot does not know."""
    backend = None if "matplotlib" in sys.modules else os.environ.pop("MPLBACKEND", None)
    import matplotlib

    if backend:  # a notebook's, which would have stopped the import where it is not installed
        os.environ["MPLBACKEND"] = backend
        with contextlib.suppress(ValueError):
            matplotlib.rcParams["backend"] = backend
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    return FigureCanvasAgg(Figure(**settings)).figure


def subplots(*grid, figsize, layout=None, **settings):
    """A figure and its axes, as `pyplot.subplots` makes them."""
    made = figure(figsize=figsize, layout=layout)
    return made, made.subplots(*grid, **settings)


def set_degrees(axes, degrees, last):
    """Make the x-axis, 100 less the pruning degree, logarithmic, from 100 to a last degree; degrees : its ticks."""
    axes.set(xscale="log", xlabel="pruning degree (%)")
    axes.set_xticks([100 - degree for degree in degrees], [f"{degree:g}" for degree in degrees])
    axes.xaxis.minorticks_off()
    axes.set_xlim(100, 100 - last)


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
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of letters in a file name that no font has
        figure.savefig(content, format="png", dpi=DPI)
    if content.tell() > LARGEST_PNG:
        with Image.open(content) as picture:
            few_colours = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
        content = io.BytesIO()
        few_colours.save(content, "PNG", optimize=True)
    write_atomically(path, lambda file: file.write(content.getbuffer()))
    print(f"figure: {path}")
    if show:
        show_figure(figure)


def save_gif(figures, path, milliseconds, last):
    """Write figures as a moving picture, a GIF file, and print its path.

    milliseconds, last : that each figure is shown, and the last one. All have the 256 colours that suit the first and
        the last best, so that what does not change takes no bytes.
    """
    frames = []
    for figure in figures:
        figure.set_dpi(DPI)
        figure.canvas.draw()
        frames.append(np.array(figure.canvas.buffer_rgba())[..., :3])
    palette = Image.fromarray(np.vstack([frames[0], frames[-1]])).quantize(256, dither=Image.Dither.NONE)
    first, *others = [Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    content = io.BytesIO()
    first.save(content, "GIF", save_all=True, append_images=others, loop=0, optimize=True,
               duration=[milliseconds] * len(others) + [last])
    write_atomically(path, lambda file: file.write(content.getbuffer()))
    print(f"figure: {path}")


def show_figure(figure):
    """Show a figure in a window of pyplot's, until that is closed."""
    from matplotlib import pyplot

    canvas = pyplot.figure(figsize=figure.get_size_inches()).canvas
    canvas.figure = figure
    figure.set_canvas(canvas)
    pyplot.show()
    pyplot.close(figure)


def weights_as_picture(weights, shape):
    """A unit's weights as a picture, (height, width, 3), in which 0 is grey; and the value that is fully light."""
    scale = np.percentile(np.abs(weights[weights != 0]), 99) if weights.any() else 1
    picture = np.clip(0.5 + weights.reshape(shape) / (2 * scale), 0, 1)
    return np.round(picture * LEVELS) / LEVELS, scale


def draw_units(axes, weights, shape, kept=None):
    """Draw each unit's weights as a picture, on one scale; what is pruned is black.

    axes : an array of one a unit; weights : of shape (units, n); kept : None for weights != 0, or another mask
    shape : (height, width), and 0 is grey, weights below 0 orange, above 0 blue; or (height, width, 3), and 0 is grey,
        weights above 0 lighter, below 0 darker, and a pixel black where all its three colours are pruned
    Returns the weight from which on a colour is full.
    """
    from matplotlib.colors import LinearSegmentedColormap

    picture, scale = weights_as_picture(weights, (len(weights), *shape))
    kept = (weights != 0 if kept is None else kept).reshape(picture.shape)
    if len(shape) == 2:
        picture = LinearSegmentedColormap.from_list("weights", WEIGHT_COLORS)(picture)[..., :3] * kept[..., None]
    else:
        picture = (0.3 + 0.7 * picture) * kept.any(axis=3, keepdims=True)
    for panel, pixels in zip(np.ravel(axes), picture):
        panel.imshow(pixels, interpolation="nearest")
        panel.set(xticks=[], yticks=[])
    return scale
