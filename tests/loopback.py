"""An HTTP server on the loopback interface, which answers each path as a test says."""

import contextlib
import http.server
import threading
import time

SLOW = 2  # seconds, longer than the tests wait


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with what `serve` was given for the path: the content itself, or one of the functions below."""

    def do_GET(self):
        self.server.requests.append(self.path)
        answer = self.server.answers.get(self.path)
        if answer is None:
            self.send_error(404)
        elif callable(answer):
            answer(self)
        else:
            self.send(answer, ("Content-Length", len(answer)))

    def send(self, content, *headers, status=200):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def serve(answers):
    """Run the server. answers : dict from path to content or function, which may be changed meanwhile.

    Yields its URL and the list of the paths that it was asked for.
    """
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.answers, server.requests = answers, []
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", server.requests
        server.shutdown()


def without_length(content):
    """The content without a Content-Length, so that only the end of the connection is the end of it."""
    return lambda handler: handler.send(content)


def cut_off(content, size):
    """Only the first `size` bytes of what is announced."""
    return lambda handler: handler.send(content[:size], ("Content-Length", len(content)))


def stalled(content, size):
    """The first `size` bytes, and then nothing for a while."""
    def answer(handler):
        cut_off(content, size)(handler)
        handler.wfile.flush()
        time.sleep(SLOW)
    return answer


def redirected(url):
    """A redirection to another URL."""
    return lambda handler: handler.send(b"", ("Location", url), status=302)


def silent(_):
    """No answer for a while."""
    time.sleep(SLOW)
