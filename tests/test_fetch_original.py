"""datasets/fetch_original.py against an HTTP server on the loopback interface."""

import http.server
import socket
import threading
import time

import pytest

from datasets import fetch_original

CONTENT = b"what the server has" * 10000


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers each path in its own way."""

    def do_GET(self):
        if self.path == "/slow":
            time.sleep(2)
            return
        if self.path == "/missing":
            self.send_error(404)
            return
        self.send_response(200)
        if self.path != "/without_length":
            self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        body = {"/short": CONTENT[:1000], "/changed": CONTENT.replace(b"server", b"saurus")}.get(self.path, CONTENT)
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def fetch(monkeypatch, tmp_path, capsys):
    """Run the script in this process on a URL, with CONTENT as the file that is looked for."""
    monkeypatch.setattr(fetch_original, "BLOB", fetch_original.git_blob_id(CONTENT))
    out = tmp_path / "original" / "carvnocar.h5"

    def run(url):
        status = fetch_original.main(["--url", url, "--out", str(out), "--timeout", "0.5"])
        return status, capsys.readouterr(), out

    return run


def test_blob_id_is_gits():
    assert fetch_original.git_blob_id(b"hello\n") == "ce013625030ba8dba906f756967f9e9ca394464a"


@pytest.mark.parametrize("path", ["/file", "/without_length"])
def test_the_right_file_is_kept_and_the_next_step_is_said(server, fetch, path):
    status, printed, out = fetch(server + path)
    assert status == 0 and out.read_bytes() == CONTENT and [p.name for p in out.parent.iterdir()] == [out.name]
    assert f"--data {out} --out {out.parent} --figures {out.parent} --learning-rate 0.035" in printed.out
    assert "0.71261024" in printed.out


@pytest.mark.parametrize("path, what", [
    ("/missing", "the server answers 404 Not Found"), ("/short", "only 1000 of 190000 bytes came"),
    ("/changed", "its git blob id is "), ("/slow", "no answer within 0.5 seconds"),
])
def test_anything_else_is_one_line_and_nothing_is_kept(server, fetch, path, what):
    status, printed, out = fetch(server + path)
    assert status == 2 and what in printed.err and f"{server}{path}: " in printed.err
    assert printed.err.count("\n") == 1 and not out.parent.exists()


def test_an_earlier_file_survives_a_wrong_download(server, fetch):
    assert fetch(server + "/file")[0] == 0
    status, _, out = fetch(server + "/changed")
    assert status == 2 and out.read_bytes() == CONTENT


def test_too_large_a_file_is_not_read_to_its_end(server, fetch, monkeypatch):
    monkeypatch.setattr(fetch_original, "LARGEST", 70000)
    status, printed, out = fetch(server + "/file")
    assert status == 2 and "more than 70000 bytes" in printed.err and not out.parent.exists()


def test_a_refused_connection_and_a_wrong_url_are_one_line(fetch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/file"
        for wrong, what in ((url, "Connection refused"), ("nonsense", "unknown url type"), ("ftp://", "no host given")):
            status, printed, _ = fetch(wrong)
            assert status == 2 and what in printed.err and printed.err.count("\n") == 1
