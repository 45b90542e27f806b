"""The files that `fuzz.py` has read, but for `.npy`: a maker takes a random.Random and returns the bytes of a file."""

import functools
import gzip
import io
import struct
import tempfile
import time
import warnings
import zipfile
import zlib
from pathlib import Path

import h5py
import numpy as np
from PIL import Image

import nn_functions as nn
from datasets.networks import export_parameters

from .conftest import write_data


def damage(random, contents):
    """A damaged copy of one of the files: bits flipped, bytes replaced, cut, spliced, or begun as another file."""
    content = bytearray(random.choice(contents))
    for _ in range(random.choice((1, 1, 2, 8))):
        at, other = random.randint(0, len(content)), random.choice(contents)
        kind = random.randrange(8)
        if kind == 0 and content:
            content[at - 1] ^= 1 << random.randrange(8)
        elif kind == 1 and content:
            content[at - 1] = random.choice((0, 1, 0x7F, 0x80, 0xFF))
        elif kind == 2:
            length = random.choice((2, 4, 8))
            content[at:at + length] = random.choice((b"\xff", b"\x7f", b"\0")) * length
        elif kind == 3:
            del content[at:]
        elif kind == 4:
            del content[at:at + random.randint(1, 20)]
        elif kind == 5:
            start = random.randint(0, len(other))
            content[at:at + random.randint(0, 20)] = other[start:start + random.randint(0, 40)]
        elif kind == 6:
            length = random.randint(1, 200)
            content[:length] = other[:length]
        else:
            content[at:at] = content[at:at + random.randint(1, 60)] * random.choice((1, 1, 100))
    return bytes(content)


def contents(write):
    """Decorate a function that writes files to a folder and yields their paths: returns their contents, made once."""

    @functools.cache
    def wrapper():
        with tempfile.TemporaryDirectory() as folder:
            return [Path(path).read_bytes() for path in write(folder)]

    return wrapper


# ------------------------------------------------------------------------------------------------------------- .npz

@contents
def npz_files(folder):
    """Small exported networks."""
    for share in (0.2, 0.9):
        parameters = nn.initialize_parameters((6, 4, 3, 1), 1)
        parameters["W1"] *= np.random.RandomState(3).rand(4, 6) < share
        export_parameters(f"{folder}/a.npz", parameters)
        yield f"{folder}/a.npz"


def damaged_npz(random):
    return damage(random, npz_files())


