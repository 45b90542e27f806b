"""Downloads, of which each ends, and with one line for whatever goes wrong."""

import http.client
import urllib.error
import urllib.request

from tqdm import tqdm

from datasets.user_input import InputError, describe

TIMEOUT = 30  # seconds without an answer
CHUNK = 1 << 16  # bytes


def download(url, timeout, largest):
    """The content of a URL, with a progress bar.

    timeout : seconds to wait for an answer, and for each part of it
    largest : bytes; what is larger is not the expected file, and is not read to its end
    Returns bytes. Raises InputError, which names the URL.
    """
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            return _read(answer, largest)
    except urllib.error.HTTPError as error:
        with error:  # it is an answer, too, that has to be closed
            reason = " ".join(error.reason.split())  # that of a redirection without end is three lines long
            raise InputError(f"{url}: the server answers {error.code} {reason}") from error
    except (InputError, http.client.HTTPException, OSError, OverflowError, ValueError) as error:
        raise InputError(f"{url}: {_what_is_wrong(error, timeout)}") from error


def _what_is_wrong(error, timeout):
    """What a download's error says, in one line."""
    if isinstance(error, urllib.error.URLError):
        error = error.reason  # an OSError, or text
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout:g} seconds"
    return getattr(error, "strerror", None) or describe(error)


def _read(answer, largest):
    """The content of an answer. Raises InputError, and what `http.client` raises."""
    size = answer.headers.get("Content-Length", "")
    size = int(size) if size.isdecimal() else None
    content = bytearray()
    with tqdm(total=size, unit="B", unit_scale=True, disable=None) as bar:
        while chunk := answer.read(CHUNK):
            content += chunk
            bar.update(len(chunk))
            if len(content) > largest:
                raise InputError(f"more than {largest} bytes, not the expected file")
    if size is not None and len(content) < size:
        raise InputError(f"only {len(content)} of {size} bytes came")
    return bytes(content)
