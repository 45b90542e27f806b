"""datasets/mnist.py: IDX files, whole and damaged, and the four of MNIST together."""

import gzip
import struct

import numpy as np
import pytest

from datasets.mnist import MNIST, load_mnist, read_idx
from datasets.user_input import InputError

from .conftest import ROOT

NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def idx(values):
    """The bytes of an IDX file."""
    magic = {3: 2051, 1: 2049}[values.ndim]
    return struct.pack(f">{1 + values.ndim}I", magic, *values.shape) + values.astype(np.uint8).tobytes()


def digits(m, seed=0):
    """Pictures and labels of m digits, as they are stored."""
    random = np.random.RandomState(seed)
    return random.randint(0, 256, (m, 28, 28)).astype(np.uint8), random.randint(0, 10, m).astype(np.uint8)


def write_mnist(folder, m=30, m_test=7, **changes):
    """Write four small files, the first two gzipped. changes : train_images, t10k_labels, ...: other values."""
    folder.mkdir()
    stored = dict(zip(NAMES, (*digits(m), *digits(m_test, seed=1))))
    for name, values in stored.items():
        content = idx(changes.get("_".join(name.split("-")[:2]), values))
        if name.startswith("train"):
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)
    return list(stored.values())


def refused(function, *arguments):
    """The line with which a file is refused."""
    with pytest.raises(InputError) as caught:
        function(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --------------------------------------------------------------------------------------------------- IDX files

@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("values", digits(5))
def test_what_is_stored_is_read_gzipped_or_not(tmp_path, pack, values):
    (tmp_path / "any name").write_bytes(pack(idx(values)))
    read = read_idx(tmp_path / "any name")
    assert read.dtype == np.uint8 and read.shape == values.shape and (read == values).all()


PICTURES, LABELS = idx(digits(5)[0]), idx(digits(5)[1])


@pytest.mark.parametrize("content, what", [
    (b"", "its magic number is 0, neither 2051 (pictures) nor 2049 (labels)"), (LABELS + b"\0", "holds 6 values"),
    (PICTURES[:-1], "holds 3919 values, but its header says 5 x 28 x 28"),
    (gzip.compress(PICTURES)[:-1], "not a gzip file, or a damaged one"),
], ids=range(4))
def test_what_does_not_fit_is_refused(tmp_path, content, what):
    path = tmp_path / "file"
    path.write_bytes(content)
    line = refused(read_idx, path)
    assert line.startswith(f"{path}: ") and what in line


# --------------------------------------------------------------------------------------------------- four files

def test_pictures_are_columns_and_labels_are_one_hot(tmp_path):
    pictures, labels, test_pictures, test_labels = write_mnist(tmp_path / "mnist")
    data = load_mnist(tmp_path / "mnist")
    for X, Y, stored, digit in ((data.X_train, data.Y_train, pictures, labels),
                                (data.X_test, data.Y_test, test_pictures, test_labels)):
        assert X.shape == (784, len(stored)) and X.dtype == np.uint8
        assert all((X[:, i].reshape(28, 28) == stored[i]).all() for i in range(len(stored)))
        assert Y.shape == (10, len(stored)) and Y.dtype == np.float32
        assert np.array_equal(Y, np.eye(10)[:, digit])
        assert X.base is not None and X.T.flags.c_contiguous  # not copied, and one picture after the other


def test_held_out_digits_stand_in_the_place_of_the_test_digits(tmp_path):
    write_mnist(tmp_path / "mnist")
    whole = load_mnist(tmp_path / "mnist")
    for path in (tmp_path / "mnist").glob("t10k*"):
        path.unlink()  # they are not even looked at
    data = load_mnist(tmp_path / "mnist", held_out=10)
    assert data.X_train.shape == (784, 20) and data.X_test.shape == (784, 10)
    assert (np.hstack([data.X_train, data.X_test]) == whole.X_train).all()
    assert (np.hstack([data.Y_train, data.Y_test]) == whole.Y_train).all()
    assert "mnist: 30 of its 30 training digits cannot be held out" in refused(load_mnist, tmp_path / "mnist", 30)


@pytest.mark.parametrize("changes, what", [
    ({"train_labels": digits(29)[1]}, "train-labels-idx1-ubyte.gz: holds values of shape (29,) up to 9, not a label"),
    ({"t10k_labels": np.arange(4, 11)}, "t10k-labels-idx1-ubyte: holds values of shape (7,) up to 10, not a label"),
    ({"train_images": digits(30)[0][:, 1:]}, "train-images-idx3-ubyte.gz: holds values of shape (30, 27, 28), not"),
], ids=range(3))
def test_files_that_do_not_go_together_are_refused(tmp_path, changes, what):
    write_mnist(tmp_path / "mnist", **changes)
    assert refused(load_mnist, tmp_path / "mnist").startswith(f"{tmp_path / 'mnist'}/{what}")


@pytest.mark.parametrize("renamed", ["{}", "{}.gz"])
def test_names_with_a_dot_are_seen(tmp_path, renamed):
    """As 7-Zip and Kaggle write them: train-images.idx3-ubyte."""
    write_mnist(tmp_path / "mnist")
    whole = load_mnist(tmp_path / "mnist")
    for path in (tmp_path / "mnist").iterdir():
        path.rename(path.with_name(renamed.format(path.name.removesuffix(".gz").replace("-idx", ".idx"))))
    assert all(np.array_equal(one, other) for one, other in zip(load_mnist(tmp_path / "mnist"), whole, strict=True))


def test_what_is_missing_is_fetched_only_to_where_nothing_else_is(tmp_path, monkeypatch):
    folder = tmp_path / "my mnist"
    fetch = f"; `python -m datasets.fetch_mnist --out '{folder}'` gets MNIST's"
    assert refused(load_mnist, folder) == f"{folder}: has no train-images-idx3-ubyte, gzipped or not{fetch}"
    write_mnist(folder)
    (folder / "t10k-labels-idx1-ubyte").unlink()
    line = refused(load_mnist, folder)
    assert line.startswith(f"{folder}: has no t10k-labels-idx1-ubyte") and "fetch_mnist" not in line
    monkeypatch.chdir(tmp_path)
    assert refused(load_mnist).endswith(f"; `python -m datasets.fetch_mnist`, in {ROOT}, gets it")
    assert MNIST in (ROOT / ".gitignore").read_text().split()


def test_the_real_digits(mnist):
    data = load_mnist(mnist)
    assert [part.shape for part in data[:4]] == [(784, 60000), (10, 60000), (784, 10000), (10, 10000)]
    assert data.X_train.mean() == pytest.approx(33.318, abs=1e-3)  # 0.1307 of 255, as everybody's
    assert list(data.Y_train[:, :5].argmax(0)) == [5, 0, 4, 1, 9]
    assert list(data.Y_test[:, :5].argmax(0)) == [7, 2, 1, 0, 4]
    assert load_mnist(mnist, held_out=10000).X_test[:, -1].tolist() == data.X_train[:, -1].tolist()
