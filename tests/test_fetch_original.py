"""datasets/fetch_original.py against an HTTP server on the loopback interface."""

import pytest

from datasets import fetch_original

from .conftest import call, fail, succeed
from .loopback import cut_off, serve, silent

CONTENT = b"what the server has" * 10000


@pytest.fixture(scope="module")
def server():
    answers = {"/file": CONTENT, "/changed": CONTENT.replace(b"server", b"saurus"), "/short": cut_off(CONTENT, 1000),
               "/slow": silent}
    with serve(answers) as (url, _):
        yield url


@pytest.fixture
def out(monkeypatch, tmp_path):
    """Where the script is to keep the file, with CONTENT as the file that is looked for."""
    monkeypatch.setattr(fetch_original, "BLOB", fetch_original.git_blob_id(CONTENT))
    return tmp_path / "original" / "carvnocar.h5"


def fetch(url, out, run):
    return run("datasets.fetch_original", "--url", url, "--out", out, "--timeout", 0.5)


def test_blob_id_is_gits():
    assert fetch_original.git_blob_id(b"hello\n") == "ce013625030ba8dba906f756967f9e9ca394464a"


def test_the_right_file_is_kept_and_the_next_step_is_said(server, out):
    printed = fetch(f"{server}/file", out, succeed)
    assert out.read_bytes() == CONTENT and [path.name for path in out.parent.iterdir()] == [out.name]
    assert f"--data {out} --out {out.parent} --figures {out.parent} --learning-rate 0.035" in printed
    assert "0.71261024" in printed


@pytest.mark.parametrize("path, what", [
    ("/missing", "the server answers 404 Not Found"), ("/short", "only 1000 of 190000 bytes came"),
    ("/changed", "not the expected file: its git blob id is "), ("/slow", "no answer within 0.5 seconds"),
])
def test_anything_else_is_one_line_and_nothing_is_kept(server, out, path, what):
    assert fetch(server + path, out, fail).startswith(f"fetch_original.py: {server}{path}: {what}")
    assert not out.parent.exists()


def test_an_earlier_file_survives_a_wrong_download(server, out):
    assert fetch(f"{server}/file", out, call).returncode == 0
    fetch(f"{server}/changed", out, fail)
    assert out.read_bytes() == CONTENT


def test_too_large_a_file_is_refused(server, out, monkeypatch):
    monkeypatch.setattr(fetch_original, "LARGEST", 70000)
    assert "more than 70000 bytes" in fetch(f"{server}/file", out, fail)
    assert not out.parent.exists()
