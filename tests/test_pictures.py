"""Data sets of pictures, right and wrong ones."""

import os
import subprocess
import sys

import h5py
import numpy as np
import pytest

from datasets.pictures import commoner_label, load_data, picture_shape
from datasets.user_input import InputError

from .conftest import fail, needs_posix, write_data

SHAPE = (6, 8, 3)


@pytest.mark.parametrize("shape", [(20,), (20, 1), (1, 20)])
def test_labels_of_all_three_shapes_are_read(tmp_path, shape):
    path = write_data(tmp_path / "a.h5", y_train=(np.arange(20) % 3 == 0).astype(int).reshape(shape))
    X_train, Y_train, X_test, Y_test, notes = load_data(path)
    assert (X_train.shape, X_test.shape, Y_test.shape) == ((144, 20), (144, 8), (1, 8)) and notes == ()
    assert np.array_equal(Y_train, [np.arange(20) % 3 == 0])
    with h5py.File(path) as file:
        assert np.array_equal(X_train[:, 3] * 255, file["X_train"][3].ravel())
    assert picture_shape(path) == SHAPE


@pytest.mark.parametrize("changes, what", [
    ({"X_test": None}, "has no array X_test"), ({"y_train": None}, "has no array y_train"),
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


def test_pictures_in_floating_point_are_read_and_the_range_is_noted(tmp_path):
    path = write_data(tmp_path / "a.h5")
    expected = load_data(path)
    with h5py.File(path) as file:
        pictures = {name: file[name][()] for name in ("X_train", "X_test")}
    for white, kind in ((255, np.float32), (1, np.float64), (255, np.longdouble), (1, ">f4")):
        changed = {name: (values / (255 / white)).astype(kind) for name, values in pictures.items()}
        loaded = load_data(write_data(tmp_path / "b.h5", **changed))
        assert all(np.allclose(one, other, rtol=0, atol=1e-7) for one, other in zip(loaded[:4], expected[:4]))
        assert loaded.notes[0].endswith(f"b.h5: the pictures are {np.dtype(kind)}, taken as values from 0 to {white}")


def test_pictures_in_half_precision_are_read_though_their_sum_is_beyond_it(tmp_path):
    X = np.full((20, 6, 8, 3), 200, np.float16)  # the sum, 576000, is infinite in float16
    data = load_data(write_data(tmp_path / "a.h5", X_train=X, X_test=X[:8]))
    assert data.X_train.dtype == np.float64 and (data.X_train == 200 / 255).all()


def test_pictures_are_left_as_they_are_if_asked(tmp_path):
    path = write_data(tmp_path / "a.h5")
    whole, raw = load_data(path), load_data(path, scale=False)
    assert raw.X_train.dtype == np.uint8 and np.array_equal(raw.X_train / 255, whole.X_train)


def test_labels_that_are_all_the_same_are_noted(tmp_path, capsys):
    path = write_data(tmp_path / "a.h5", y_train=np.zeros(20))
    assert load_data(path).notes == (f"warning: {path}: every label in y_train is 0",)
    assert capsys.readouterr() == ("", "")


def test_the_commoner_label_is_that_of_the_training_pictures(small_data):
    data = load_data(small_data)
    assert commoner_label(data) == ('always "no car"', 50, 50)
    more_cars = data._replace(Y_train=np.array([[1, 1, 1, 0]]), Y_test=np.array([[1, 0, 0, 0, 0]]))
    assert commoner_label(more_cars) == ('always "car"', 75, 20)


@pytest.mark.parametrize("name", ["X_train", "X_test"])
def test_nan_is_found_in_either_part(tmp_path, name):
    changes = {"X_train": np.full((20, 6, 8, 3), 0.5), "X_test": np.full((8, 6, 8, 3), 0.5)}
    changes[name][3, 2, 1, 0] = np.nan
    with pytest.raises(InputError, match=f"{name} holds values from nan to nan"):
        load_data(write_data(tmp_path / "a.h5", **changes))


@pytest.mark.parametrize("value, what", [(-1.0, "from -1.0 to"), (256.0, "to 256.0, not"), (np.nan, "holds values"),
                                         (np.inf, "to inf")])
def test_floating_point_out_of_range_is_refused(tmp_path, value, what):
    X = np.full((20, 6, 8, 3), 0.5)
    X[3, 2, 1, 0] = value
    with pytest.raises(InputError, match=what):
        load_data(write_data(tmp_path / "a.h5", X_train=X, X_test=np.full((8, 6, 8, 3), 0.5)))


def test_the_scale_is_decided_for_each_part_and_must_be_the_same(tmp_path):
    random = np.random.RandomState(0)
    train, test = random.rand(20, 6, 8, 3), random.rand(8, 6, 8, 3)
    train[0, 0, 0, 0] = 1.0001  # as interpolation leaves it
    data = load_data(write_data(tmp_path / "a.h5", X_train=train, X_test=test))
    assert np.array_equal(data.X_train, train.reshape(20, -1).T) and data.notes[0].endswith("from 0 to 1")
    for white, other in ((1, 255), (255, 1)):
        path = write_data(tmp_path / "b.h5", X_train=white * random.rand(20, 6, 8, 3), X_test=other * test)
        with pytest.raises(InputError, match=f"X_train holds values from 0 to {white}, X_test from 0 to {other}; "):
            load_data(path)


def test_bytes_of_0_and_1_are_not_taken_for_black_pictures(tmp_path):
    path = write_data(tmp_path / "a.h5", X_test=np.ones((8, 6, 8, 3), np.uint8))
    with pytest.raises(InputError, match="X_test holds uint8 up to 1, which are black pictures .*; python -m datasets"):
        load_data(path)


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


@pytest.mark.parametrize("changes, what", [
    ({"X_train": None}, "has no array X_train of its own, but X_test (8, 6, 8, 3) uint8, y_test (8, 1) uint8, "
     "y_train (20, 1) uint8; "),
    ({"X_train": np.zeros((20, 3, 6, 8), np.uint8)}, "X_train has shape (20, 3, 6, 8); (number, height, width, 3) was"),
    ({"X_train": np.zeros((20, 6, 8, 3), int), "X_test": np.zeros((8, 6, 8, 3), int)}, "X_train holds int64"),
    ({"y_train": np.eye(2)[[0, 1] * 10]}, "y_train has shape (20, 2) for 20 pictures"),
    ({"y_test": np.array([b"car", b"no"] * 4)}, "y_test holds |S3, not numbers"),
    ({"y_train": np.arange(20) - 1}, "y_train holds other values than 0 and 1: -1, 2, 3, 4, 5; "),
])
def test_what_the_loader_refuses_it_names_the_converter_for(changes, what, tmp_path):
    path = write_data(tmp_path / "a.h5", **changes)
    with pytest.raises(InputError) as error:
        load_data(path)
    assert str(error.value).startswith(f"{path}: {what}")
    assert "; python -m datasets.make_carvnocar --hdf5 FILE --out NEW.h5 " in str(error.value)
    assert str(error.value).endswith("with --car VALUE") == ("other values" in what)


def test_a_file_that_is_missing_or_a_folder_is_one_line(tmp_path):
    for path, what in ((tmp_path / "missing", "No such file or directory"), (tmp_path, "Is a directory")):
        assert fail("nn_main.py", "--data", path) == f"nn_main.py: {path}: {what}"


@needs_posix
@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_a_file_that_another_program_writes_to_is_not_called_damaged(libver, tmp_path):
    write_data(tmp_path / "a.h5")
    writer = ("import h5py, sys\nwith h5py.File(sys.argv[1], 'w', libver=sys.argv[2]) as file:\n"
              "    print('open', flush=True)\n    sys.stdin.read()")
    with subprocess.Popen([sys.executable, "-c", writer, tmp_path / "a.h5", libver], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"open\n"
        with pytest.raises(InputError, match="a.h5: is open for writing in another program, .*; close it first$"):
            load_data(tmp_path / "a.h5")
        process.stdin.close()


def test_a_file_larger_than_the_memory_is_one_line(tmp_path):
    write_data(tmp_path / "a.h5", X_train=None)
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file.create_dataset("X_train", (10**13, 6, 8, 3), np.uint8, chunks=(1, 6, 8, 3))
        del file["y_train"]
        file.create_dataset("y_train", (10**13,), np.uint8, chunks=(1000,))
    with pytest.raises(InputError, match="a.h5: does not fit into memory, or is damaged .Unable to allocate"):
        load_data(tmp_path / "a.h5")


# -------------------------------------------------------------------------------------------------------- HDF5

STORED = (20, 6, 8, 3)  # the shape of X_train


def make_virtual(file):
    layout = h5py.VirtualLayout(STORED, np.uint8)
    layout[:] = h5py.VirtualSource("other.h5", "X_train", STORED)
    file.create_virtual_dataset("X_train", layout)


def make_external(file):
    raw = os.path.join(os.path.dirname(file.filename), "raw")
    with open(raw, "wb") as other:
        other.write(bytes(20 * 144))
    file.create_dataset("X_train", STORED, np.uint8, external=[(raw, 0, h5py.h5f.UNLIMITED)])


def make_links(file):
    file["group"] = h5py.ExternalLink("other.h5", "/")
    file["X_train"] = h5py.SoftLink("/group/X_train")


@pytest.mark.parametrize("make, what", [
    (lambda file: file.__setitem__("X_train", h5py.ExternalLink("other.h5", "X_train")),
     "has no array X_train of its own"),
    (make_links, "has no array X_train of its own"), (make_external, "X_train lies in other files"),
    (make_virtual, "X_train lies in other files"),
    (lambda file: file.create_group("X_train"), "has no array X_train of its own"),
    (lambda file: file.__setitem__("X_train", np.dtype("u1")), "has no array X_train of its own"),
    (lambda file: file.create_dataset("X_train", data=h5py.Empty("u1")), "X_train has shape None"),
    *[(lambda file, kind=kind: file.create_dataset("X_train", STORED, kind), "X_train holds .*, not numbers")
      for kind in (h5py.string_dtype(), h5py.vlen_dtype(np.int32), h5py.ref_dtype, np.dtype([("a", "u1")]), complex)],
])
def test_other_files_and_other_things_than_arrays_of_numbers_are_not_read(tmp_path, make, what):
    write_data(tmp_path / "other.h5")
    with h5py.File(write_data(tmp_path / "a.h5", X_train=None), "a") as file:
        make(file)
    with pytest.raises(InputError, match=f"a.h5: {what}"):
        load_data(tmp_path / "a.h5")


@pytest.mark.parametrize("options", [{"compression": "gzip", "shuffle": True}, {"compression": "lzf"},
                                     {"maxshape": (None, 6, 8, 3), "chunks": (1000, 6, 8, 3)}])
def test_what_h5py_writes_itself_is_read(tmp_path, options):
    X = np.random.RandomState(0).randint(0, 256, STORED).astype(np.uint8)
    with h5py.File(write_data(tmp_path / "a.h5", X_train=None), "a") as file:
        file.create_dataset("X_train", data=X, **options)
        file["other"] = h5py.ExternalLink("missing.h5", "/")  # whatever else is in the file is not looked at
    assert np.array_equal(load_data(tmp_path / "a.h5").X_train.T.reshape(STORED) * 255, X)
