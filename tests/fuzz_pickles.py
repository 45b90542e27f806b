"""The `.npy` files that `fuzz.py` has read: pickles of any values, of any instructions, and damaged ones."""

import os
import pickle
import struct

import numpy as np

import nn_functions as nn
from datasets.npy import save_dict

from .fuzz_files import contents, damage
from .test_attacks import ATTACKS, DEEP, EMPTY, FLOAT64, LONG, NDARRAY, OBJECT, RECONSTRUCT, WIDE, array, named, text
from .test_npy import Call, write_npy


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
