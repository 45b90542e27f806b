"""The files that `fuzz.py` has read: each maker takes a random.Random and returns the bytes of a file."""

import functools
import io
import os
import pickle
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
from datasets.npy import save_dict

from .conftest import write_data
from .test_attacks import ATTACKS, DEEP, EMPTY, FLOAT64, LONG, NDARRAY, OBJECT, RECONSTRUCT, WIDE, array, named, text
from .test_npy import Call, write_npy


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


# ------------------------------------------------------------------------------------------------------------- .npy

@contents
def npy_files(folder):
    """Small .npy files of a network, by several protocols, and of a record."""
    path = f"{folder}/a.npy"
    parameters = {**nn.initialize_parameters((6, 2, 1), 1), "costs": [np.array(0.5), np.float64(0.25)]}
    for protocol in (2, 3, 4):
        write_npy(path, pickle.dumps(np.array(parameters, dtype=object), protocol))
        yield path
    values = {name: [1.5, 2.5] for name in ("degree", "costs", "train_accuracy", "test_accuracy")}
    for content in ({**parameters, "run": {"percent": 5, "data": "abc"}}, {**values, "run": {"percent": 5}}):
        save_dict(path, content)
        yield path


def npy(content):
    """A .npy file that holds a pickle."""
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (), }".ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + content


def damaged_npy(random):
    return damage(random, npy_files())


TYPES = ("f8", ">f8", "f4", "f2", "g", "i8", ">i2", "u1", "?", "c16", "G", "S3", "U2", "M8[s]", "m8", "V3", "O",
         "f8,i4", "(2,)f4")
KEYS = ("W1", "b1", "W2", "b2", "costs", "degree", "train_accuracy", "test_accuracy", "run", "x", "\ud800", 1, None)
# 1e4000, with nothing but zeros in the bytes that a long double does not use.
LONG_DOUBLES = np.frombuffer(np.longdouble("1e4000").tobytes()[:10].ljust(np.dtype("g").itemsize, b"\0") * 12, "g")
PLAIN = (
    lambda random: random.choice((None, True, False, ..., 0, -1, 0.5, -0.0, np.nan, np.inf, 1e308, 1j, "", b"", "W1")),
    lambda random: random.choice((1, -1)) << random.choice((7, 31, 63, 2000, 10_000)),
    lambda random: random.choice(("x", "9", "\n", "\ud800", "\U0001f600", "\0")) * random.choice((1, 100, 70_000)),
    lambda random: random.randbytes(random.choice((1, 8, 300))),
    lambda random: np.zeros(random.choice(((), (1,), (2, 6), (2, 1), (0,), (1,) * 5)), random.choice(TYPES)),
    lambda random: np.asfortranarray(np.full((2, 6), random.choice((0.5, np.nan, -np.inf)))),
    lambda random: random.choice((LONG_DOUBLES, LONG_DOUBLES[:1], LONG_DOUBLES[0], LONG_DOUBLES.reshape(2, 6))),
    lambda random: np.zeros(1, random.choice(TYPES[:11]))[0],
    lambda random: random.choice((Call(os.system, "touch touched"), Call(eval, "1"), os.system, np.ndarray,
                                  bytearray(3), np.dtype("f8"), slice(1), {1, 2}, frozenset((1, 2)), range(3))),
)


def value(random, pool, depth=0):
    """A random value, some of it shared, or holding itself; pool : the containers so far"""
    if pool and random.random() < 0.2:
        return random.choice(pool)
    if depth > 5 or random.random() < 0.6:
        return random.choice(PLAIN)(random)
    items = [value(random, pool, depth + 1) for _ in range(random.choice((0, 1, 2, 2, 5)))]
    kind = random.randrange(3)
    made = tuple(items) if kind == 0 else items if kind == 1 else {random.choice(KEYS): item for item in items}
    pool.append(made)
    if kind and random.random() < 0.1:
        made.update(x=made) if kind == 2 else made.append(made)
    for _ in range(random.choice((0, 0, 0, 60))):
        pool.append([pool[-1], pool[-1]])
    return made


def pickled_npy(random):
    """A pickle of any protocol."""
    values = {} if random.random() < 0.3 else pickle.loads(npy_files()[random.randrange(2, 5)][128:]).item()
    pool = []
    for _ in range(random.choice((0, 1, 1, 1, 3))):
        values[random.choice(KEYS[:10] if random.random() < 0.9 else KEYS)] = value(random, pool)
    whole = np.array(values, dtype=object) if random.random() < 0.8 else random.choice((values, value(random, pool)))
    return npy(pickle.dumps(whole, random.choice((0, 1, 2, 3, 4, 4, 5))))


