"""datasets/fetch_original.py, with a folder of this computer in the place of the server."""

import pytest

from datasets import fetch_original

from .conftest import fail, succeed

CONTENT = b"what the server has" * 10000


@pytest.fixture
def right(monkeypatch, tmp_path):
    """The URL of the file that is looked for."""
    monkeypatch.setattr(fetch_original, "BLOB", fetch_original.git_blob_id(CONTENT))
    (tmp_path / "right").write_bytes(CONTENT)
    return (tmp_path / "right").as_uri()


def fetch(url, out, run):
    return run("datasets.fetch_original", "--url", url, "--out", out)


def test_blob_id_is_gits():
    assert fetch_original.git_blob_id(b"hello\n") == "ce013625030ba8dba906f756967f9e9ca394464a"


def test_the_right_file_is_kept_and_the_next_step_is_said(right, tmp_path):
    out = tmp_path / "the original" / "carvnocar.h5"
    printed = fetch(right, out, succeed)
    assert out.read_bytes() == CONTENT and [path.name for path in out.parent.iterdir()] == [out.name]
    for script, rate in (("nn_main.py", "0.035"), ("pruning.py", "0.05")):
        assert f"python {script} --data '{out}' --out '{out.parent}' --learning-rate {rate}" in printed
    assert "0.71261024" in printed


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/file", "nonsense", "changed"])
def test_a_wrong_answer_is_one_line_and_an_earlier_file_stays(url, tmp_path):
    (tmp_path / "carvnocar.h5").write_bytes(b"changed")
    url = (tmp_path / "carvnocar.h5").as_uri() if url == "changed" else url
    line = fetch(url, tmp_path / "carvnocar.h5", fail)
    assert line.startswith(f"fetch_original.py: {url}: ")
    assert ("not the expected file: its git blob id is not " in line) == url.startswith("file:")
    assert (tmp_path / "carvnocar.h5").read_bytes() == b"changed"
