"""Classify photos with a saved network: car or no car.

Takes photos and folders of photos, prints a prediction a line, and draws the photos with their predictions. Where a
folder has a labels.csv (`file,label`, 1 = car), or is itself called `car` or `nocar`, wrong predictions are marked and
counted. With --test it classifies the test pictures of the data set.
"""

import collections
import math
import os
import sys
from typing import NamedTuple

import nn_functions as nn
from datasets import networks, pictures, user_input
from datasets.photos import find_photos, photo_labels, read_photos
from figure import drawing

PHOTOS = "photos_demo"
DATA = "datasets/carvnocar.h5"  # tells the height and width of the network's pictures
PARAMETERS = "datasets/parameters.npy"
FIGURES = "figure"
THRESHOLD = 0.5  # "car" is predicted where its probability is above this
COLUMNS = 7  # of the figure
MOST_DRAWN = 210  # photos in the figure; the predictions of all are printed


class Prediction(NamedTuple):
    """What a network says of a photo."""

    text: str  # "car 0.999"
    wrong: bool  # whether the photo has another label


def classify(X, labels, parameters, threshold=THRESHOLD):
    """Classify pictures, X of shape (n_x, m), from 0 to 1 or uint8. Returns a list of `Prediction`.

    labels : 1, 0 or None of each; threshold : the probability above which "car" is predicted
    """
    return [Prediction(f"{'car' if p > threshold else 'no car'} {p:.3f}", label not in (None, p > threshold))
            for p, label in zip(nn.predict(X, parameters)[0], labels)]


def score(predictions, labels):
    """How many of the photos that have a label are classified correctly, as "26/27"."""
    correct = [not prediction.wrong for prediction, label in zip(predictions, labels) if label is not None]
    return f"{sum(correct)}/{len(correct)}" if correct else "no score, no labels"


def mistakes(predictions, labels):
    """What the score is made of, as "cars: 13 found, 2 missed; 5 false alarms"."""
    count = collections.Counter((label, prediction.wrong) for prediction, label in zip(predictions, labels))
    return (f"cars: {count[1, False]} found, {count[1, True]} missed; "
            f"{count[0, True]} false alarm{'' if count[0, True] == 1 else 's'}")


def draw_photos(paths, photos, predictions, title, path, show=False):
    """Draw photos in a grid, each below its name and its predictions; wrong ones are red and framed.

    A name that several photos have is drawn with the folder.
    predictions : for each network a list of `Prediction`, one a photo
    """
    drawn = min(len(paths), MOST_DRAWN)
    names = collections.Counter(map(os.path.basename, paths))
    rows = -(-drawn // COLUMNS)
    height = 0.85 + 0.16 * (1 + len(predictions))  # inches a row: the photo and the text above it
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
        _draw_photo(axes, photos[i], name[:22], [network[i] for network in predictions])
    drawing.save_figure(figure, path, show)


def _draw_photo(axes, photo, name, predictions):
    """Draw one photo; predictions : a `Prediction` of each network."""
    white = 255 if photo.dtype == "uint8" else 1
    axes.imshow(photo.clip(0, white), interpolation="nearest")  # as the network sees it, pixel by pixel
    axes.axis("on")
    axes.set(xticks=[], yticks=[])
    wrong = any(prediction.wrong for prediction in predictions)
    for spine in axes.spines.values():
        spine.set(color="red" if wrong else "0.8", linewidth=2.5 if wrong else 1)
    # One text a line, because each has a colour of its own; the lowest stands right above the photo.
    for k, prediction in enumerate(reversed([Prediction(name, False), *predictions])):
        axes.annotate(prediction.text + " (wrong)" * prediction.wrong, (0.5, 1), (0, 3 + 11.5 * k),
                      xycoords="axes fraction", textcoords="offset points", ha="center", fontsize=8,
                      color="red" if prediction.wrong else "black", parse_math=False, family=drawing.font_families())


def read_labelled(arguments, shape):
    """The photos in files and folders: their paths, pictures, labels, notes about them, and errors in reading them."""
    found, unread = find_photos(arguments)
    paths, photos, errors = read_photos(found, shape)
    labels, unmatched = photo_labels(paths)
    return paths, photos, labels, unread + unmatched, errors


def parse_options(argv):
    """The command line."""
    parser = user_input.ArgumentParser("Classify photos: car or no car, with the probability of a car.")
    parser.add_argument("photos", nargs="*", type=user_input.path, metavar="PHOTO",
                        help="photos, or folders of photos, of which those in folders car and nocar inside are a part "
                             f"(default: {PHOTOS})")
    parser.add_argument("--test", action="store_true", help="classify the test pictures of the data set instead")
    parser.add_path("--data", DATA, "FILE", "the data set that the network was trained on")
    parser.add_path("--parameters", PARAMETERS, "FILE", "the network")
    parser.add_argument("--threshold", type=user_input.real(above=0, below=1), default=THRESHOLD, metavar="P",
                        help='"car" is predicted where its probability is above P')
    parser.add_folders(FIGURES, FIGURES)
    options = parser.parse_args(argv)
    if options.test and options.photos:
        parser.error("--test does not go with photos")
    return options


@user_input.exit_status
def main(argv=()):
    options = parse_options(argv)
    shape = pictures.picture_shape(options.data)
    parameters = networks.load_parameters(options.parameters, math.prod(shape))
    print(f"network: {options.parameters}")
    if note := networks.other_data(options.parameters, options.data):
        print(note)
    if options.test:
        data = pictures.load_data(options.data, scale=False)
        photos, labels, notes, errors = data.X_test.T.reshape(-1, *shape), data.Y_test[0].astype(int), [], []
        paths = [f"test {i + 1}" for i in range(len(labels))]
    else:
        given = options.photos or [user_input.default_path(PHOTOS)]
        paths, photos, labels, notes, errors = read_labelled(given, shape)

    predictions = classify(pictures.as_columns(photos), labels, parameters, options.threshold) if paths else []
    for path, prediction in zip(paths, predictions):
        print(f"{path}: {prediction.text}{' (wrong)' * prediction.wrong}")
    if paths and set(labels) != {None}:
        print(f"right: {score(predictions, labels)}\n{mistakes(predictions, labels)}")
    elif paths:
        print("no score: no photo has a label, of a labels.csv (file,label) beside it or of a folder car or nocar")
    for note in notes:
        print(note)
    if paths:
        title = "Car or no car, with the probability of a car"
        if options.threshold != THRESHOLD:
            title += f" (car above {options.threshold:g})"
        draw_photos(paths, photos, [predictions], title, f"{options.figures}/predict.png", options.show)
    for error in errors:
        print(f"{user_input.program()}: {error}", file=sys.stderr)
    return 2 if errors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
