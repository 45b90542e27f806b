"""Downloads, with one line for whatever goes wrong."""

import http.client
import urllib.request

from tqdm import tqdm

from datasets.user_input import InputError

TIMEOUT = 30  # seconds without an answer
CHUNK = 1 << 16  # bytes


def download(url):
    """The content of a URL, with a progress bar. Returns bytes. Raises InputError, which names the URL."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
            size = answer.headers.get("Content-Length")
            content = bytearray()
            with tqdm(total=size and int(size), unit="B", unit_scale=True, disable=None) as bar:
                while chunk := answer.read(CHUNK):
                    content += chunk
                    bar.update(len(chunk))
            return bytes(content)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise InputError(f"{url}: {' '.join(str(error).split())}") from error
