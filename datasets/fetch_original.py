"""Download the original experiment's data set: `python -m datasets.fetch_original`.

It has no licence, so it is not in this repository. It is kept only if it is the very file, by its git blob id.
"""

import hashlib
import os
import shlex
import sys

from datasets import files, user_input
from datasets.fetch_mnist import download
from datasets.user_input import InputError

URL = "https://raw.githubusercontent.com/luserli/pruning/1416c96/datasets/carvnocar.h5"
BLOB = "9977133048bc02b5202a71d8f61533e9e248c63f"
OUT = "datasets/original/carvnocar.h5"

NEXT = """To train and prune on it at the original's step sizes:

    python nn_main.py --data {out} --out {folder} --learning-rate 0.035 --iterations 4000
    python pruning.py --data {out} --out {folder} --learning-rate 0.05

The first cost must be 0.71261024, and the costs follow the published ones up to their first jump, at iteration 1625.
From there on rounding decides, which differs from processor to processor: README.md says why."""


def git_blob_id(content):
    """The name that git gives to a file of this content: `git hash-object` prints it."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@user_input.exit_status
def main(argv=()):
    parser = user_input.ArgumentParser("Download the original experiment's data set, and check that it is that file.")
    parser.add_argument("--url", default=URL, help="where it is")
    parser.add_path("--out", OUT, "FILE", "where to keep it")
    options = parser.parse_args(argv)
    user_input.check_file(options.out)

    content = download(options.url)
    if git_blob_id(content) != BLOB:
        raise InputError(f"{options.url}: not the expected file: its git blob id is not {BLOB}")
    files.write_atomically(options.out, lambda file: file.write(content))
    out, folder = map(shlex.quote, (options.out, os.path.dirname(options.out) or "."))
    print(f"data set: {options.out}\n\n{NEXT.format(out=out, folder=folder)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
