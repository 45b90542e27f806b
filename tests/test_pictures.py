"""Pictures: data sets, right and wrong ones; folders of photos and their labels."""

import os

import h5py
import numpy as np
import pytest

from datasets.pictures import find_photos, list_pictures, load_data, photo_labels, picture_shape
from datasets.user_input import InputError

from .conftest import needs_posix, write_data

SHAPE = (6, 8, 3)


# --------------------------------------------------------------------------------------------------- data sets

@pytest.mark.parametrize("shape", [(20,), (20, 1), (1, 20)])
def test_labels_of_all_three_shapes_are_read(tmp_path, shape):
    path = write_data(tmp_path / "a.h5", y_train=(np.arange(20) % 3 == 0).astype(int).reshape(shape))
    X_train, Y_train, X_test, Y_test = load_data(path)
    assert (X_train.shape, X_test.shape, Y_test.shape) == ((144, 20), (144, 8), (1, 8))
    assert np.array_equal(Y_train, [np.arange(20) % 3 == 0])
    with h5py.File(path) as file:
        assert np.array_equal(X_train[:, 3] * 255, file["X_train"][3].ravel())
    assert picture_shape(path) == SHAPE


@pytest.mark.parametrize("changes, what", [
    ({"X_test": None}, "has no X_test"), ({"y_train": None}, "has no y_train"),
    ({"X_test": np.zeros((8, 6, 7, 3), np.uint8)}, "two kinds"), ({"y_test": np.zeros((7, 1))}, "y_test has shape"),
    ({"y_train": np.full((20, 1), 2)}, "0 and 1"), ({"X_train": np.zeros((20, 6, 8), np.uint8)}, "X_train has shape"),
])
def test_wrong_data_is_refused(tmp_path, changes, what):
    with pytest.raises(InputError, match=f"a.h5: .*{what}"):
        load_data(write_data(tmp_path / "a.h5", **changes))


def test_a_file_that_is_no_data_set_is_refused(tmp_path):
    (tmp_path / "a.h5").write_bytes(b"not HDF5")
    with pytest.raises(InputError, match="a.h5: not an HDF5 file"):
        load_data(tmp_path / "a.h5")


def test_pictures_in_floating_point_are_read_and_the_range_is_said(tmp_path, capsys):
    path = write_data(tmp_path / "a.h5")
    expected = load_data(path)
    with h5py.File(path) as file:
        pictures = {name: file[name][()] for name in ("X_train", "X_test")}
    assert capsys.readouterr().out == ""
    for white, kind in ((255, np.float32), (1, np.float64), (255, np.longdouble), (1, ">f4")):
        changed = {name: (values / (255 / white)).astype(kind) for name, values in pictures.items()}
        loaded = load_data(write_data(tmp_path / "b.h5", **changed))
        assert all(np.allclose(one, other, rtol=0, atol=1e-7) for one, other in zip(loaded, expected))
        assert f"b.h5: the pictures are {np.dtype(kind)}, taken as values from 0 to {white}" in capsys.readouterr().out


def test_pictures_in_half_precision_are_read_though_their_sum_is_beyond_it(tmp_path, capsys):
    X = np.full((20, 6, 8, 3), 200, np.float16)  # the sum, 576000, is infinite in float16
    X_train, _, _, _ = load_data(write_data(tmp_path / "a.h5", X_train=X, X_test=X[:8]))
    assert X_train.dtype == np.float64 and (X_train == 200 / 255).all()
    assert "a.h5: the pictures are float16, taken as values from 0 to 255" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["X_train", "X_test"])
def test_nan_is_found_in_either_part(tmp_path, name):
    changes = {"X_train": np.full((20, 6, 8, 3), 0.5), "X_test": np.full((8, 6, 8, 3), 0.5)}
    changes[name][3, 2, 1, 0] = np.nan
    with pytest.raises(InputError, match="hold values from nan to nan"):
        load_data(write_data(tmp_path / "a.h5", **changes))


@pytest.mark.parametrize("value, what", [(-1.0, "from -1.0 to"), (256.0, "to 256.0, not"), (np.nan, "hold values"),
                                         (np.inf, "to inf")])
def test_floating_point_out_of_range_is_refused(tmp_path, value, what):
    X = np.full((20, 6, 8, 3), 0.5)
    X[3, 2, 1, 0] = value
    with pytest.raises(InputError, match=what):
        load_data(write_data(tmp_path / "a.h5", X_train=X, X_test=np.full((8, 6, 8, 3), 0.5)))


