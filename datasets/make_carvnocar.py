"""Make a data set of pictures: `python -m datasets.make_carvnocar` makes datasets/carvnocar.h5 again.

With --pictures it makes one of your own photos, of any format and size that nn_test.py reads, in four folders:

    train/car   train/nocar   test/car   test/nocar

The order of the pictures is shuffled, the same way for the same seed.
"""

import os
import sys

import numpy as np
from tqdm import tqdm

from datasets import photos, pictures, user_input
from datasets.user_input import InputError

PICTURES = "datasets/pictures"
OUT = "datasets/carvnocar.h5"
SIZE = [80, 45]  # width, height in pixels
SEED = 1
PARTS = ("train", "test")


def read_part(folder, size, generator):
    """Read one part of the data set; size : (width, height); generator : numpy.random.RandomState, which shuffles.

    Returns the pictures, uint8 of shape (m, height, width, 3), the labels, uint8 of shape (m,), and the messages of
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
    return X, np.array(labels, np.uint8), errors


def print_unread(folder, read):
    """Print which files and folders of a folder are not read; read : the names of those that are."""
    others = sorted(name for name in os.listdir(folder) if name not in read and not photos.is_leftover(name))
    if others:
        print(f"{folder}: not read: {', '.join(others[:5])}{', ...' if len(others) > 5 else ''}")


@user_input.exit_status
def main(argv=()):
    parser = user_input.ArgumentParser("Make a data set of pictures in train/ and test/, each with car/ and nocar/.")
    parser.add_path("--pictures", PICTURES, "DIR", "folder with train/ and test/")
    parser.add_path("--out", OUT, "FILE", "the data set, HDF5")
    parser.add_argument("--size", type=user_input.integer(1, 65500), nargs=2, default=SIZE,
                        metavar=("WIDTH", "HEIGHT"), help="in pixels")
    parser.add_argument("--seed", type=user_input.seed, default=SEED, help="of the order of the pictures")
    options = parser.parse_args(argv)
    is_own = any(getattr(options, name) != parser.get_default(name) for name in ("pictures", "size", "seed"))
    if is_own and options.out == parser.get_default("out"):
        parser.error("name the new data set with --out")
    user_input.check_file(options.out)

    print_unread(options.pictures, (*PARTS, "pictures.csv"))  # the latter names the recorded pictures' authors
    generator = np.random.RandomState(options.seed)
    parts = [read_part(f"{options.pictures}/{part}", options.size, generator) for part in PARTS]
    if errors := sorted(error for _, _, wrong in parts for error in wrong):
        print(*(f"{user_input.program()}: {error}" for error in errors), sep="\n", file=sys.stderr)
        return 2
    (X_train, y_train, _), (X_test, y_test, _) = parts
    pictures.save_data(options.out, X_train, y_train, X_test, y_test)
    for part, (X, y, _) in zip(PARTS, parts):
        print(f"{part}: {len(X)} pictures, {X.shape[1:]}, of which {y.sum(dtype=int)} show a car")
    if shared := pictures.count_shared(X_train, X_test):
        print(f"warning: {shared} of the {len(X_test)} test pictures are training pictures as well")
    print(f"data set: {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
