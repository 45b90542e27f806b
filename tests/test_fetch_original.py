"""datasets/fetch_original.py, from a folder of this computer and from a server on the loopback interface."""

import functools
import http.server
import threading

import pytest

from datasets import fetch_original

from .conftest import fail, succeed

CONTENT = b"what the server has" * 10000


@pytest.fixture
def out(monkeypatch, tmp_path):
    """Where the script is to keep the file, with CONTENT as the file that is looked for."""
    monkeypatch.setattr(fetch_original, "BLOB", fetch_original.git_blob_id(CONTENT))
    (tmp_path / "right").write_bytes(CONTENT)
    (tmp_path / "changed").write_bytes(CONTENT.replace(b"server", b"saurus"))
    return tmp_path / "the original" / "carvnocar.h5"


@pytest.fixture
def server(tmp_path):
    """The URL of a server that has the files in `tmp_path`."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Handler, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def fetch(url, out, run):
    return run("datasets.fetch_original", "--url", url, "--out", out)


def test_blob_id_is_gits():
    assert fetch_original.git_blob_id(b"hello\n") == "ce013625030ba8dba906f756967f9e9ca394464a"


def test_the_right_file_is_kept_and_the_next_step_is_said(server, out):
    printed = fetch(f"{server}/right", out, succeed)
    assert out.read_bytes() == CONTENT and [path.name for path in out.parent.iterdir()] == [out.name]
    for script, rate in (("nn_main.py", "0.035"), ("pruning.py", "0.05")):
        assert f"python {script} --data '{out}' --out '{out.parent}' --learning-rate {rate}" in printed
    assert "0.71261024" in printed


def test_a_wrong_answer_is_one_line_and_an_earlier_file_stays(server, out):
    for path, what in (("missing", "HTTP Error 404: "), ("changed", "not the expected file: its git blob id is ")):
        assert fetch(f"{server}/{path}", out, fail).startswith(f"fetch_original.py: {server}/{path}: {what}")
        assert not out.parent.exists()
    fetch(f"{server}/right", out, succeed)
    fetch(f"{server}/changed", out, fail)
    assert out.read_bytes() == CONTENT


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/file", "nonsense", "file:///missing"])
def test_a_wrong_url_is_one_line_that_names_it(out, url):
    assert fetch(url, out, fail).startswith(f"fetch_original.py: {url}: ")


def test_a_folder_is_not_written_over(server, out):
    out.mkdir(parents=True)
    assert fetch(f"{server}/right", out, fail) == f"fetch_original.py: {out}: is a folder, not a file"
