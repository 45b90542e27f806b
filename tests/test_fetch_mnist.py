"""datasets/fetch_mnist.py against an HTTP server on the loopback interface."""

import gzip
import hashlib
import os
import tracemalloc
import zlib

import pytest

from datasets import fetch_mnist
from datasets.mnist import load_mnist

from .conftest import ROOT, call, fail, run, succeed
from .loopback import cut_off, redirected, serve, silent, stalled, without_length
from .test_mnist import NAMES, digits, idx, real, short  # noqa: F401, a fixture

CONTENTS = dict(zip(NAMES, map(idx, (*digits(30), *digits(7, seed=1)))))
PATHS = [f"/mnist/{name}.gz" for name in NAMES]


def altered(content):
    """The same size, but for one bit in its last pixel or label."""
    return content[:-1] + bytes([content[-1] ^ 1])


def zopfli_like(content):
    """Packed in another way than gzip.compress does, with a file name in the header."""
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    header = b"\x1f\x8b\x08\x08" + bytes(6) + b"name\0"
    size = len(content).to_bytes(4, "little")
    return header + packer.compress(content) + packer.flush() + zlib.crc32(content).to_bytes(4, "little") + size


@pytest.fixture
def mirror(monkeypatch):
    """A mirror of four small files, which are those that are looked for: its URL, its answers and its requests."""
    monkeypatch.setattr(fetch_mnist, "FILES", {
        name: (len(content), hashlib.sha256(content).hexdigest()) for name, content in CONTENTS.items()})
    answers = dict(zip(PATHS, map(gzip.compress, CONTENTS.values())))
    with serve(answers) as (url, requests):
        yield f"{url}/mnist/", answers, requests