ENCODE, SCALAR = named("_codecs", "encode"), named("numpy._core.multiarray", "scalar")
PIECES = [
    *(bytes([code]) for code in b"}])(Nt\x85\x86\x87aesuRb\x940\x88\x89l12do"), *(b"h%c" % i for i in range(6)),
    *(b"q%c" % i for i in range(6)), text("W1"), text("latin1"), text("costs"), b"C\x08" + bytes(8), b"C\x00",
    b"K\x01", b"K\x00", b"J\xff\xff\xff\xff", b"J\xff\xff\xff\x7f", b"G" + bytes(8), b"\x8a\x09" + b"\x7f" * 9,
    b"(K\x01K\x01t", b"\x8b" + struct.pack("<i", 900) + b"\x7f" * 900, b"r\xff\xff\xff\x7f",
    b"B" + struct.pack("<I", 2**31), b"\x8e" + struct.pack("<Q", 2**60), b"\x95" + struct.pack("<Q", 2**40),
    RECONSTRUCT, NDARRAY, FLOAT64, OBJECT, EMPTY, ENCODE, SCALAR, named("os", "system"), WIDE, DEEP[:3000],
    LONG[:1] + struct.pack("<I", 2000) + LONG[5:2005], array(b"K\x01\x85", FLOAT64, b"C\x08" + bytes(8))]
SMALL_ATTACKS = [attack for attack in ATTACKS.values() if len(attack) < 5000]


# Instructions that put one value on the stack.
VALUES = [b"N", b"\x88", b"K\x01", b"G" + bytes(8), b"]", b"}", b")", b"N\x85", b"C\x08" + bytes(8),
          text("x") + b"\x94", b"h\x00", array(b"K\x01\x85", FLOAT64, b"C\x08" + bytes(8)), b"](NNe",
          SCALAR + FLOAT64 + b"C\x08" + bytes(8) + b"\x86R",
          ENCODE + text("x") + text("latin1") + b"\x86R", b"}" + text("x") + b"Ns", b"\x8a\x09" + b"\x7f" * 9]


def programmed_npy(random):
    """A pickle of random instructions: in a list, on their own, inside one that loads, or inside one of the attacks."""
    is_list = random.random() < 0.4
    program = b"".join(random.choices(VALUES if is_list else PIECES, k=random.choice((1, 2, 3, 5, 10, 30))))
    if random.random() < 0.1:  # up to 1 MB of the same
        program *= random.randint(1, 10 ** random.randint(1, 6)) % (900_000 // len(program)) + 1
    if is_list:
        return npy(b"\x80\x04}" + text(random.choice(KEYS[:10])) + b"](" + program + b"es.")
    host = random.choice((b"\x80\x04.", b"\x80\x04}" + text("W1") + b"s.", random.choice(npy_files())[128:],
                          random.choice(SMALL_ATTACKS), random.choice(SMALL_ATTACKS)))
    at = random.choice((2, len(host) - 1, len(host) - 2, random.randint(0, len(host))))
    return npy(host[:at] + program + host[at + random.choice((0, 0, 1, 5)):])


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
                           [6, 0, 1], [6, 800_000, 1], [], [6, -1, 1]))
    number = sum(a * b for a, b in zip(sizes, sizes[1:])) if max(sizes, default=0) < 10**6 else 80
    vectors = {"layers": np.array(sizes, random.choice(["<i8"] * 9 + [">i8", "O"])),
               "connections": np.full(max(0, -(-number // 8)), random.choice((0, 0, 255)), np.uint8)}
    ones = int(np.unpackbits(vectors["connections"], count=max(0, number)).sum())
    vectors["weights"] = np.full(ones + (random.random() < 0.1), random.choice((0.5, 0.5, np.nan, 3e38)), np.float32)
    vectors["biases"] = np.zeros(max(0, min(10**6, sum(sizes[1:]))), random.choice(["<f8"] * 9 + ["<f4"]))
    names = list(vectors) + random.choices((*vectors, "more", "../a"), k=random.choice((0, 0, 0, 0, 1)))
    if random.random() < 0.02:
        names += ["x"] * random.choice((50, 20_000))
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
            except (TypeError, ValueError, OSError):
                pass  # HDF5 does not have every combination
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
    for _ in range(random.choice((0, 1, 1, 3))):
        rows.insert(random.choice((0, 1, len(rows))), "".join(random.choices(words, k=random.randint(0, 4))))
    content = "\n".join(rows).encode(random.choice(("utf-8", "utf-8", "utf-8", "utf-16", "utf-8-sig")), "replace")
    return damage(random, [content, content]) if random.random() < 0.3 else content


def prepare():
    """Make what the makers work on, once."""
    for files in (npy_files, npz_files, h5_files, photo_files, large_photo_files):
        files()
