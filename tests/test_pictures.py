"""Data sets of pictures, right and wrong ones."""

import re
import subprocess
import sys

import h5py
import numpy as np
import pytest
from PIL import Image

from datasets.pictures import Data, load_data, majority_class, picture_shape, save_data
from datasets.user_input import InputError

from .conftest import ROOT, needs_posix, succeed, write_data

SHAPE = (6, 8, 3)


@pytest.fixture
def arrays(small_data):
    """The arrays of the small data set, a dict."""
    with h5py.File(small_data) as file:
        return {name: values[()] for name, values in file.items()}


def assert_same(data, other, tolerance=0):
    assert all(np.allclose(one, other, rtol=0, atol=tolerance) for one, other in zip(data, other, strict=True))


@pytest.mark.parametrize("shape", [(20,), (20, 1), (1, 20)])
def test_labels_of_all_three_shapes_are_read(tmp_path, capsys, shape):
    path = write_data(tmp_path / "a.h5", y_train=(np.arange(20) % 3 == 0).astype(int).reshape(shape))
    X_train, Y_train, X_test, Y_test = load_data(path)
    assert (X_train.shape, X_test.shape, Y_test.shape) == ((144, 20), (144, 8), (1, 8))
    assert np.array_equal(Y_train, [np.arange(20) % 3 == 0])
    with h5py.File(path) as file:
        assert np.array_equal(X_train[:, 3] * 255, file["X_train"][3].ravel())
    assert np.array_equal(load_data(path, scale=False).X_train, (X_train * 255).astype(np.uint8))
    assert picture_shape(path) == SHAPE and capsys.readouterr() == ("", "")


def test_what_is_saved_is_loaded(arrays, small_data, tmp_path):
    save_data(tmp_path / "a.h5", **arrays)
    assert_same(load_data(tmp_path / "a.h5"), load_data(small_data))
    save_data(tmp_path / "b.h5", **{name: values.ravel().tolist() if name[0] == "y" else values / 255
                                    for name, values in arrays.items()})
    lines = []
    assert_same(load_data(tmp_path / "b.h5", report=lines.append), load_data(small_data))
    assert lines == [f"{tmp_path / 'b.h5'}: the pictures are float64, taken as values from 0 to 1"]


GREY = np.full((20, *SHAPE), 0.5)


@pytest.mark.parametrize("changes, what", [
    ({"X_train": np.zeros((20, 3, 6, 8), np.uint8)}, "X_train has shape (20, 3, 6, 8), not (number, height, width, 3)"),
    ({"X_train": np.zeros((20, *SHAPE), int), "X_test": np.zeros((8, *SHAPE), int)}, "X_train holds int64, neither"),
    ({"X_test": np.zeros((8, 6, 7, 3), np.uint8)}, "pictures of two kinds"),
    ({"X_test": np.ones((8, *SHAPE), np.uint8)}, "X_test holds uint8 up to 1, which are black pictures"),
    ({"X_train": GREY * 255, "X_test": GREY[:8]}, "X_train holds values from 0 to 255, X_test from 0 to 1; both must"),
    ({"X_train": GREY, "X_test": GREY[:8] * np.nan}, "X_test holds values from nan to nan, not from 0 to 1 or 0 to"),
    ({"X_train": -GREY, "X_test": GREY[:8]}, "X_train holds values from -0.5 to -0.5"),
    ({"y_test": np.zeros((7, 1))}, "y_test has shape (7, 1) and type float64, not a number for each of 8 pictures"),
    ({"y_test": np.array([b"car", b"no"] * 4)}, "y_test has shape (8,) and type |S3, not a number for each"),
    ({"y_train": np.arange(20) - 1}, "y_train holds other values than 0 and 1: -1, 2, 3, 4, 5"),
    ({"y_test": np.full((8, 1), np.nan)}, "y_test holds other values than 0 and 1: nan"),
], ids=range(11))
def test_what_is_no_data_set_is_neither_saved_nor_loaded(arrays, tmp_path, changes, what):
    with pytest.raises(ValueError, match=re.escape(what)):
        save_data(tmp_path / "a.h5", **{**arrays, **changes})
    assert not (tmp_path / "a.h5").exists()
    path = write_data(tmp_path / "a.h5", **changes)
    with pytest.raises(InputError, match=re.escape(f"{path}: {what}")) as error:
        load_data(path)
    assert str(error.value).endswith("README.md says what a data set holds, and how to make one of other files")


def test_arrays_that_are_not_in_the_file_are_named(tmp_path):
    path = write_data(tmp_path / "a.h5", X_train=h5py.ExternalLink("other.h5", "X_train"), y_test=None)
    with pytest.raises(InputError, match="a.h5: has no array X_train, y_test, but X_test .8, 6, 8, 3. uint8, y_train"):
        load_data(path)