def kept(folder):
    """The content of each file in a folder, by its name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def fetch(mirror, out, run=succeed):
    return run("datasets.fetch_mnist", "--mirror", mirror[0], "--out", out, "--timeout", 0.5)


def test_the_four_files_are_kept_unpacked_and_the_next_step_is_said(mirror, tmp_path):
    out = tmp_path / "new" / "mnist"
    printed = fetch(mirror, out)
    assert kept(out) == CONTENTS and mirror[2] == PATHS
    assert printed.splitlines()[:4] == [f"{out}/{name}: {len(CONTENTS[name])} bytes, checked" for name in NAMES]
    assert printed.endswith(f"    python -m figure.lenet --data {out}\n")
    assert load_mnist(out).X_train.shape == (784, 30)


def test_the_mirror_may_pack_in_its_own_way(mirror, tmp_path):
    for path, content in zip(PATHS, CONTENTS.values()):
        mirror[1][path] = without_length(zopfli_like(content))
    fetch((mirror[0].rstrip("/"),), tmp_path)  # and a URL may end without a slash
    assert kept(tmp_path) == CONTENTS


@pytest.mark.parametrize("answer, what", [
    (None, "the server answers 404 Not Found"), (silent, "no answer within 0.5 seconds"),
    (redirected(PATHS[2]), "the server answers 302 "),
    (stalled(gzip.compress(CONTENTS[NAMES[2]]), 100), "no answer within 0.5 seconds"),
    (cut_off(gzip.compress(CONTENTS[NAMES[2]]), 100), "only 100 of "),
    (without_length(gzip.compress(CONTENTS[NAMES[2]])[:-1]), "is cut off: the gzipped data does not end"),
    (altered(gzip.compress(CONTENTS[NAMES[2]])), "not a gzip file, or a damaged one (Error -3 "),
    (gzip.compress(altered(CONTENTS[NAMES[2]])), "not the expected file: the SHA-256 of its 5504 bytes, unpacked, is "),
    (gzip.compress(CONTENTS[NAMES[2]][:-1]), "not the expected file: the SHA-256 of its 5503 bytes, unpacked, is "),
    (gzip.compress(CONTENTS[NAMES[2]] + b"\0"), "unpacks to more than 5504 bytes"),
    (gzip.compress(CONTENTS[NAMES[0]]), "unpacks to more than 5504 bytes"),
    (gzip.compress(CONTENTS[NAMES[3]]), "not the expected file: the SHA-256 of its 15 bytes, unpacked, is "),
    (gzip.compress(CONTENTS[NAMES[2]]) + b"more", "goes on after the end of the gzipped data"),
    (CONTENTS[NAMES[2]], "not a gzip file, or a damaged one (Error -3 while decompressing data: incorrect header"),
    (b"<html>Please log in.</html>", "not a gzip file, or a damaged one"), (b"", "is cut off"),
    (bytes(200_000), "more than 105504 bytes, not the expected file"),
], ids=short)
def test_a_mirror_that_fails_is_one_line_and_nothing_is_kept_of_it(mirror, tmp_path, answer, what):
    mirror[1][PATHS[2]] = answer
    line = fetch(mirror, tmp_path / "new" / "mnist", fail)
    assert line.startswith(f"fetch_mnist.py: {mirror[0]}{NAMES[2]}.gz: {what}")
    assert line.endswith(f"; try --mirror {fetch_mnist.MIRRORS[0]}")
    assert not list(tmp_path.iterdir()) and len(mirror[2]) >= 3


def test_where_the_default_mirror_fails_the_second_is_named(mirror, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch_mnist, "MIRRORS", [f"{mirror[0]}wrong/", "https://second/"])
    line = fail("datasets.fetch_mnist", "--out", tmp_path)
    assert line.endswith("wrong/train-images-idx3-ubyte.gz: the server answers 404 Not Found; try --mirror https://second/")


def test_a_gzip_bomb_is_not_unpacked(mirror, tmp_path):
    mirror[1][PATHS[1]] = gzip.compress(bytes(50_000_000), 6)
    tracemalloc.start()
    try:
        assert "unpacks to more than 38 bytes; try" in fetch(mirror, tmp_path, fail)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_what_is_there_already_is_not_downloaded_again(mirror, tmp_path):
    fetch(mirror, tmp_path)
    before, times = kept(tmp_path), {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    mirror[1].clear()
    printed = fetch(mirror, tmp_path)
    assert printed.splitlines()[:4] == [f"{tmp_path}/{name}: already there, checked" for name in NAMES]
    assert "python -m figure.lenet" in printed and len(mirror[2]) == 4
    assert kept(tmp_path) == before and times == {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}


def test_a_gzipped_file_that_is_there_already_counts(mirror, tmp_path):
    (tmp_path / f"{NAMES[0]}.gz").write_bytes(zopfli_like(CONTENTS[NAMES[0]]))
    assert f"{NAMES[0]}.gz: already there, checked\n" in fetch(mirror, tmp_path)
    assert mirror[2] == PATHS[1:] and sorted(kept(tmp_path)) == sorted([f"{NAMES[0]}.gz", *NAMES[1:]])


@pytest.mark.parametrize("ending, content", [
    ("", altered(CONTENTS[NAMES[1]])), ("", b""), ("", gzip.compress(CONTENTS[NAMES[1]])[:-9]),
    ("", b"\x1f\x8bnothing"), (".gz", gzip.compress(altered(CONTENTS[NAMES[1]]))), (".gz", b"nothing"),
], ids=short)
def test_a_wrong_file_is_replaced_once_the_right_one_has_come(mirror, tmp_path, ending, content):
    there = tmp_path / f"{NAMES[1]}{ending}"
    there.write_bytes(content)
    right = mirror[1].pop(PATHS[3])
    fetch(mirror, tmp_path, call)
    assert kept(tmp_path) == {there.name: content}
    mirror[1][PATHS[3]] = right
    assert f"{there}: not the expected file, so that is downloaded\n" in fetch(mirror, tmp_path)
    assert (load_mnist(tmp_path).Y_train.argmax(0) == digits(30)[1]).all()


def test_a_folder_that_cannot_be_written_to_is_refused_before_the_download(mirror, tmp_path):
    (tmp_path / "file").touch()
    assert fetch(mirror, tmp_path / "file", fail) == f"fetch_mnist.py: {tmp_path / 'file'}: is not a folder"
    (tmp_path / NAMES[1]).mkdir()
    assert f"{NAMES[1]}: is not a file, but a folder" in fetch(mirror, tmp_path, fail)
    assert not mirror[2]


@pytest.mark.parametrize("option, value", [("--timeout", "0"), ("--timeout", "nan"), ("--out", "")])
def test_a_wrong_option_is_named(option, value):
    assert f"argument {option}: " in fail("datasets.fetch_mnist", option, value)


def test_it_runs_by_its_path_and_from_elsewhere(tmp_path):
    for script in ("datasets/fetch_mnist.py", "datasets.fetch_mnist"):
        printed = succeed(script, "--help", run=run, cwd=tmp_path)
        assert f"(default:{fetch_mnist.MIRRORS[0]})" in "".join(printed.split())
        assert os.path.join(ROOT, "datasets", "mnist") in "".join(printed.split())


def test_the_real_files(real, tmp_path):  # noqa: F811
    """What is looked for is MNIST: a folder of this computer may be the mirror, too."""
    printed = fetch((real.as_uri(),), tmp_path)
    assert "train-images-idx3-ubyte: 47040016 bytes, checked" in printed
    assert load_mnist(tmp_path).X_test.shape == (784, 10000)
    assert fetch((real.as_uri(),), tmp_path).count("already there, checked") == 4