def packed_npz(random):
    """A zip file of other layers, members and types than an exported network has, or one that lies about them."""
    sizes = random.choice(([6, 4, 3, 1], [6, 1], [6] + [1] * random.choice((10, 999, 1000, 5000)), [6, 2**62, 1],
                           [6, 0, 1], [6, 50_000, 1], [], [6, -1, 1]))
    number = sum(a * b for a, b in zip(sizes, sizes[1:])) if max(sizes, default=0) < 10**6 else 80
    vectors = {"layers": np.array(sizes, random.choice(["<i8"] * 9 + [">i8", "O"])),
               "connections": np.full(max(0, -(-number // 8)), random.choice((0, 0, 255)), np.uint8)}
    ones = int(np.unpackbits(vectors["connections"], count=max(0, number)).sum())
    vectors["weights"] = np.full(ones + (random.random() < 0.1), random.choice((0.5, 0.5, np.nan, 3e38)), np.float32)
    vectors["biases"] = np.zeros(max(0, min(10**6, sum(sizes[1:]))), random.choice(["<f8"] * 9 + ["<f4"]))
    names = list(vectors) + random.choices((*vectors, "more", "../a"), k=random.choice((0, 0, 0, 0, 1)))
    if random.random() < 0.02:
        names += ["x"] * random.choice((50, 5_000))
    content, method = io.BytesIO(), random.choice([0] * 9 + [8])
    with zipfile.ZipFile(content, "w", method) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that come twice
        for name in names:
            member = io.BytesIO()
            np.save(member, vectors.get(name, np.zeros(1)))
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getvalue(), method)
    return lie(random, content.getvalue())


def lie(random, content):
    """Change a field of a member or of its record: flags, method, check sum, sizes, lengths, or place."""
    content = bytearray(content)
    if random.random() < 0.5:
        signature, fields = random.choice((
            (b"PK\1\2", (8, 10, 16, 20, 24, 28, 30, 32, 42)), (b"PK\3\4", (6, 8, 14, 18, 22, 26)),
            (b"PK\5\6", (8, 10, 12, 16, 20))))
        at = content.find(signature, random.choice((0, random.randrange(len(content))))) + random.choice(fields)
        content[at:at + 2] = random.choice((b"\0\0", b"\1\0", b"\x08\0", b"\xff\xff", b"\xff\x7f"))
    return bytes(content) + random.choice((b"", b"", b"", bytes(70_000)))


# ------------------------------------------------------------------------------------------------------------- HDF5

@contents
def h5_files(folder):
    """Small data sets: plain, compressed, and with pictures in floating point."""
    yield write_data(f"{folder}/a.h5", m=6, m_test=2)
    yield write_data(f"{folder}/b.h5", m=6, m_test=2, X_train=np.ones((6, 6, 8, 3)), X_test=np.ones((2, 6, 8, 3)))
    with h5py.File(f"{folder}/c.h5", "w") as file, h5py.File(f"{folder}/a.h5") as plain:
        for name in plain:
            file.create_dataset(name, data=plain[name][()], compression="gzip")
    yield f"{folder}/c.h5"


def damaged_h5(random):
    return damage(random, h5_files())


H5_NAMES = ("X_train", "y_train", "X_test", "y_test")
H5_TYPES = ("u1", "f2", "f4", "f8", "g", "i4", ">u2", "?", "c8", "S5", "V3", "u1,f4", "(2,)u1", h5py.string_dtype(),
            h5py.vlen_dtype("u1"), h5py.enum_dtype({"a": 0, "b": 1}, "u1"), h5py.ref_dtype)
H5_FILTERS = ({}, {"compression": "gzip"}, {"compression": "lzf"}, {"shuffle": True, "fletcher32": True},
              {"compression": "gzip", "scaleoffset": 4})


def made_h5(random):
    """A data set of which a part is of another type or shape, packed in another way, or a link of some kind."""
    start = int(time.time())
    with h5py.File("made.h5", "w", driver="core", backing_store=False) as file:
        odd = random.choice(H5_NAMES)
        for name in H5_NAMES:
            m = 4 if name.endswith("train") else 2
            shape = (m, 6, 8, 3) if name[0] == "X" else random.choice(((m,), (m, 1), (1, m)))
            try:
                if name != odd or not put_odd(random, file, name, shape):
                    file[name] = np.arange(np.prod(shape)).reshape(shape).astype(np.uint8) % 2
            except Exception:
                continue  # HDF5 does not have every combination
        file.flush()
        content = file.id.get_file_image()
    for second in range(start, int(time.time()) + 1):  # HDF5 notes the time of some objects
        content = content.replace(struct.pack("<I", second), bytes(4))
    return content


def put_odd(random, file, name, shape):
    """Put something odd where a data set belongs. Returns whether it did."""
    other = random.choice(("/etc/passwd", "/dev/zero", "/dev/stdin", "a.h5", "no.h5"))
    filters = random.choice(H5_FILTERS)
    layout = h5py.VirtualLayout(shape, "u1")
    layout[...] = h5py.VirtualSource(random.choice((".", other)), random.choice((name, "X_test")), shape)
    declared = (10 ** random.randint(2, 12), *shape[1:])  # and nothing is stored
    return random.choice((
        lambda: file.create_dataset(name, shape, random.choice(H5_TYPES), **filters),
        lambda: file.create_dataset(name, declared, random.choice(("u1", "f8")), chunks=True, fillvalue=1),
        lambda: file.create_dataset(name, data=np.zeros((300, 60, 80, 3), "u1"), compression="gzip"),
        lambda: file.create_dataset(name, data=random.choice((h5py.Empty("u1"), 1, np.nan, "text", [1e300] * 4))),
        lambda: file.create_dataset(name, data=np.full(shape, random.choice((np.nan, 300.0, -1.0, 1.0))), **filters),
        lambda: file.create_dataset(name, shape, "u1", external=[(other, 0, h5py.h5f.UNLIMITED)]),
        lambda: file.create_virtual_dataset(name, layout, fillvalue=1),
        lambda: file.create_group(name),
        lambda: file.__setitem__(name, np.dtype("f8")) or True,
        lambda: file.__setitem__(name, h5py.SoftLink(random.choice((name, "/", "/nothing", "X_test")))) or True,
        lambda: file.__setitem__(name, h5py.ExternalLink(other, random.choice(("X_train", name)))) or True,
        lambda: None,
    ))() is not None


# ----------------------------------------------------------------------------------------------------------- photos

@functools.cache
def photo_files():
    """Small pictures, 29 wide and 21 high, of all formats and modes that Pillow writes, and a drawing in PostScript."""
    Image.init()
    gradient = Image.fromarray(np.add.outer(np.arange(21), np.arange(29)).astype(np.uint8) * 5)
    found = [b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 29 21\n%%EndComments\nshowpage\n%%EOF\n"]
    for name in sorted(set(Image.SAVE) - {"PDF"}):  # PDF: the time is in it, and Pillow does not read it
        for mode in ("RGB", "RGBA", "L", "LA", "P", "1", "I;16", "I", "F", "CMYK"):
            content = io.BytesIO()
            try:
                exif = {"exif": Image.Exif()} if name in ("JPEG", "WEBP") else {}
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of modes that Pillow will not write for ever
                    gradient.convert(mode).save(content, name, **exif)
            except Exception:  # many formats do not have many modes
                continue
            found.append(content.getvalue())
    return found


@functools.cache
def large_photo_files():
    """Large pictures in small files."""
    found = []
    for name, mode, side in (("PNG", "1", 9000), ("GIF", "P", 4000), ("JPEG", "L", 5000), ("PNG", "LA", 3000)):
        content = io.BytesIO()
        Image.new(mode, (side, side)).save(content, name)
        found.append(content.getvalue())
    return found


def damaged_photo(random):
    return damage(random, large_photo_files() if random.random() < 0.002 else photo_files())


def resized_photo(random):
    """A picture that says that it is of another size, in the bytes where the width or the height may stand."""
    content = random.choice(photo_files())
    for _ in range(random.choice((1, 1, 2))):
        size, code = random.choice((29, 21, 28, 20)), random.choice(("<H", ">H", "<I", ">I", "<H", ">H", "B"))
        largest = 256 ** struct.calcsize(code) - 1
        other = min(largest, random.choice((0, 1, 1000, 9000, 13_000, 65_535, 10**6, 2**31 - 1, 2**32 - 1)))
        content = content.replace(struct.pack(code, size), struct.pack(code, other), random.choice((1, 1, 2, 9)))
        content = content.replace(b" %d" % size, b" %d" % other)  # of formats that begin with text
    if content.startswith(b"\x89PNG"):
        content = content[:29] + struct.pack(">I", zlib.crc32(content[12:29])) + content[33:]
    return content


# ------------------------------------------------------------------------------------------------------- labels.csv

def made_labels(random):
    """A table of labels, with odd words and separators here and there."""
    words = ("0", "1", " 1 ", "2", "", "1.jpg", "file", "label", "\n", ",", '"', "\0", "\r", ";", "x" * 200_000,
             "\ufeff", "é")
    rows = ["file,label", *(f"{i}.jpg,{i % 2}" for i in range(random.choice((0, 3, 3, 3, 30_000))))]
    for _ in range(random.choice((0, 0, 1, 3))):
        rows.insert(random.choice((0, 1, len(rows))), "".join(random.choices(words, k=random.randint(0, 4))))
    content = "\n".join(rows).encode(random.choice(("utf-8", "utf-8", "utf-8", "utf-16", "utf-8-sig")), "replace")
    return damage(random, [content, content]) if random.random() < 0.3 else content


# ------------------------------------------------------------------------------------------------------------- IDX

@functools.cache
def idx_files():
    """Small files of MNIST's format, pictures and labels, as they are and gzipped."""
    files = [struct.pack(">4I", 2051, 3, 28, 28) + bytes(range(256)) * 9 + bytes(48),
             struct.pack(">2I", 2049, 5) + bytes(range(5))]
    return files + [gzip.compress(content, mtime=0) for content in files]


def made_idx(random):
    """A file of MNIST's format: damaged, or whole but with any header, and some of these gzipped."""
    if random.random() < 0.5:
        return damage(random, idx_files())
    sizes = [random.choice((0, 1, 2, 28, 28, 255, 2**16, 2**32 - 1)) for _ in range(random.choice((1, 3)))]
    header = struct.pack(f">{1 + len(sizes)}I", random.choice((2049, 2051)), *sizes)
    content = header + bytes(min(10**6, int(np.prod(sizes, dtype=float)))) + bytes(random.choice((0, 0, 0, 1)))
    return gzip.compress(content, mtime=0) if random.random() < 0.5 else content
