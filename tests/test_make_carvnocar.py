"""The data set made of pictures."""

import shutil

import h5py
import numpy as np
from PIL import Image

from .conftest import call, fail, succeed


def make_pictures(folder):
    """A folder of six pictures in several formats, in two parts."""
    for i, name in enumerate(("train/car/1.png", "train/car/2.jpg", "train/nocar/1.gif", "train/nocar/without_ending",
                              "test/car/1.bmp", "test/nocar/1.webp")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (30 + i, 20), (40 * i, 0, 0)).save(folder / name, "PNG" if "." not in name else None)
    for name in (".hidden", "._1.png", "Thumbs.db", "desktop.ini", "Icon\r", "1.png:Zone.Identifier"):
        (folder / "train" / "car" / name).touch()
    (folder / "test" / "nocar" / ".ipynb_checkpoints").mkdir()
    (folder / "test" / "nocar" / "__MACOSX").mkdir()


def test_make_carvnocar(tmp_path):
    make_pictures(tmp_path)
    make = ("datasets.make_carvnocar", "--pictures", tmp_path, "--size", 8, 6, "--out")
    text = succeed(*make, tmp_path / "a.h5")
    assert "train: 4 pictures, (6, 8, 3), of which 2 show a car" in text
    with h5py.File(tmp_path / "a.h5") as file:
        X, y = file["X_train"][()], file["y_train"][()]
        assert X.shape == (4, 6, 8, 3) and X.dtype == np.uint8 and y.shape == (4, 1)
        assert file["X_test"].shape == (2, 6, 8, 3)
    reds = X[:, 3, 4, 0].round(-1)  # the i-th picture was of red 40 i; i = 0 and 1 are cars
    assert sorted(reds) == [0, 40, 80, 120] and list(reds) != sorted(reds)
    assert np.array_equal(y[:, 0], reds <= 40)
    succeed(*make, tmp_path / "b.h5")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    succeed(*make, tmp_path / "c.h5", "--seed", 3)
    assert (tmp_path / "a.h5").read_bytes() != (tmp_path / "c.h5").read_bytes()

    bad = [tmp_path / name for name in ("test/car/2.jpg", "train/car/3.txt", "train/nocar/4.jpg")]
    for path in bad:
        path.write_text("no picture")
    finished = call(*make, tmp_path / "a.h5")
    assert (finished.returncode, finished.stdout) == (2, f"{tmp_path}: not read: a.h5, b.h5, c.h5\n")
    for path, line in zip(bad, finished.stderr.splitlines(), strict=True):  # all of them, and of both parts
        assert line.startswith(f"make_carvnocar.py: {path}: cannot be read as a picture")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_other_folders_and_pictures_of_both_parts_are_named(tmp_path):
    make_pictures(tmp_path)
    make = ("datasets.make_carvnocar", "--pictures", tmp_path, "--size", 8, 6, "--out", tmp_path / "train.h5")
    text = succeed(*make)
    assert "not read" not in text and "warning" not in text
    shutil.copy(tmp_path / "train" / "car" / "2.jpg", tmp_path / "test" / "nocar" / "2.jpg")
    for name in ("val/car", "train/bus", "train/truck"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "test" / "1.jpg").touch()
    text = succeed(*make)
    for line in (f"{tmp_path}: not read: train.h5, val", f"{tmp_path}/train: not read: bus, truck",
                 f"{tmp_path}/test: not read: 1.jpg",
                 "warning: 1 of the 3 test pictures are training pictures as well"):
        assert f"{line}\n" in text


def test_a_missing_folder_and_a_folder_among_the_pictures_are_one_line(tmp_path):
    make_pictures(tmp_path)
    make = ("datasets.make_carvnocar", "--pictures", tmp_path, "--out", tmp_path / "a.h5")
    (tmp_path / "test" / "car" / "0").mkdir()
    assert fail(*make) == f"make_carvnocar.py: {tmp_path}/test/car/0: Is a directory"
    shutil.rmtree(tmp_path / "test" / "nocar")
    (tmp_path / "test" / "noncar").mkdir()
    assert fail(*make) == (f"make_carvnocar.py: {tmp_path}/test/nocar: no such folder; "
                           "it needs train/car, train/nocar, test/car, test/nocar")
    assert not (tmp_path / "a.h5").exists()


def test_the_recorded_data_set_is_not_replaced_by_another_one():
    assert fail("datasets.make_carvnocar", "--seed", 3) == "make_carvnocar.py: name the new data set with --out"
