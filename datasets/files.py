"""Files: opened to be read, and written whole or not at all; and the folders that they go to."""

import os
import stat
import tempfile

from datasets.user_input import InputError


def open_file(path):
    """Open an ordinary file to read its bytes. Raises InputError, or OSError.

    Anything else is refused at once: a pipe would be waited for, and a device may never end.
    """
    # O_NONBLOCK: or opening a pipe would wait for somebody who writes to it. Windows has O_BINARY instead.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    file = os.fdopen(descriptor, "rb") if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
    if file is None:
        os.close(descriptor)
        raise InputError(f"{path}: is not a file" + (", but a folder" if os.path.isdir(path) else ""))
    return file


def write_atomically(path, write):
    """Write a file whole or not at all: `write(file)` fills a temporary file beside it, which then takes its name.

    If anything fails, the earlier file of that name stays and the temporary one is removed. (If the process is killed,
    the temporary file stays until the same file is written again.) Raises InputError, or OSError that names `path`.
    """
    target = os.path.realpath(path)  # through a link, as a plain write would
    temporary = os.path.join(os.path.dirname(target), f".{os.path.basename(target)}.tmp")
    if os.path.exists(target) and not os.path.isfile(target):
        raise InputError(f"{path}: is not a file that could be replaced")
    try:
        with open(temporary, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException as error:
        if os.path.isfile(temporary):
            os.remove(temporary)
        if isinstance(error, OSError):
            error.filename = path  # missing where the disk is full, and the temporary name would tell the user nothing
        raise


def make_folder(path):
    """Make a folder where there is none, and find out now, before the work, whether files can be written to it."""
    os.makedirs(path, exist_ok=True)
    with tempfile.TemporaryFile(dir=path):
        pass
