"""Judge photos with a saved network: car or no car.

Takes photos and folders of photos, prints a verdict a line, and draws the photos with the verdicts. Where a folder has
a labels.csv (`file,label`, 1 = car), or is itself called `car` or `nocar`, mistakes are marked and counted. With --test
it judges the test pictures of the data set.
"""

import collections
import os
import sys
from typing import NamedTuple

import nn_functions as nn
from datasets import files, networks, pictures, user_input
from datasets.photos import find_photos, photo_labels, read_photos
from figure import drawing

PHOTOS = "photos_demo"
DATA = "datasets/carvnocar.h5"  # tells the height and width that the network was trained on
PARAMETERS = "datasets/parameters.npy"
FIGURES = "figure"
THRESHOLD = 0.5  # the verdict is car where its probability is above this
COLUMNS = 7  # of the figure
MOST_DRAWN = 210  # photos in the figure; the verdicts of all are printed


class Verdict(NamedTuple):
    """What a network says of a photo."""

    text: str  # "car 0.999"
    wrong: bool  # whether the photo has another label


def verdicts(X, labels, parameters, threshold=THRESHOLD):
    """Judge pictures, X of shape (n_x, m), from 0 to 1 or uint8. Returns a list of `Verdict`.

    labels : 1, 0 or None of each; threshold : the probability above which the verdict is "car"
    """
    return [Verdict(f"{'car' if p > threshold else 'no car'} {p:.3f}", label is not None and (p > threshold) != label)
            for p, label in zip(nn.predict(X, parameters)[0], labels)]


def score(judged, labels):
    """How many of the photos that have a label are judged correctly, as "26/27"; judged : a list of `Verdict`."""
    correct = [not verdict.wrong for verdict, label in zip(judged, labels) if label is not None]
    return f"{sum(correct)}/{len(correct)}" if correct else "no score, no labels"


def mistakes(judged, labels):
    """What the score is made of, as "cars: 13 found, 2 missed; 5 false alarms"; arguments as above."""
    count = collections.Counter((label, verdict.wrong) for verdict, label in zip(judged, labels))
    return (f"cars: {count[1, False]} found, {count[1, True]} missed; "
            f"{count[0, True]} false alarm{'' if count[0, True] == 1 else 's'}")


def draw_photos(paths, photos, judged, title, path, show=False):
    """Draw photos in a grid, each below its name and its verdicts; wrong ones are red and framed.

    A name that several photos have is drawn with the folder.
    judged : for each network a list of `Verdict`, one a photo
    """
    drawn = min(len(paths), MOST_DRAWN)
    names = collections.Counter(map(os.path.basename, paths))
    rows = -(-drawn // COLUMNS)
    height = 0.85 + 0.16 * (1 + len(judged))  # inches a row: the photo and the text above it
    figure, grid = drawing.subplots(rows, COLUMNS, figsize=(10.5, rows * height + 0.4), squeeze=False,
                                    layout="constrained")
    more = f" (the first {drawn} of {len(paths)})" if drawn < len(paths) else ""
    figure.suptitle(f"{title}{more}", fontsize=11)
    for axes in grid.flat:
        axes.axis("off")
    for i, axes in enumerate(grid.flat[:drawn]):
        folder, name = os.path.split(paths[i])
        name = name if names[name] == 1 else f"{os.path.basename(folder)}/{name}"
        name = name.encode(errors="replace").decode()  # it may have bytes that are no text
        _draw_photo(axes, photos[i], name[:22], [network[i] for network in judged])
    drawing.save_figure(figure, path, show)


def _draw_photo(axes, photo, name, judged):
    """Draw one photo; judged : a `Verdict` of each network."""
    white = 255 if photo.dtype == "uint8" else 1
    axes.imshow(photo.clip(0, white), interpolation="nearest")  # as the network sees it, pixel by pixel
    axes.axis("on")
    axes.set(xticks=[], yticks=[])
    wrong = any(verdict.wrong for verdict in judged)
    for spine in axes.spines.values():
        spine.set(color="red" if wrong else "0.8", linewidth=2.5 if wrong else 1)
    # One text a line, because each has a colour of its own; the lowest stands right above the photo.
    for k, verdict in enumerate(reversed([Verdict(name, False), *judged])):
        axes.annotate(verdict.text + (" (wrong)" if verdict.wrong else ""), (0.5, 1), (0, 3 + 11.5 * k),
                      xycoords="axes fraction", textcoords="offset points", ha="center", fontsize=8,
                      color="red" if verdict.wrong else "black", parse_math=False, family=drawing.font_families())


def parse_options(argv):
    """The command line."""
    parser = user_input.ArgumentParser("Judge photos: car or no car, with the probability of a car.")
    parser.add_argument("photos", nargs="*", type=user_input.path, metavar="PHOTO",
                        help="photos, or folders of photos, of which those in folders car and nocar inside are a part "
                             f"(default: {PHOTOS})")
    parser.add_argument("--test", action="store_true", help="judge the test pictures of the data set instead")
    parser.add_path("--data", DATA, "FILE", "the data set that the network was trained on")
    parser.add_path("--parameters", PARAMETERS, "FILE", "the network")
    parser.add_argument("--threshold", type=user_input.real(above=0, below=1), default=THRESHOLD, metavar="P",
                        help="the verdict is car where its probability is above P")
    parser.add_folders(FIGURES, FIGURES)
    parser.add_argument("--show", action="store_true", help="show the figure in a window, too")
    options = parser.parse_args(argv)
    if options.test and options.photos:
        parser.error("--test does not go with photos")
    return options


@user_input.exit_status
def main(argv=()):
    options = parse_options(argv)

    files.check_folder(options.figures)
    shape = pictures.picture_shape(options.data)
    parameters = networks.load_trained(options.parameters, options.data)
    if options.test:
        data = pictures.load_data(options.data, scale=False)
        X, labels, notes, errors = data.X_test, data.Y_test[0].astype(int), data.notes, []
        paths, photos = [f"test {i + 1}" for i in range(len(labels))], X.T.reshape(-1, *shape)
    else:
        given = options.photos or [user_input.default_path(PHOTOS)]
        found, unread = find_photos(given)
        paths, photos, errors = read_photos(found, shape)
        labels, unmatched = photo_labels(paths)
        X, notes = pictures.as_columns(photos), unread + unmatched

    judged = verdicts(X, labels, parameters, options.threshold) if paths else []
    for path, verdict in zip(paths, judged):
        print(f"{path}: {verdict.text}{' (wrong)' if verdict.wrong else ''}")
    if paths and set(labels) != {None}:
        print(f"right: {score(judged, labels)}\n{mistakes(judged, labels)}")
    elif paths:
        print("no score: no photo has a label, of a labels.csv (file,label) beside it or of a folder car or nocar")
    for note in notes:
        print(note)
    if paths:
        print(f"network: {options.parameters}")
        title = "Car or no car, with the probability of a car"
        if options.threshold != THRESHOLD:
            title += f" (car above {options.threshold:g})"
        draw_photos(paths, photos, [judged], title, f"{options.figures}/predict.png", options.show)
    for error in errors:
        print(f"{user_input.program()}: {error}", file=sys.stderr)
    return 2 if errors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
