"""Download MNIST, the data set of handwritten digits: `python -m datasets.fetch_mnist`.

MNIST was made by Yann LeCun, Corinna Cortes and Christopher J.C. Burges; its licence is CC BY-SA 3.0. It is 55 MB, so
it is not in this repository. Its mirrors hold the same four files, but gzip them differently: what is checked is the
size and the SHA-256 of what they unpack to. Files are written, unpacked, once all of them have been checked.
"""

import sys

if __name__ == "__main__":
    if not __package__:  # run by its path: the project's modules are in the folder above
        sys.path[0] += "/.."
    # Ctrl-C while the modules below are imported.
    from datasets import ctrl_c
    ctrl_c.end_process()

import hashlib
import io
import os
import shlex
import zlib

from datasets import files, mnist, user_input
from datasets.download import TIMEOUT, download
from datasets.user_input import InputError, as_input_error

MIRRORS = ["https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"]
FILES = {  # unpacked: size in bytes, SHA-256
    "train-images-idx3-ubyte": (47040016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
    "train-labels-idx1-ubyte": (60008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
    "t10k-images-idx3-ubyte": (7840016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
    "t10k-labels-idx1-ubyte": (10008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
}
GZIP = 100_000  # bytes that gzip may add to what it cannot make smaller

NEXT = """
To train and prune LeNet-300-100 on it:

    python -m figure.lenet{data}"""


def is_there(folder, name):
    """Whether a folder has the expected file, gzipped or not; a line says so. Raises InputError, or OSError."""
    try:
        path = mnist.find_file(folder, name)
    except InputError:
        return False
    with files.open_file(path) as file:
        try:
            found = hashlib.sha256(mnist.read_bytes(file)).hexdigest()
        except (InputError, zlib.error):  # damaged, or something else
            found = None
    is_right = found == FILES[name][1]
    print(f"{path}: {'already there, checked' if is_right else 'not the expected file, so that is downloaded'}")
    return is_right


def fetch(mirror, name, timeout):
    """Download one of the files, and check it. Returns its bytes, unpacked. Raises InputError, which names the URL."""
    url = f"{mirror.rstrip('/')}/{name}.gz"
    size, sha256 = FILES[name]
    packed = download(url, timeout, largest=size + GZIP)
    with as_input_error(url, "a gzip file"):
        content = mnist.unpack(io.BytesIO(packed), size)
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise InputError(f"{url}: not the expected file: the SHA-256 of its {len(content)} bytes, unpacked, is "
                         f"{found}, not {sha256}")
    return content


@user_input.exit_status
def main(argv=None):
    parser = user_input.ArgumentParser("Download MNIST, and check that the files are those.")
    parser.add_argument("--mirror", default=MIRRORS[0], metavar="URL", help="where the four gzipped files are")
    parser.add_path("--out", mnist.MNIST, "DIR", "folder to keep them in")
    parser.add_argument("--timeout", type=user_input.seconds, default=TIMEOUT, metavar="SECONDS",
                        help="how long to wait for an answer")
    options = parser.parse_args(argv)
    files.check_folder(options.out)

    missing = [name for name in FILES if not is_there(options.out, name)]
    try:
        fetched = {name: fetch(options.mirror, name, options.timeout) for name in missing}
    except InputError as error:
        other = next(mirror for mirror in MIRRORS if mirror.rstrip("/") != options.mirror.rstrip("/"))
        raise InputError(f"{error}; try --mirror {other}") from error
    for name, content in fetched.items():
        path = os.path.join(options.out, name)
        files.write_atomically(path, lambda file, content=content: file.write(content))
        print(f"{path}: {len(content)} bytes, checked")
    is_default = options.out == user_input.default_path(mnist.MNIST)
    print(NEXT.format(data="" if is_default else f" --data {shlex.quote(options.out)}"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
