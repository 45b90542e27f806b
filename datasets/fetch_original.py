"""Download the original experiment's data set: `python -m datasets.fetch_original`.

It has no licence, so it is not in this repository. The download is kept only if it is the very file, by its git blob
id: the SHA-1 of "blob", its size, a zero byte and its content.
"""

import sys

if __name__ == "__main__":
    if not __package__:  # run by its path: the project's modules are in the folder above
        sys.path[0] += "/.."
    # Ctrl-C while the modules below are imported.
    from datasets import ctrl_c
    ctrl_c.end_process()

import hashlib
import os

from datasets import files, user_input
from datasets.download import TIMEOUT, download
from datasets.user_input import InputError

URL = "https://raw.githubusercontent.com/luserli/pruning/1416c96/datasets/carvnocar.h5"
BLOB = "9977133048bc02b5202a71d8f61533e9e248c63f"
OUT = "datasets/original/carvnocar.h5"
LARGEST = 100_000_000  # bytes; the file is far smaller

NEXT = """To train and prune on it at the original's step sizes:

    python nn_main.py --data {out} {folders} --learning-rate 0.035 --iterations 4000
    python pruning.py --data {out} --parameters {folder}/parameters.npy {folders} --learning-rate 0.05

The first cost must be 0.71261024, and the costs follow the published ones up to their first jump, at iteration 1625.
From there on rounding decides, which differs from processor to processor: README.md says why."""


def git_blob_id(content):
    """The name that git gives to a file of this content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@user_input.exit_status
def main(argv=None):
    parser = user_input.ArgumentParser("Download the original experiment's data set, and check that it is that file.")
    parser.add_argument("--url", default=URL, help="where it is")
    parser.add_path("--out", OUT, "FILE", "where to keep it")
    parser.add_argument("--timeout", type=user_input.seconds, default=TIMEOUT, metavar="SECONDS",
                        help="how long to wait for an answer")
    options = parser.parse_args(argv)
    folder = os.path.dirname(options.out) or "."
    files.check_folder(folder)

    content = download(options.url, options.timeout, LARGEST)
    if git_blob_id(content) != BLOB:
        raise InputError(f"{options.url}: not the expected file: its git blob id is {git_blob_id(content)}, "
                         f"not {BLOB}")
    files.write_atomically(options.out, lambda file: file.write(content))
    folders = f"--out {folder} --figures {folder}"
    print(f"data set: {options.out}\n\n{NEXT.format(out=options.out, folder=folder, folders=folders)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
