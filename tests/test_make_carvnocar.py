"""The data set made of pictures."""

import shutil

import h5py
import numpy as np
from PIL import Image

from .conftest import fail, succeed


def make_pictures(folder):
    """A folder of six pictures in several formats, in two parts."""
    for i, name in enumerate(("train/car/1.png", "train/car/2.jpg", "train/nocar/1.gif", "train/nocar/without_ending",
                              "test/car/1.bmp", "test/nocar/1.webp")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (30 + i, 20), (40 * i, 0, 0)).save(folder / name, "PNG" if "." not in name else None)
    (folder / "train" / "car" / ".hidden").touch()


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

    (tmp_path / "test" / "car" / "2.jpg").write_text("no picture")
    assert fail(*make, tmp_path / "a.h5").startswith(
        f"make_carvnocar.py: {tmp_path}/test/car/2.jpg: cannot be read as a picture")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_a_missing_folder_and_a_folder_among_the_pictures_are_one_line(tmp_path):
    make_pictures(tmp_path)
    make = ("datasets.make_carvnocar", "--pictures", tmp_path, "--out", tmp_path / "a.h5")
    (tmp_path / "test" / "car" / "0").mkdir()
    assert fail(*make) == f"make_carvnocar.py: {tmp_path}/test/car/0: Is a directory"
    shutil.rmtree(tmp_path / "test" / "nocar")
    assert fail(*make) == f"make_carvnocar.py: {tmp_path}/test/nocar: No such file or directory"
    assert not (tmp_path / "a.h5").exists()
