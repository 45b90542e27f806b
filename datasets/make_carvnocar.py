"""Make a data set of pictures: `python -m datasets.make_carvnocar` makes datasets/carvnocar.h5 again.

With --pictures it makes one of your own photos. The folder has two parts, each with a folder of pictures that show a
car and one of pictures that do not:

    train/car   train/nocar   test/car   test/nocar

Pictures may have any format and size that nn_test.py reads; what is hidden or left by file managers is skipped. The
order of the pictures is shuffled, the same way for the same seed.

With --hdf5 it converts a data set of another layout, in one HDF5 file or two: arrays such as `train_set_x` and
`Y_test`; pictures from 0 to 255 or from 0 to 1, of any type, grey or with the channels first or last; labels of any
kind, of which --car says which one is a car.
"""

import io
import os
import re
import sys

import h5py
import numpy as np
from tqdm import tqdm

from datasets import files, photos, pictures, user_input
from datasets.user_input import InputError

PICTURES = "datasets/pictures"
OUT = "datasets/carvnocar.h5"
SIZE = [80, 45]  # width, height in pixels
SEED = 1
PARTS = ("train", "test")
KINDS = {"": "X", "x": "X", "image": "X", "images": "X", "y": "y", "label": "y", "labels": "y"}  # by the rest of a name


def read_part(folder, size, generator):
    """Read one part of the data set in shuffled order.

    size : (width, height) in pixels; generator : numpy.random.RandomState, which shuffles
    Returns the pictures, uint8 of shape (m, height, width, 3), the labels, uint8 of shape (m, 1), and the messages of
    those that cannot be read. Raises InputError.
    """
    labelled = []
    for kind, label in photos.FOLDER_LABELS.items():
        if not os.path.isdir(f"{folder}/{kind}"):
            raise InputError(f"{folder}/{kind}: no such folder; it needs train/car, train/nocar, test/car, test/nocar")
        names = sorted(os.listdir(f"{folder}/{kind}"), key=photos.natural_order)
        labelled += [(f"{folder}/{kind}/{name}", label) for name in names if not photos.is_leftover(name)]
    if not labelled:
        raise InputError(f"{folder}: holds no pictures in car or nocar")
    print_unread(folder, photos.FOLDER_LABELS)
    paths, labels = zip(*(labelled[i] for i in generator.permutation(len(labelled))))
    width, height = size
    _, X, errors = photos.read_photos(tqdm(paths, desc=folder, unit=" pictures", disable=None), (height, width, 3))
    return X, np.array(labels, np.uint8)[:, None], errors


def print_unread(folder, read):
    """Print which files and folders of a folder are not read; read : the names of those that are."""
    others = sorted(name for name in os.listdir(folder) if name not in read and not photos.is_leftover(name))
    if others:
        print(f"{folder}: not read: {', '.join(others[:5])}{', ...' if len(others) > 5 else ''}")


def read_arrays(paths):
    """The arrays of HDF5 files, by what their names tell, or else their file's name. Raises InputError, or OSError.

    Returns a dict from "X_train", "y_train", "X_test" and "y_test" to what messages call the array, and the array.
    """
    found, holds = {f"{kind}_{part}": [] for part in PARTS for kind in "Xy"}, []
    for path in paths:
        with pictures.open_hdf5(path) as file:
            holds.append(f"{path} holds {pictures.describe_arrays(file)}")
            for name, array in pictures.list_arrays(file).items():
                kind = KINDS.get(re.sub("train|test|set|orig|data|[^a-z]", "", name.lower()))
                part = re.search("train|test", f"{name} {os.path.basename(path)}".lower())
                if kind and part and array.size and (kind == "y" or array.dtype.kind in "biuf"):
                    found[f"{kind}_{part[0]}"].append((f"{path}: {name}", np.asarray(array[()])))
    for key, arrays in found.items():
        if len(arrays) != 1:
            raise InputError(f"{'; '.join(holds)}: {len(arrays)} of these may be {key}, not one")
    return {key: arrays[0] for key, arrays in found.items()}


def as_pictures(name, X, white):
    """Pictures as uint8 of shape (m, height, width, 3). Raises InputError.

    X : of shape (m, height, width), or with 1 or 3 channels, last or after the m; white : its highest value, 1 or 255
    """
    last = X[..., None] if X.ndim == 3 else np.moveaxis(X, 1, 3) if X.ndim == 4 and X.shape[3] not in (1, 3) else X
    if last.ndim != 4 or last.shape[3] not in (1, 3):
        raise InputError(f"{name} has shape {X.shape}; (number, height, width) was expected, or with 1 or 3 channels")
    if not (X.min() >= 0 and X.max() <= max(1.01, white)):  # not NaN either; interpolation leaves a little above 1
        raise InputError(f"{name} holds values from {X.min()} to {X.max()}, not from 0 to {white}")
    if X.dtype != np.uint8 or white == 1:
        print(f"{name}: {X.dtype}, taken as values from 0 to {white}")
        last = np.minimum(np.rint(last * (255 / white)), 255).astype(np.uint8)
    return np.broadcast_to(last, (*last.shape[:3], 3))


