"""The recorded run as a moving picture: what pruning leaves of layer 1, and what the network can do after each step.

The committed network is pruned and retrained in the recorded steps. A frame for the unpruned network and for each step:
above, what training added to the weights of each unit of layer 1 (or, if its start is not known, the weights), as a
picture, whose pixels turn black as they lose their connections; below, cost and accuracies along the pruning degree,
and some photos with the verdict: figure/pruning.gif. With --photo a photo of your own is judged, too; with --html the
frames become a page with a slider.

Time on 2 cores: ten to twenty seconds.
"""

import base64
import io
import itertools
import json
import os
import sys
from typing import NamedTuple

import numpy as np
import threadpoolctl
from PIL import Image

import nn_functions as nn
import nn_test
import prun_mask
import pruning
from datasets import files, networks, pictures, user_input
from datasets.photos import photo_labels, read_photos
from figure import drawing, studies

PHOTOS = "photos_demo"
CHOSEN = ("0.jpg", "1.jpg", "12.jpg", "24.jpg", "9.jpg", "6.jpg")  # of them: four whose verdict changes, and two others
INCHES, DPI = (8.5, 5.2), 100
COLOURS = 256  # of the GIF
MILLISECONDS, LAST = 350, 3000  # that a frame is shown, and the last one
DARKEST = 1 / 4  # of the colours of weights, from 0 to 1: 0, black, is what is pruned

# A page that needs nothing from the network: FRAMES is a list of pictures as data URLs, INTERVAL is in milliseconds.
# Of symbols it has only those that every font has; U+FE0E asks for them as text, not as coloured pictures.
PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>What pruning leaves, step by step</title>
<style>
  body { max-width: 850px; margin: 8px auto; padding: 0 8px; font-family: sans-serif; text-align: center }
  img, input { width: 100%; margin: 0 }
  div { display: flex; gap: 4px; max-width: 500px; margin: 8px auto }
  button { flex: 1; padding: 10px 0; font-size: 14px; white-space: nowrap }
</style>
<img id="picture" alt="the network after a step of pruning">
<input id="slider" type="range" min="0" value="0" aria-label="step">
<div>
  <button id="first">|&#x25C0;&#xFE0E; First</button>
  <button id="back">&#x25C0;&#xFE0E; Back</button>
  <button id="play"></button>
  <button id="next">Next &#x25B6;&#xFE0E;</button>
  <button id="last">Last &#x25B6;&#xFE0E;|</button>
</div>
<p id="step"></p>
<script>
  const frames = FRAMES
  const [picture, slider, play, step] = ["picture", "slider", "play", "step"].map(id => document.getElementById(id))
  const last = frames.length - 1
  let timer = null
  function show(number) {
    slider.value = Math.min(Math.max(number, 0), last)
    picture.src = frames[slider.value]
    step.textContent = `step ${slider.value} of ${last}`
  }
  function pause() {
    clearInterval(timer)
    timer = null
    play.textContent = "\u25B6\uFE0E Play"
  }
  function start() {
    show(slider.value == last ? 0 : slider.value)
    play.textContent = "|| Pause"
    timer = setInterval(() => { show(+slider.value + 1); if (slider.value == last) pause() }, INTERVAL)
  }
  play.onclick = () => timer ? pause() : start()
  slider.oninput = () => { pause(); show(slider.value) }
  for (const [id, target] of Object.entries({
      first: () => 0, back: () => slider.value - 1, next: () => +slider.value + 1, last: () => last }))
    document.getElementById(id).onclick = () => { pause(); show(target()) }
  slider.max = last
  pause()
  show(0)
