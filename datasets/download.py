"""Downloads, with one line for whatever goes wrong."""

import http.client
import urllib.request

from datasets.user_input import InputError

TIMEOUT = 30  # seconds without an answer


def download(url):
    """The content of a URL, bytes. Raises InputError, which names the URL."""
    print(f"downloading {url}")
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
            return answer.read()
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise InputError(f"{url}: {' '.join(str(error).split())}") from error
