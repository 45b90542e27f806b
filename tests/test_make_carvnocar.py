"""The data set made of pictures."""

import shutil

import h5py
import numpy as np
import pytest
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


def test_other_folders_and_files_beside_the_four_are_named(tmp_path):
    make_pictures(tmp_path)
    make = ("datasets.make_carvnocar", "--pictures", tmp_path, "--size", 8, 6, "--out", tmp_path / "train.h5")
    assert "not read" not in succeed(*make)
    for name in ("val/car", "train/bus", "train/truck"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "test" / "1.jpg").touch()
    text = succeed(*make)
    for line in (f"{tmp_path}: not read: train.h5, val", f"{tmp_path}/train: not read: bus, truck",
                 f"{tmp_path}/test: not read: 1.jpg"):
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


@pytest.mark.parametrize("option", ["--pictures", "--seed", "--hdf5"])
def test_the_recorded_data_set_is_not_replaced_by_another_one(option, tmp_path):
    line = fail("datasets.make_carvnocar", option, 3 if option == "--seed" else tmp_path)
    assert line == "make_carvnocar.py: name the new data set with --out"


# ------------------------------------------------------------------------------------------ data sets of other layouts

CONVERT = ("datasets.make_carvnocar", "--hdf5")


def write_arrays(path, **arrays):
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name] = values
    return path


@pytest.fixture
def arrays(small_data):
    """The arrays of the small data set, a dict."""
    with h5py.File(small_data) as file:
        return {name: values[()] for name, values in file.items()}


def converted(folder, *arguments):
    """What the converter makes of some files; and what it prints."""
    (folder / "new.h5").unlink(missing_ok=True)
    text = succeed(*CONVERT, *arguments, "--out", folder / "new.h5")
    with h5py.File(folder / "new.h5") as file:
        assert {values.dtype for values in file.values()} == {np.dtype(np.uint8)}
        return {name: values[()] for name, values in file.items()}, text


def assert_same(one, other):
    assert one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("pictures, labels", [
    ("{}_set_x", "{}_set_y"), ("X_{}", "Y_{}"), ("{}_images", "{}_labels"), ("{}/x", "{}/y"), ("x{}", "y{}"),
    ("data", "label")])
def test_arrays_of_other_names_are_found_in_one_file_or_two(pictures, labels, arrays, tmp_path):
    whole = {}
    for part in ("train", "test"):
        whole |= (own := {pictures.format(part): arrays[f"X_{part}"], labels.format(part): arrays[f"y_{part}"][:, 0]})
        write_arrays(tmp_path / f"{part}_catvnoncat.h5", **own, list_classes=np.array([b"non-cat", b"cat"]))
    assert_same(converted(tmp_path, tmp_path / "test_catvnoncat.h5", tmp_path / "train_catvnoncat.h5")[0], arrays)
    if pictures != "data":  # there, only the file says which part it is
        assert_same(converted(tmp_path, write_arrays(tmp_path / "both.h5", **whole))[0], arrays)
    line = fail("nn_main.py", "--data", tmp_path / "train_catvnoncat.h5", "--figures", tmp_path)
    assert " (20, 6, 8, 3) uint8" in line and "python -m datasets.make_carvnocar --hdf5 FILE" in line


def test_arrays_that_are_missing_or_there_twice_are_one_line(arrays, tmp_path):
    path = write_arrays(tmp_path / "a.h5", train_x=arrays["X_train"], train_y=arrays["y_train"], x_test=b"text")
    assert fail(*CONVERT, path, "--out", tmp_path / "new.h5") == (
        f"make_carvnocar.py: {path} holds train_x (20, 6, 8, 3) uint8, train_y (20, 1) uint8, x_test () object: "
        "0 of these may be X_test, not one")
    holds = "train_x (20, 6, 8, 3) uint8, train_y (20, 1) uint8, x_test () object"
    assert fail(*CONVERT, path, path, "--out", tmp_path / "new.h5") == (
        f"make_carvnocar.py: {path} holds {holds}; {path} holds {holds}: 2 of these may be X_train, not one")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file.create_dataset("X_train", (20, 6, 8, 3), np.uint8, external=[(str(path), 0, 2880)])
    assert "b.h5 holds : 0 of these may be X_train" in fail(*CONVERT, tmp_path / "b.h5", "--out", tmp_path / "new.h5")
    assert not (tmp_path / "new.h5").exists()


@pytest.mark.parametrize("kind, white, printed", [
    (np.int64, 255, "int64, taken as values from 0 to 255"), (np.uint16, 255, "uint16"), (">i4", 255, ">i4"),
    (np.float32, 1, "float32, taken as values from 0 to 1"), (np.float16, 1, "float16"), (float, 255, "float64"),
    (float, 1.0001, "float64, taken as values from 0 to 1\n")])
def test_numbers_of_any_type_become_bytes(kind, white, printed, arrays, tmp_path):
    arrays["X_train"][0, 0, 0, 0] = arrays["X_test"][0, 0, 0, 0] = 255
    other = {**arrays, **{name: (arrays[name] * (white / 255)).astype(kind) for name in ("X_train", "X_test")}}
    new, text = converted(tmp_path, write_arrays(tmp_path / "a.h5", **other))
    assert_same(new, arrays)
    assert f"a.h5: X_train: {printed}" in text


