"""Files: opened to be read, and written whole or not at all; and the folders that they go to."""

import contextlib
import os
import shutil
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

    The folder is made where there is none. If anything fails, the earlier file of that name stays, and the temporary
    file and the new folders are removed. (If the process is killed, the temporary file stays until the same file is
    written again.) Raises InputError, or OSError that names `path`.
    """
    target = _written_file(path)
    folder, name = os.path.split(target)
    temporary = os.path.join(folder, f".{name}.tmp")
    new_folders = make_folder(folder)
    try:
        with contextlib.suppress(FileNotFoundError):
            os.remove(temporary)  # a killed process left it, or somebody planted a link or a pipe
        with open(temporary, "xb") as file:  # x: made anew, or not at all
            write(file)
            file.flush()
            os.fsync(file.fileno())
        replace(temporary, target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.remove(temporary)
        remove_if_empty(new_folders)
        if isinstance(error, OSError):
            error.filename = path  # missing where the disk is full, and the temporary name would tell the user nothing
        raise


def _written_file(path):
    """The file that is written under a name: through a link, as by a plain write. Raises InputError if it is none."""
    target = os.path.realpath(path)
    if os.path.exists(target) and not os.path.isfile(target):
        raise InputError(f"{path}: is not a file that could be replaced")
    return target


def replace(new, target):
    """Give a new file the name of another, whose permissions it keeps."""
    if os.path.exists(target):
        shutil.copymode(target, new)
    os.replace(new, target)


def check_folder(path):
    """Find out before the work whether files can be written to a folder. There need not be one yet.

    Raises InputError, or OSError.
    """
    while not os.path.lexists(path):
        path = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(path):
        raise InputError(f"{path}: is not a folder")
    with tempfile.TemporaryFile(dir=path):
        pass


def check_file(path):
    """Find out before the work whether a file can be written under a name. Raises InputError, or OSError."""
    check_folder(os.path.dirname(_written_file(path)))


def make_folder(path):
    """Make a folder where there is none. Returns the paths of the folders that this made, for `remove_if_empty`."""
    path = os.path.abspath(path)
    missing = []
    while not os.path.lexists(path):
        missing.append(path)
        path = os.path.dirname(path)
    for folder in reversed(missing):
        os.makedirs(folder, exist_ok=True)
    return missing


def remove_if_empty(folders):
    """Remove folders again, of which each stands in the next, as far as nothing is in them."""
    for folder in folders:
        with contextlib.suppress(OSError):
            os.rmdir(folder)