def label_text(label):
    """A label as text: "1" for 1, 1.0, True, b"1" and "1"."""
    try:
        return f"{float(label):g}"
    except (TypeError, ValueError):
        return label.decode(errors="replace") if isinstance(label, bytes) else str(label)


def as_labels(name, y, m):
    """The labels of m pictures as texts, a list; one-hot rows are the number of their column. Raises InputError."""
    is_table = y.ndim == 2 and len(y) == m and y.shape[1] > 1 and y.dtype.kind in "biuf"
    if is_table and (np.sort(y) == np.eye(y.shape[1])[-1]).all():
        y = y.argmax(axis=1)
    if y.shape not in ((m,), (m, 1), (1, m)):
        raise InputError(f"{name} has shape {y.shape} for {m} pictures")
    return [label_text(label) for label in y.ravel().tolist()]


def convert(paths, car):
    """Make a data set of HDF5 files of another layout; car : the label of a car, or None if labels are 0 and 1.

    Returns {"train": what `read_part` returns, "test": the same}. Raises InputError, or OSError.
    """
    arrays = read_arrays(paths)
    white = 1 if min(arrays[f"X_{part}"][1].max() for part in PARTS) <= 1.01 else 255
    X = {part: as_pictures(*arrays[f"X_{part}"], white) for part in PARTS}
    y = {part: as_labels(*arrays[f"y_{part}"], len(X[part])) for part in PARTS}
    if X["train"].shape[1:] != X["test"].shape[1:]:
        raise InputError(f"{paths[-1]}: pictures of two sizes, {X['train'].shape[1:]} and {X['test'].shape[1:]}")
    labels, wanted = {*y["train"], *y["test"]}, "1" if car is None else label_text(car)
    if "nan" in labels:
        raise InputError(f"{paths[-1]}: labels are NaN, no number: which of the two these show is not known")
    if wanted not in labels or car is None and not labels <= {"0", "1"}:
        raise InputError(f"{paths[-1]}: the labels are {', '.join(sorted(labels)[:10])}; say with --car which is a car")
    return {part: (X[part], np.array([[label == wanted] for label in y[part]], np.uint8), []) for part in PARTS}


def save_data(path, parts):
    """Write the data set; parts : {"train": what `read_part` returns, "test": the same}."""
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for part, (X, y, _) in parts.items():
            file.create_dataset(f"X_{part}", data=X, compression="gzip")
            file.create_dataset(f"y_{part}", data=y)
    files.write_atomically(path, lambda file: file.write(content.getbuffer()))


@user_input.exit_status
def main(argv=()):
    parser = user_input.ArgumentParser("Make a data set of pictures in train/ and test/, each with car/ and nocar/.")
    parser.add_path("--pictures", PICTURES, "DIR", "folder with train/ and test/")
    parser.add_argument("--hdf5", type=user_input.path, nargs="+", metavar="FILE",
                        help="make it of the arrays of one or two HDF5 files of another layout instead")
    parser.add_argument("--car", metavar="VALUE", help="with --hdf5: the label of a car (default: 1)")
    parser.add_path("--out", OUT, "FILE", "the data set, HDF5")
    parser.add_argument("--size", type=user_input.integer(1, 65500), nargs=2, default=SIZE,
                        metavar=("WIDTH", "HEIGHT"), help="in pixels")
    parser.add_argument("--seed", type=user_input.seed, default=SEED, help="of the order of the pictures")
    options = parser.parse_args(argv)
    given = [name for name in ("pictures", "size", "seed") if getattr(options, name) != parser.get_default(name)]
    if options.hdf5 and given or options.car and not options.hdf5:
        parser.error(f"--{given[0]} does not go with --hdf5" if options.hdf5 else "--car goes with --hdf5 only")
    if (options.hdf5 or given) and options.out == parser.get_default("out"):
        parser.error("name the new data set with --out")
    files.check_file(options.out)

    if options.hdf5:
        parts = convert(options.hdf5, options.car)
    else:
        print_unread(options.pictures, (*PARTS, "pictures.csv"))  # the latter names the recorded pictures' authors
        generator = np.random.RandomState(options.seed)
        parts = {part: read_part(f"{options.pictures}/{part}", options.size, generator) for part in PARTS}
    errors = sorted(error for _, _, wrong in parts.values() for error in wrong)
    if errors:
        print(*(f"{user_input.program()}: {error}" for error in errors), sep="\n", file=sys.stderr)
        return 2
    save_data(options.out, parts)
    for part, (X, y, _) in parts.items():
        print(f"{part}: {len(X)} pictures, {X.shape[1:]}, of which {y.sum(dtype=int)} show a car")
    print(f"data set: {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