@pytest.mark.parametrize("white, kind", [(255, np.float32), (1, ">f4"), (1.0001, float)])  # as interpolation leaves it
def test_pictures_in_floating_point_are_read_and_the_range_is_reported(arrays, small_data, tmp_path, white, kind):
    changed = {name: (arrays[name] / (255 / white)).astype(kind) for name in ("X_train", "X_test")}
    lines = []
    loaded = load_data(write_data(tmp_path / "b.h5", **changed), report=lines.append)
    assert_same(loaded, load_data(small_data), tolerance=1e-7 if white != 1.0001 else 1e-4)
    assert lines == [f"{tmp_path / 'b.h5'}: the pictures are {np.dtype(kind)}, taken as values from 0 to {white:.0f}"]


def test_one_label_and_pictures_of_both_parts_are_reported(arrays, tmp_path):
    arrays["X_test"][[1, 4, 5]] = arrays["X_train"][[7, 0, 0]]
    save_data(tmp_path / "a.h5", **{**arrays, "y_train": np.zeros(20)})
    lines = []
    load_data(tmp_path / "a.h5", report=lines.append)
    assert lines == [f"warning: {tmp_path / 'a.h5'}: every label in y_train is 0",
                     f"warning: {tmp_path / 'a.h5'}: 3 of the 8 test pictures are training pictures as well"]


def test_the_majority_class_is_that_of_the_training_pictures():
    data = Data(None, np.array([[1, 1, 1, 0]]), None, np.array([[1, 0, 0, 0, 0]]))
    assert majority_class(data) == ('always "car"', 75, 20)
    assert majority_class(data._replace(Y_train=np.array([[1, 0]]))) == ('always "no car"', 50, 80)


@needs_posix
def test_a_file_that_another_program_writes_to_is_not_called_damaged(tmp_path):
    write_data(tmp_path / "a.h5")
    writer = ("import h5py, sys\nwith h5py.File(sys.argv[1], 'w') as file:\n"
              "    print('open', flush=True)\n    sys.stdin.read()")
    with subprocess.Popen([sys.executable, "-c", writer, tmp_path / "a.h5"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"open\n"
        with pytest.raises(InputError, match="a.h5: is open for writing in another program, .*; close it first$"):
            load_data(tmp_path / "a.h5")
        process.stdin.close()


def test_a_fault_of_our_own_is_not_called_a_damaged_file(small_data, monkeypatch):
    monkeypatch.setattr("datasets.pictures.count_shared", lambda X_train, X_test: X_train.no_such_thing)
    with pytest.raises(AttributeError):
        load_data(small_data)


# --------------------------------------------------------------------------------- the lines for the files of others

def matlab(path, arrays):
    """A .mat of version 7.3: HDF5 with 512 bytes in front and the axes in reverse; pictures (height, width, 3, m)."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, values in arrays.items():
            file[name] = (values.transpose(1, 2, 3, 0) if name[0] == "X" else values.astype(float)).T


def test_the_lines_for_course_files_npz_and_matlab_run_as_they_stand(arrays, small_data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for part in ("train", "test"):
        with h5py.File(f"{part}_catvnoncat.h5", "w") as file:
            file[f"{part}_set_x"], file[f"{part}_set_y"] = arrays[f"X_{part}"], arrays[f"y_{part}"][:, 0].astype(int)
    np.savez("my.npz", **{name.lower(): values for name, values in arrays.items()})
    matlab("my.mat", arrays)
    page = (ROOT / "datasets" / "README.md").read_text(encoding="utf-8")
    lines, = re.findall(r"```python\n(import h5py\n.*?)```", page, re.S)
    assert lines.count("\n") <= 10
    exec(lines, {})
    for name in ("cat.h5", "npz.h5", "mat.h5"):
        assert_same(load_data(name), load_data(small_data))
    with pytest.raises(InputError, match="my.mat: X_train has shape .20, 3, 8, 6., not .number, height, width, 3."):
        load_data("my.mat")


def test_test_pictures_of_matlab_are_classified_as_the_same_photos_are(light_figures, tmp_path):
    """A car has a bar along its top, another picture one at its left: on its side, one is the other."""
    random = np.random.RandomState(1)
    y = np.arange(80) % 2
    X = random.randint(0, 60, (80, 8, 14, 3)).astype(np.uint8)
    X[y == 1, :2, :, 0], X[y == 0, :, :3, 0] = 240, 240
    matlab(tmp_path / "my.mat", {"X_train": X[:60], "y_train": y[:60, None], "X_test": X[60:], "y_test": y[60:, None]})
    with h5py.File(tmp_path / "my.mat") as file:
        save_data(tmp_path / "a.h5", np.transpose(file["X_train"], (0, 3, 2, 1)), file["y_train"],
                  np.transpose(file["X_test"], (0, 3, 2, 1)), file["y_test"])
    for i, kind in enumerate(y[60:]):
        path = tmp_path / "photos" / ("nocar", "car")[kind] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(X[60 + i]).save(path)
    common = ("--data", tmp_path / "a.h5", "--figures", tmp_path)
    succeed("nn_main.py", *common, "--out", tmp_path, "--init", "he", "--layers", 6, 4, "--iterations", 1500,
            "--learning-rate", 0.05)
    for what in ("--test", tmp_path / "photos"):
        assert "right: 20/20" in succeed("nn_test.py", what, *common, "--parameters", tmp_path / "parameters.npy")