</script>
</html>
"""


class Frame(NamedTuple):
    """What a frame shows."""

    step: int
    mask: np.ndarray  # of layer 1
    degree: float
    evaluation: nn.Evaluation
    verdicts: list  # of `nn_test.Prediction`


def make_frames(data, parameters, photos, labels, steps):
    """Prune and retrain. Returns a `Frame` of the unpruned network, and one of each step."""
    after = itertools.islice(pruning.prune_iteratively(
        data, parameters, lambda _, network: prun_mask.make_masks(network, pruning.PERCENT)), steps)
    stages = [parameters, *(step.parameters for step in studies.show_progress(after, steps, "steps"))]
    X = pictures.as_columns(photos)
    return [Frame(step, network["W1"] != 0, prun_mask.degree(network), nn.evaluate(data, network),
                  nn_test.classify(X, labels, network)) for step, network in enumerate(stages)]


class Film:
    """The figure of which each frame is a state."""

    def __init__(self, learned, shape, frames, photos, what="Weights"):
        """learned : what is drawn of W1, of its shape; what : its name."""
        self.frames = frames
        self.learned, scales = zip(*(drawing.weights_as_picture(row, shape) for row in learned[:drawing.MOST_UNITS]))
        self.learned = [DARKEST + (1 - DARKEST) * picture for picture in self.learned]
        self.figure = drawing.figure(figsize=INCHES, dpi=DPI, layout="constrained")
        above, below = self.figure.subfigures(2, height_ratios=(1.1, 2.3))
        left, right = below.subfigures(1, 2, width_ratios=(1.25, 1))
        self.title = above.suptitle(" ", fontsize=12)
        self.units = []
        for r, axes in enumerate(above.subplots(1, len(self.learned), squeeze=False)[0]):
            self.units.append(axes.imshow(self.picture(r, frames[0]), interpolation="nearest"))
            axes.set(xticks=[], yticks=[])
            axes.set_xlabel(f"unit {r + 1} of {len(learned)}, ±{scales[r]:.2g}", fontsize=8)
        above.supxlabel(f"{what}: grey is 0, lighter above, darker below, full at ±x; "
                        "black: pruned in all three colours", fontsize=8)
        self.curves = self.make_curves(left)
        grid = right.subplots(-(-len(photos) // 2), 2, squeeze=False).ravel()
        self.titles = []
        for axes in grid:
            axes.axis("off")
        for axes, photo in zip(grid, photos):
            axes.imshow(photo, interpolation="nearest")
            self.titles.append(axes.set_title(" ", fontsize=9, pad=3))
        for _ in range(2):  # after which all has found its place, and stays there in all frames
            self.rendered(0)
        self.figure.set_layout_engine("none")

    def picture(self, r, frame):
        """What training added to a unit's weights, where its connections are left.

        Of the others the picture has the grey of 0. Pixels that have none left in any of their three colours are black.
        """
        mask = frame.mask[r].reshape(self.learned[r].shape)
        return np.where(mask, self.learned[r], (1 + DARKEST) / 2) * mask.any(axis=2, keepdims=True)

    def make_curves(self, panel):
        """Draw axes for the cost and the accuracies. Returns their lines, each with its place in an `Evaluation`."""
        above, below = panel.subplots(2, sharex=True)
        above.set(ylabel="cost", ylim=(0, 1.1 * max(frame.evaluation.cost for frame in self.frames)))
        lowest = min(min(frame.evaluation[1:]) for frame in self.frames)
        below.set(ylabel="accuracy (%)", xlabel="pruning degree (%)", ylim=(min(45, lowest - 3), 103),
                  xlim=(-2, max(5, self.frames[-1].degree) + 2))
        curves = []
        kinds = (above, "C3o-", "cost"), (below, "C0o-", "training"), (below, "C1s-", "test")
        for k, (axes, style, name) in enumerate(kinds):
            line, = axes.plot([], [], style, markersize=3, label=name)
            curves.append((line, k))
        below.legend(loc="lower left", ncols=2, frameon=False, fontsize=8)
        for axes in (above, below):
            axes.grid(alpha=0.3)
        return curves

    def show(self, number):
        """Change the figure to a frame."""
        frame = self.frames[number]
        left = np.count_nonzero(frame.mask)
        self.title.set_text(f"step {frame.step}: {frame.degree:.1f} % pruned, {left} connections of layer 1 are left")
        for r, image in enumerate(self.units):
            image.set_data(self.picture(r, frame))
        done = self.frames[:number + 1]
        for line, k in self.curves:
            line.set_data([frame.degree for frame in done], [frame.evaluation[k] for frame in done])
        for title, verdict in zip(self.titles, frame.verdicts):
            title.set_text(verdict.text + (" (wrong)" if verdict.wrong else ""))
            title.set_color("red" if verdict.wrong else "black")

    def rendered(self, number):
        """A frame as a Pillow picture."""
        self.show(number)
        self.figure.canvas.draw()
        return Image.fromarray(np.asarray(self.figure.canvas.buffer_rgba())[..., :3])


def render(film):
    """All frames, as Pillow pictures. They share their colours, so that in a GIF only what changes takes bytes."""
    number = len(film.frames)
    rendered = list(studies.show_progress(map(film.rendered, range(number)), number, "frames drawn"))
    both = Image.fromarray(np.vstack([np.asarray(rendered[0]), np.asarray(rendered[-1])]))
    palette = both.quantize(COLOURS, dither=Image.Dither.NONE)
    return [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in rendered]


def save_gif(rendered, path):
    """Write what `render` returned as an animated GIF."""
    first, *others = rendered
    content = io.BytesIO()
    first.save(content, "GIF", save_all=True, append_images=others, loop=0, optimize=True,
               duration=[MILLISECONDS] * len(others) + [LAST])
    files.write_atomically(path, lambda file: file.write(content.getbuffer()))
    print(f"figure: {path}")


def save_page(rendered, path):
    """Write what `render` returned as a page with a slider and buttons, which needs no other file."""
    frames = []
    for picture in rendered:
        content = io.BytesIO()
        picture.save(content, "PNG", optimize=True)
        frames.append("data:image/png;base64," + base64.b64encode(content.getbuffer()).decode())
    page = PAGE.replace("INTERVAL", str(MILLISECONDS)).replace("FRAMES", json.dumps(frames, indent=0))
    files.write_atomically(path, lambda file: file.write(page.encode()))
    print(f"page: {path}")


def choose_photos(own, shape):
    """The photos that are judged, and their labels; own : None, or the path of one that comes first. Raises InputError.
    """
    demo = user_input.default_path(PHOTOS)
    paths = [os.path.join(demo, name) for name in CHOSEN]
    paths = [own, *paths[:-1]] if own else paths
    good, photos, errors = read_photos(paths, shape)
    if errors:
        raise user_input.InputError(errors[0])
    return photos, photo_labels(good)[0]


def study(data_file, parameters_file, figures, steps=pruning.STEPS, photo=None, html=None, show=False):
    """Prune the network, and write the moving picture. Raises InputError.

    figures : the folder for it; photo : None, or the path of one to judge
    html : None, or the file that a page with a slider is written to
    """
    data, shape = pictures.load_data(data_file), pictures.picture_shape(data_file)
    for note in data.notes:
        print(note)
    parameters = networks.load_trained(parameters_file, data_file)
    photos, labels = choose_photos(photo, shape)
    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        frames = make_frames(data, parameters, photos, labels, steps)
    start = studies.find_start(parameters_file, parameters)
    learned, what = ((parameters["W1"], "Weights") if start is None else
                     (parameters["W1"] - start, "Weights minus their initial values"))
    film = Film(learned, shape, frames, photos, what)
    rendered = render(film)
    save_gif(rendered, f"{figures}/pruning.gif")
    if html:
        save_page(rendered, html)
    if show:
        drawing.show_figure(film.figure)


@user_input.exit_status
def main(argv=()):
    parser = studies.make_parser(__doc__.splitlines()[0], "parameters")
    parser.add_argument("--photo", type=user_input.path, metavar="FILE", help="a photo of your own to judge")
    parser.add_argument("--html", type=user_input.path, metavar="FILE", help="write a page with a slider, too")
    options = parser.parse_args(argv)
    files.check_folder(options.figures)
    if options.html:
        files.check_file(options.html)
    study(options.data, options.parameters, options.figures, photo=options.photo, html=options.html, show=options.show)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
