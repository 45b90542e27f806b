"""Arrays of HDF5 files, found and checked without following the file anywhere else.

HDF5 can point from one file into others (external and soft links, external storage, virtual data sets), load filters
from the machine's plugin folder, and declare far more than it holds. An array is checked for all of that before
anything of it is read. Attributes, and whatever else is in the file, are not looked at.
"""

import contextlib
import math
import os

import h5py

from datasets.files import open_file
from datasets.user_input import InputError, as_input_error

FILTERS = (h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_LZF)  # those that h5py brings along
MOST_COMPRESSION = 2000  # gzip saves a factor of about 1000 at most
SMALL_CHUNK = 2**24  # bytes: a chunk of this size may be larger than all pictures together


@contextlib.contextmanager
def open_hdf5(path):
    """Open an HDF5 file to read, an `h5py.File`; any error meanwhile becomes an InputError that names the file."""
    open_file(path).close()  # a missing file is an OSError; h5py's own message for it is several lines long
    with as_input_error(path, "an HDF5 file"), h5py.File(path, "r") as file:
        yield file


def stored_array(file, name):
    """The array `name` of an open HDF5 file: an `h5py.Dataset` of numbers that is safe to read. Raises InputError."""
    links, key = file.id.links, name.encode()
    if not links.exists(key):
        raise InputError(f"has no {name}")
    if links.get_info(key).type != h5py.h5l.TYPE_HARD:
        raise InputError(f"{name} is a link; the data must be in the file itself")
    found = h5py.h5o.open(file.id, key)
    if not isinstance(found, h5py.h5d.DatasetID):
        raise InputError(f"has no {name}, but a group or a type of that name")
    _check_storage(name, found.get_create_plist())  # first: asking a virtual data set for its shape opens other files
    stored = h5py.Dataset(found)
    if stored.shape is None:
        raise InputError(f"{name} is empty")
    if stored.dtype.kind not in "biuf":
        raise InputError(f"{name} holds {stored.dtype}, not numbers")
    _check_size(stored, name, os.path.getsize(file.filename))
    return stored


def _check_storage(name, properties):
    """Refuse an array that lies outside the file, or that a plugin would have to unpack. Raises InputError."""
    if properties.get_layout() == h5py.h5d.VIRTUAL or properties.get_external_count():
        raise InputError(f"{name} lies in other files; the data must be in the file itself")
    for i in range(properties.get_nfilters()):
        code, _, _, words = properties.get_filter(i)
        if code not in FILTERS:
            words = words.decode("ascii", "backslashreplace")
            raise InputError(f"{name} is packed with filter {code} ({words}); only gzip, shuffle and lzf are read")


def _check_size(stored, name, file_size):
    """Refuse an array that a damaged or lying file declares larger than it can be. Raises InputError."""
    size = math.prod(stored.shape) * stored.dtype.itemsize
    if size > MOST_COMPRESSION * file_size:
        raise InputError(f"declares {name} of shape {stored.shape}, more than so small a file can hold")
    if stored.chunks and math.prod(stored.chunks) * stored.dtype.itemsize > size + SMALL_CHUNK:
        raise InputError(f"declares chunks of shape {stored.chunks} in {name}, which has shape {stored.shape} only")
