"""Files written whole or not at all."""

import contextlib
import hashlib
import os
import shutil
import tempfile

from datasets.user_input import InputError


def write_atomically(path, write):
    """Write a file whole or not at all: `write(file)` fills a temporary file beside it, which then takes its name.

    The folder is made where there is none. If anything fails, an earlier file of that name stays as it was, and the
    temporary file is removed. (A killed process leaves it, until the same file is written again.) Raises OSError that
    names `path`.
    """
    target = os.path.realpath(path)  # through a link, as by a plain write
    folder, name = os.path.split(target)
    temporary = os.path.join(folder, f".{name}.tmp")
    try:
        os.makedirs(folder, exist_ok=True)
        with open(temporary, "wb") as file:
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


def check_file(path):
    """Find out before the work whether a file can be written under a name. Raises InputError, or OSError."""
    if os.path.isdir(path):
        raise InputError(f"{path}: is a folder, not a file")
    check_folder(os.path.dirname(os.path.realpath(path)))


def check_folder(path):
    """Find out before the work whether files can be written to a folder. There need not be one yet.

    Raises InputError, or OSError.
    """
    while not os.path.lexists(path):
        path = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(path):
        raise InputError(f"{path}: is not a folder")
    try:
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise InputError(f"{path}: cannot be written to ({error.strerror}); name another folder, with --out or "
                         "--figures") from error


def sha256(path):
    """The SHA-256 of a file, in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remove_temporaries(*patterns):
    pass
