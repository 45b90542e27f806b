"""Judge photos with a saved network: car or no car.

Takes photos and folders of photos, prints a verdict a line, and draws the photos with the verdicts. Where a folder has a
labels.csv (`file,label`, 1 = car), mistakes are marked and the score is counted.
"""

import csv
import os
import sys

import numpy as np

import nn_functions as nn

PHOTOS = ["photos_demo"]
DATA = "datasets/carvnocar.h5"  # tells the height and width that the network was trained on
PARAMETERS = "datasets/parameters.npy"
FIGURES = "figure"
COLUMNS = 7  # of the figure
MOST_DRAWN = 210  # photos in the figure; the verdicts of all are printed


def find_photos(arguments):
    """The paths of all photos: an argument that is a folder stands for the pictures in it. Raises InputError."""
    paths = []
    for argument in arguments:
        found = nn.list_pictures(argument) if os.path.isdir(argument) else [argument]
        if not found:
            raise nn.InputError(f"{argument}: holds no pictures")
        paths += found
    return paths


def read_photos(paths, shape):
    """Read photos as the network sees them, at the size of its training pictures.

    Returns the paths that could be read, the photos, uint8 of shape (m, *shape), and the errors of the others.
    """
    good, photos, errors = [], [], []
    for path in paths:
        try:
            photos.append(nn.read_picture(path, shape))
            good.append(path)
        except (nn.InputError, OSError) as error:
            errors.append(nn.describe(error))
    return good, np.array(photos, np.uint8).reshape(len(photos), *shape), errors


def read_labels(paths):
    """The label of each photo, 1 or 0, from the labels.csv beside it; None where there is none. Raises InputError."""
    folders = {}
    for folder in {os.path.dirname(path) for path in paths}:
        file = os.path.join(folder, "labels.csv")
        folders[folder] = _read_label_file(file) if os.path.exists(file) else {}
    return [folders[os.path.dirname(path)].get(os.path.basename(path)) for path in paths]


def _read_label_file(path):
    """One labels.csv as a dict from file name to label."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file)
            if not {"file", "label"}.issubset(table.fieldnames or ()):
                raise ValueError("other columns")
            return {row["file"]: {"0": 0, "1": 1}[row["label"].strip()] for row in table}
    except (KeyError, AttributeError, ValueError, csv.Error) as error:
        raise nn.InputError(f"{path}: not a table with the columns file and label, every label 0 or 1") from error


def verdicts(probabilities, labels):
    """What to say of each photo, and whether it is wrong: a list of (text, bool)."""
    return [(f"{'car' if p > 0.5 else 'no car'} {p:.3f}", label is not None and (p > 0.5) != label)
            for p, label in zip(probabilities, labels)]


def score(judged, labels):
    """How many labelled photos are judged rightly, as "26/27"."""
    known = [not wrong for (_, wrong), label in zip(judged, labels) if label is not None]
    return f"{sum(known)}/{len(known)}" if known else "no labels"


def draw_photos(paths, photos, lines, title, path, show=False):
    """Draw photos in a grid, each below its name and its verdicts; mistakes are red and framed.

    lines : for each network a list of (text, wrong), one a photo
    """
    plt = nn.pyplot(show)
    drawn = min(len(paths), MOST_DRAWN)
    rows = -(-drawn // COLUMNS)
    height = 0.85 + 0.16 * (1 + len(lines))  # inches a row: the photo and the text above it
    figure, grid = plt.subplots(rows, COLUMNS, figsize=(10.5, rows * height + 0.4), squeeze=False, layout="constrained")
    more = f" (the first {drawn} of {len(paths)})" if drawn < len(paths) else ""
    figure.suptitle(f"{title}{more}", fontsize=11)
    for axes in grid.flat:
        axes.axis("off")
    for i, axes in enumerate(grid.flat[:drawn]):
        axes.imshow(photos[i], interpolation="nearest")  # as the network sees it, pixel by pixel
        axes.axis("on")
        axes.set(xticks=[], yticks=[])
        wrong = any(network[i][1] for network in lines)
        for spine in axes.spines.values():
            spine.set(color="red" if wrong else "0.8", linewidth=2.5 if wrong else 1)
        # One text a line, because each has a colour of its own; the lowest stands right above the photo.
        name = os.fsencode(os.path.basename(paths[i])).decode("utf-8", "replace")
        text = [(name[:22], False)] + [network[i] for network in lines]
        for k, (words, mistake) in enumerate(reversed(text)):
            axes.annotate(words + (" (wrong)" if mistake else ""), (0.5, 1), (0, 3 + 11.5 * k),
                          xycoords="axes fraction", textcoords="offset points", ha="center", fontsize=8,
                          color="red" if mistake else "black", parse_math=False)
    nn.save_figure(figure, path, show)


@nn.exit_status
def main(argv=None):
    parser = nn.ArgumentParser("Judge photos: car or no car, with the probability of a car.")
    parser.add_argument("photos", nargs="*", default=PHOTOS, metavar="PHOTO", help="photos, or folders of photos")
    parser.add_argument("--data", default=DATA, metavar="FILE", help="the data set that the network was trained on")
    parser.add_argument("--parameters", default=PARAMETERS, metavar="FILE", help="the network")
    parser.add_argument("--figures", default=FIGURES, metavar="DIR", help="folder for predict.png")
    parser.add_argument("--show", action="store_true", help="show the figure in a window, too")
    options = parser.parse_args(argv)

    shape = nn.picture_shape(options.data)
    parameters = nn.load_parameters(options.parameters, np.prod(shape))
    paths, photos, errors = read_photos(find_photos(options.photos), shape)
    if paths:
        labels = read_labels(paths)
        judged = verdicts(nn.predict(nn.scale_pictures(photos), parameters)[0], labels)
        for path, (text, wrong) in zip(paths, judged):
            print(f"{path}: {text}{' (wrong)' if wrong else ''}")
        print(f"right: {score(judged, labels)}")
        nn.make_folder(options.figures)
        draw_photos(paths, photos, [judged], "Car or no car, with the probability of a car",
                    f"{options.figures}/predict.png", options.show)
    for error in errors:
        print(f"{parser.prog}: {error}", file=sys.stderr)
    return 2 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
