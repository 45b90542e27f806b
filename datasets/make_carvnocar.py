"""Make a data set of pictures: `python -m datasets.make_carvnocar` makes datasets/carvnocar.h5 again.

With --pictures it makes one of your own photos. The folder has two parts, each with a folder of pictures that show a
car and one of pictures that do not:

    train/car   train/nocar   test/car   test/nocar

Pictures may have any format and size that nn_test.py reads; files whose name begins with a dot are skipped. The
order of the pictures is shuffled, the same way for the same seed.
"""

import io
import os
import sys

import h5py
import numpy as np
from tqdm import tqdm

from datasets import files, photos, user_input
from datasets.user_input import InputError

PICTURES = "datasets/pictures"
OUT = "datasets/carvnocar.h5"
SIZE = [80, 45]  # width, height in pixels
SEED = 1


def list_part(folder):
    """All files of one part, as (path, label) in natural order, cars first. Raises InputError."""
    labelled = []
    for name, label in photos.FOLDER_LABELS.items():
        names = [n for n in os.listdir(f"{folder}/{name}") if not n.startswith(".")]
        labelled += [(f"{folder}/{name}/{n}", label) for n in sorted(names, key=photos.natural_order)]
    if not labelled:
        raise InputError(f"{folder}: holds no pictures in car or nocar")
    return labelled


def read_part(folder, size, generator):
    """Read one part of the data set in shuffled order.

    size : (width, height) in pixels; generator : numpy.random.RandomState, which shuffles
    Returns the pictures, uint8 of shape (m, height, width, 3), and the labels, uint8 of shape (m, 1).
    Raises InputError.
    """
    labelled = list_part(folder)
    width, height = size
    X = np.empty((len(labelled), height, width, 3), np.uint8)
    y = np.empty((len(labelled), 1), np.uint8)
    for i, chosen in enumerate(tqdm(generator.permutation(len(labelled)), desc=folder, unit=" pictures", disable=None)):
        path, y[i] = labelled[chosen]
        X[i] = photos.read_picture(path, X.shape[1:])
    return X, y


def save_data(path, parts):
    """Write the data set; parts : {"train": (X, y), "test": (X, y)}."""
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for part, (X, y) in parts.items():
            file.create_dataset(f"X_{part}", data=X, compression="gzip")
            file.create_dataset(f"y_{part}", data=y)
    files.write_atomically(path, lambda file: file.write(content.getbuffer()))


@user_input.exit_status
def main(argv=()):
    parser = user_input.ArgumentParser("Make a data set of pictures in train/ and test/, each with car/ and nocar/.")
    parser.add_path("--pictures", PICTURES, "DIR", "folder with train/ and test/")
    parser.add_path("--out", OUT, "FILE", "the data set, HDF5")
    parser.add_argument("--size", type=user_input.integer(1, 65500), nargs=2, default=SIZE,
                        metavar=("WIDTH", "HEIGHT"), help="in pixels")
    parser.add_argument("--seed", type=user_input.seed, default=SEED, help="of the order of the pictures")
    options = parser.parse_args(argv)
    files.check_file(options.out)

    generator = np.random.RandomState(options.seed)
    parts = {part: read_part(f"{options.pictures}/{part}", options.size, generator) for part in ("train", "test")}
    save_data(options.out, parts)
    for part, (X, y) in parts.items():
        print(f"{part}: {len(X)} pictures, {X.shape[1:]}, of which {y.sum(dtype=int)} show a car")
    print(f"data set: {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