@pytest.mark.parametrize("change, what", [
    (lambda X: X.astype(int) + 60, "X_train holds values from 60 to 309, not from 0 to 255"),
    (lambda X: X - 60.0, "X_train holds values from -60.0 to 189.0, not from 0 to 255"),
    (lambda X: np.where(X > 0, X, np.nan), "X_train holds values from nan to nan"),
    (lambda X: X.reshape(len(X), -1), "X_train has shape (20, 144); (number, height, width) was expected, or"),
    (lambda X: X.transpose(1, 2, 3, 0), "X_train has shape (6, 8, 3, 20)"),
    (lambda X: X[..., [0, 1, 2, 2]], "X_train has shape (20, 6, 8, 4)"),
    (lambda X: X[:19], "y_train has shape (20, 1) for 19 pictures"),
    (lambda X: X[:, :5] if len(X) == 20 else X, "pictures of two sizes, (5, 8, 3) and (6, 8, 3)"),
    (lambda X: X / 255 if len(X) == 20 else X, "X_test holds values from 0 to 249, not from 0 to 1"),
])
def test_pictures_that_cannot_be_converted_are_one_line(change, what, arrays, tmp_path):
    other = {**arrays, "X_train": change(arrays["X_train"]), "X_test": change(arrays["X_test"])}
    path = write_arrays(tmp_path / "a.h5", **other)
    (tmp_path / "new.h5").write_text("as it was")
    finished = call(*CONVERT, path, "--out", tmp_path / "new.h5")
    assert finished.returncode == 2 and f"make_carvnocar.py: {path}: {what}" in finished.stderr
    assert (tmp_path / "new.h5").read_text() == "as it was"


@pytest.mark.parametrize("change", [lambda X: X.transpose(0, 3, 1, 2), lambda X: X[..., 0], lambda X: X[..., :1],
                                    lambda X: X[:, None, :, :, 0], lambda X: X > 150])
def test_channels_first_and_grey_pictures_and_black_and_white_ones_are_converted(change, arrays, tmp_path):
    grey = change(arrays["X_train"]).shape[1:] != (3, 6, 8)
    expected = {name: X[..., :1].repeat(3, axis=3) if name[0] == "X" and grey else X for name, X in arrays.items()}
    if change(arrays["X_train"]).dtype == bool:
        expected = {name: X if name[0] == "y" else 255 * (arrays[name] > 150) for name, X in arrays.items()}
    other = {**arrays, "X_train": change(arrays["X_train"]), "X_test": change(arrays["X_test"])}
    assert_same(converted(tmp_path, write_arrays(tmp_path / "a.h5", **other))[0], expected)


@pytest.mark.parametrize("kind, car", [
    (lambda y: y[None], None), (lambda y: y.astype(bool), None), (lambda y: y.astype(float), None),
    (lambda y: np.where(y, b"1", b"0"), None), (lambda y: np.eye(2)[y], None), (lambda y: 2 * y.astype(int) - 1, 1),
    (lambda y: 1 - y, 0), (lambda y: y + 1, "2.0"), (lambda y: 255 * y, 255),
    (lambda y: np.where(y, b"car", b"x"), "car"),
    (lambda y: np.array(["no", "Stra\u00dfe"], object)[y], "Stra\u00dfe"), (lambda y: 0.9 * y + 0.05, 0.95),
    (lambda y: np.eye(3, dtype=int)[2 * y], 2)])
def test_labels_of_any_kind_are_read(kind, car, arrays, tmp_path):
    path = write_arrays(tmp_path / "a.h5", **{name: kind(values[:, 0]) if name[0] == "y" else values
                                              for name, values in arrays.items()})
    assert_same(converted(tmp_path, path, *(() if car is None else ("--car", car)))[0], arrays)
    if car is not None:
        line = fail(*CONVERT, path, "--out", tmp_path / "b.h5", "--car=7")
        assert line.startswith(f"make_carvnocar.py: {path}: the labels are ")
        assert line.endswith("; say with --car which is a car") and str(car).removesuffix(".0") in line
    if car not in (None, 0):  # 0 and 1 mean what they say
        assert fail(*CONVERT, path, "--out", tmp_path / "b.h5") == line


def test_a_row_of_labels_with_one_car_is_not_taken_for_one_hot(arrays, tmp_path):
    arrays = {name: np.arange(len(values))[:, None] == 3 if name[0] == "y" else values
              for name, values in arrays.items()}
    path = write_arrays(tmp_path / "a.h5", **{name: values.T if name[0] == "y" else values
                                              for name, values in arrays.items()})
    assert_same(converted(tmp_path, path)[0], arrays)


def test_labels_that_are_no_number_are_refused(arrays, tmp_path):
    path = write_arrays(tmp_path / "a.h5", **{**arrays, "y_test": np.where(arrays["y_test"], np.nan, 0)})
    assert "labels are NaN" in fail(*CONVERT, path, "--out", tmp_path / "b.h5", "--car", 1)


def test_options_that_do_not_go_with_a_conversion_are_refused(tmp_path):
    for option in ("--size", "--pictures"):
        line = fail(*CONVERT, "a.h5", "--out", tmp_path / "b.h5", option, 3, *([3] if option == "--size" else []))
        assert line == f"make_carvnocar.py: {option} does not go with --hdf5"
    assert fail("datasets.make_carvnocar", "--car", 1) == "make_carvnocar.py: --car goes with --hdf5 only"
