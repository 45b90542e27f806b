"""Download MNIST, the data set of handwritten digits: `python -m datasets.fetch_mnist`.

MNIST was made by Yann LeCun, Corinna Cortes and Christopher J.C. Burges; its licence is CC BY-SA 3.0. It is 55 MB, so
it is not in this repository. Its mirrors gzip the same four files differently: what is checked is what they unpack to.
"""

import gzip
import hashlib
import http.client
import shlex
import sys
import urllib.request

from datasets import files, mnist, user_input
from datasets.user_input import InputError, as_input_error

MIRRORS = ["https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"]
SHA256 = {  # of the unpacked files
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


def download(url):
    """The content of a URL, bytes. Raises InputError, which names the URL."""
    print(f"downloading {url}")
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:  # seconds without an answer
            return answer.read()
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise InputError(f"{url}: {' '.join(str(error).split())}") from error


def fetch(mirror, name):
    """The content of one of the files, unpacked and checked. Raises InputError, which says what to try."""
    url, other = f"{mirror.rstrip('/')}/{name}.gz", MIRRORS[mirror == MIRRORS[0]]
    try:
        packed = download(url)
        with as_input_error(url, "a gzip file"):
            content = gzip.decompress(packed)
        if hashlib.sha256(content).hexdigest() != SHA256[name]:
            raise InputError(f"{url}: not the expected file: its SHA-256, unpacked, is not {SHA256[name]}")
    except InputError as error:
        raise InputError(f"{error}; try --mirror {other}") from error
    return content


def is_there(folder, name):
    """Whether a folder has one of the files, gzipped or not. Raises InputError if it is another data set's."""
    try:
        path = mnist.find_file(folder, name)
    except InputError:
        return False
    if hashlib.sha256(mnist.read_unpacked(path)).hexdigest() != SHA256[name]:
        raise InputError(f"{path}: is not MNIST's, or damaged; name another folder with --out, or remove it")
    print(f"{path}: already there, checked")
    return True


@user_input.exit_status
def main(argv=()):
    parser = user_input.ArgumentParser("Download MNIST, and check that the files are those.")
    parser.add_argument("--mirror", default=MIRRORS[0], metavar="URL", help="where the four gzipped files are")
    parser.add_path("--out", mnist.MNIST, "DIR", "folder to keep them in")
    options = parser.parse_args(argv)
    user_input.check_folder(options.out)

    missing = [name for name in SHA256 if not is_there(options.out, name)]
    for name, content in {name: fetch(options.mirror, name) for name in missing}.items():
        files.write_atomically(f"{options.out}/{name}", lambda file, content=content: file.write(content))
        print(f"{options.out}/{name}: {len(content)} bytes, checked")
    data = "" if options.out == user_input.default_path(mnist.MNIST) else f" --data {shlex.quote(options.out)}"
    print(f"\nTo train and prune LeNet-300-100 on it:\n\n    python -m figure.lenet{data}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