@pytest.mark.parametrize("changes, what", [
    ({"X_train": np.zeros((0, 6, 8, 3), np.uint8)}, "X_train has shape"),
    ({"y_train": np.array(1)}, "y_train has shape"),
    ({"X_train": np.zeros((20, 6, 8, 3), int)}, "pictures of two kinds"),
    ({"y_test": np.full((8, 1), np.nan)}, "y_test holds other"),
    ({"X_train": np.zeros((20, 6, 8, 3), int), "X_test": np.zeros((8, 6, 8, 3), int)},
     "X_train holds int64, neither uint8 nor"),
    ({"y_train": np.array([b"0"] * 20)}, r"y_train holds \|S1, not numbers"),
])
def test_more_wrong_data_is_refused(tmp_path, changes, what):
    with pytest.raises(InputError, match=f"a.h5: {what}"):
        load_data(write_data(tmp_path / "a.h5", **changes))


def test_a_data_set_that_declares_more_than_it_holds_is_refused(tmp_path):
    write_data(tmp_path / "a.h5", X_train=None)
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file.create_dataset("X_train", (10**6, 6, 8, 3), np.uint8, chunks=(1, 6, 8, 3))
    with pytest.raises(InputError, match="a.h5: declares X_train of shape"):
        load_data(tmp_path / "a.h5")


# ------------------------------------------------------------------------------------------- folders and labels

def test_folders_are_listed_in_natural_order(tmp_path):
    for name in ("10.jpg", "2.JPG", "a10.png", "a9.png", "labels.csv", ".hidden.jpg", "notes.txt"):
        (tmp_path / name).touch()
    assert [os.path.basename(path) for path in list_pictures(tmp_path)] == ["2.JPG", "10.jpg", "a9.png", "a10.png"]


@pytest.fixture
def sorted_photos(tmp_path):
    """A folder like `my_photos/test`, of empty files: none of these functions opens a photo."""
    for name in ("car/2.jpg", "car/10.jpg", "nocar/1.jpg", "other/3.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_a_folder_stands_for_its_folders_car_and_nocar(sorted_photos):
    def found(folder):
        return [os.path.relpath(path, folder) for path in find_photos([folder])]

    assert found(sorted_photos) == ["car/2.jpg", "car/10.jpg", "nocar/1.jpg"]
    (sorted_photos / "0.jpg").touch()
    assert found(sorted_photos) == ["0.jpg", "car/2.jpg", "car/10.jpg", "nocar/1.jpg"]
    (sorted_photos / "empty" / "car").mkdir(parents=True)
    with pytest.raises(InputError, match="empty: holds no pictures"):
        find_photos([sorted_photos / "empty"])


def test_labels_come_from_labels_csv_and_else_from_the_folder(sorted_photos, monkeypatch):
    paths = [os.path.join(sorted_photos, name) for name in ("car/2.jpg", "car/10.jpg", "nocar/1.jpg", "other/3.jpg")]
    assert photo_labels(paths) == [1, 1, 0, None]
    (sorted_photos / "car" / "labels.csv").write_text("file,label\n10.jpg,0\n")
    assert photo_labels(paths) == [1, 0, 0, None]
    monkeypatch.chdir(sorted_photos / "car")
    assert photo_labels(["2.jpg", "./10.jpg", "../nocar/1.jpg"]) == [1, 0, 0]


@pytest.mark.parametrize("encoding", ["gbk", "utf-16", "latin-1"])
def test_labels_in_another_encoding_are_refused_as_such(tmp_path, encoding):
    (tmp_path / "labels.csv").write_text("file,label\né.jpg,1\n", encoding=encoding)
    with pytest.raises(InputError, match="labels.csv: has another encoding than UTF-8"):
        photo_labels([str(tmp_path / "1.jpg")])


def make_folder(path):
    path.mkdir()


def make_endless(path):
    path.symlink_to("/dev/zero")


def make_large(path):
    path.write_bytes(b"file,label\n" + bytes(10**7))


@needs_posix
@pytest.mark.parametrize("make, what", [(make_folder, "but a folder"), (os.mkfifo, "is not a file"),
                                        (make_endless, "is not a file"), (make_large, "larger than 10 MB")])
def test_labels_that_are_no_file_are_refused_at_once(tmp_path, make, what):
    make(tmp_path / "labels.csv")
    with pytest.raises(InputError, match=f"labels.csv: .*{what}"):
        photo_labels([str(tmp_path / "1.jpg")])
