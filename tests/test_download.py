"""datasets/download.py against an HTTP server on the loopback interface."""

import socket

import pytest

from datasets.download import download
from datasets.user_input import InputError

from .loopback import cut_off, redirected, serve, silent, stalled, without_length

CONTENT = b"what the server has" * 10000


@pytest.fixture(scope="module")
def server():
    answers = {"/file": CONTENT, "/without_length": without_length(CONTENT), "/short": cut_off(CONTENT, 1000),
               "/stalled": stalled(CONTENT, 1000), "/slow": silent, "/moved": redirected("/file"),
               "/circle": redirected("/circle"), "/local": redirected("file:///etc/hosts"), "/empty": b""}
    with serve(answers) as (url, _):
        yield url


def refused(url, largest=10**6):
    """The error message of a download, without the URL that it begins with."""
    with pytest.raises(InputError) as caught:
        download(url, 0.5, largest)
    message = str(caught.value)
    assert message.startswith(f"{url}: ") and "\n" not in message
    return message.removeprefix(f"{url}: ")


@pytest.mark.parametrize("path, content", [("/file", CONTENT), ("/without_length", CONTENT), ("/moved", CONTENT),
                                           ("/empty", b"")])
def test_the_content_comes_whole(server, path, content):
    assert download(server + path, 0.5, len(CONTENT)) == content


@pytest.mark.parametrize("path, what", [
    ("/missing", "the server answers 404 Not Found"), ("/short", "only 1000 of 190000 bytes came"),
    ("/slow", "no answer within 0.5 seconds"), ("/stalled", "no answer within 0.5 seconds"),
    ("/circle", "the server answers 302 The HTTP server returned a redirect error that would lead to an infinite"),
    ("/local", "the server answers 302 Found - Redirection to url 'file:///etc/hosts' is not allowed"),
])
def test_anything_else_is_one_line(server, path, what):
    assert refused(server + path).startswith(what)


@pytest.mark.parametrize("path", ["/file", "/without_length"])
def test_what_is_too_large_is_not_read_to_its_end(server, path):
    assert refused(server + path, largest=70000) == "more than 70000 bytes, not the expected file"


def test_a_refused_connection_and_a_wrong_url_are_one_line(tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert refused(f"http://127.0.0.1:{unused.getsockname()[1]}/file") == "Connection refused"
    for wrong, what in (("nonsense", "unknown url type"), ("ftp://", "no host given"),
                        ("http://a b/", "URL can't contain"),
                        (f"http://127.0.0.1:{10**20}/", ""), ("http://[::1", "Invalid IPv6 URL"),
                        ((tmp_path / "missing").as_uri(), "No such file or directory")):
        assert what in refused(wrong)  # of the port's number, versions of Python say different things


def test_a_file_of_this_computer_is_a_url_too(tmp_path):
    (tmp_path / "file").write_bytes(CONTENT)
    assert download((tmp_path / "file").as_uri(), 0.5, len(CONTENT)) == CONTENT
