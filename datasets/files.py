"""Files written whole or not at all."""

import contextlib
import hashlib
import itertools
import os
import pathlib
import shutil
import uuid


def write_atomically(path, write):
    """Write a file whole or not at all: `write(file)` fills a temporary file beside it, which then takes its name.

    The folder is made where there is none. If anything fails, an earlier file of that name stays as it was, and the
    temporary file is removed. A killed process leaves it: see `remove_temporaries`. Of two writers of one file the
    last one's stays. Raises OSError that names `path`.
    """
    target = os.path.realpath(path)  # through a link, as by a plain write
    folder, name = os.path.split(target)
    temporary = os.path.join(folder, f".{name}.{uuid.uuid4().hex}.tmp")
    try:
        os.makedirs(folder, exist_ok=True)
        with open(temporary, "xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        if os.path.exists(target):
            shutil.copymode(target, temporary)
        os.replace(temporary, target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.remove(temporary)
        if isinstance(error, OSError) and error.errno:  # which names the temporary file, or, on a full disk, none
            error.filename = path
        raise


def remove_temporaries(folder, names="*"):
    """Remove what killed writers left in a folder, of files whose names match a pattern; nobody may write them now."""
    for path in pathlib.Path(folder).glob(f".{names}.{'[0-9a-f]' * 32}.tmp"):
        path.unlink()


def set_aside(folder, kind, names):
    """Move those of some names in a folder that are there to a new folder in it, kind_1 or so. Returns its path."""
    new = next(path for path in (f"{folder}/{kind}_{n}" for n in itertools.count(1)) if not os.path.exists(path))
    os.makedirs(new)
    for name in names:
        if os.path.exists(f"{folder}/{name}"):
            os.replace(f"{folder}/{name}", f"{new}/{name}")
    return new


def sha256(path):
    """The SHA-256 of a file, in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
