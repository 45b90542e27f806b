"""Files made by Hypothesis for the one reader that parses bytes itself, `npy.load_dict`: `python -m tests.fuzz`.

Each must be read to values hardly larger than the file, or be refused with one short line. Prints how many were
read and how many refused; anything else ends it with the file that caused it, made as small as it goes.
"""

import argparse
import collections
import contextlib
import os
import pickle
import struct
import sys
import tempfile
import warnings

import hypothesis
import numpy as np
from hypothesis import strategies as st
from tqdm import tqdm

import nn_functions as nn
from datasets.networks import load_parameters
from datasets.npy import load_dict
from datasets.user_input import InputError

LONGEST_MESSAGE = 300  # letters
BATCH = 1000  # files that Hypothesis makes in one go: it remembers all of them

# --------------------------------------------------------------------------------------- the instructions of a pickle


def text(words):
    return b"\x8c" + bytes([len(words)]) + words.encode()


def named(module, name):
    """The instructions that name something: protocol 4's, which takes dots apart."""
    return text(module) + text(name) + b"\x93"


def whole(instructions):
    """A pickle of {"W1": what the instructions leave on the stack}."""
    return b"\x80\x04}" + text("W1") + instructions + b"s."


ENCODE, SCALAR = named("_codecs", "encode"), named("numpy._core.multiarray", "scalar")
NDARRAY, RECONSTRUCT = named("numpy", "ndarray"), named("numpy._core.multiarray", "_reconstruct")
FLOAT64 = named("numpy", "dtype") + text("f8") + b"\x89\x88\x87R(K\x03" + text("<") + (
    b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb")
OBJECT = FLOAT64.replace(text("f8"), text("O8")).replace(text("<"), text("|"))
EMPTY = RECONSTRUCT + NDARRAY + b"K\x00\x85C\x01b\x87R"  # an array whose state is to come


def array(shape, dtype, content):
    return EMPTY + b"(K\x01" + shape + dtype + b"\x89" + content + b"tb"


ONE_NUMBER = array(b"K\x01\x85", FLOAT64, b"C\x08" + bytes(8))

# What is compared, hashed, copied or printed without a look at its type first never comes to an end, comes too deep,
# or is printed whole: a tuple of 2^60 items in 420 bytes (it holds all that it is made from, so that nothing is left on
# the stack below it), a tuple of tuples, and a long text.
WIDE = b"()\x94" + b"".join(b"h" + bytes([i]) + b"h" + bytes([i]) + b"\x86\x94" for i in range(60)) + b"t"
DEEP = b")" + b"\x85" * 20_000
LONG = b"X" + struct.pack("<I", 500_000) + b"9" * 500_000

# Instructions that put one value on the stack.
VALUES = [b"N", b"\x88", b"K\x01", b"G" + bytes(8), b"]", b"}", b")", b"N\x85", b"C\x08" + bytes(8), text("x"),
          ONE_NUMBER, b"](NNe", SCALAR + FLOAT64 + b"C\x08" + bytes(8) + b"\x86R", b"}" + text("x") + b"Ns",
          ENCODE + text("x") + text("latin1") + b"\x86R", b"\x8a\x09" + b"\x7f" * 9]
# And what may do harm.
PIECES = [*VALUES, *(bytes([code]) for code in b"(t\x85\x86\x87aesuRb\x940\x89l12do"), *(b"h%c" % i for i in range(6)),
          *(b"q%c" % i for i in range(6)), text("W1"), b"C\x00", b"K\x00", b"J\xff\xff\xff\xff", b"J\xff\xff\xff\x7f",
          b"\x8b" + struct.pack("<i", 900) + b"\x7f" * 900, b"r\xff\xff\xff\x7f", b"B" + struct.pack("<I", 2**31),
          b"\x8e" + struct.pack("<Q", 2**60), b"\x95" + struct.pack("<Q", 2**40), RECONSTRUCT, NDARRAY, FLOAT64, OBJECT,
          EMPTY, ENCODE, SCALAR, named("os", "system") + text("touch touched") + b"\x85R", WIDE, DEEP[:3000],
          LONG[:2000]]


# ---------------------------------------------------------------------------------------------------- files of any kind

class Call:
    """An object whose pickle calls a function when it is loaded."""

    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


def npy(content):
    """A .npy file that holds a pickle."""
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (), }".ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + content


NETWORK = {**nn.initialize_parameters((6, 2, 1), 1), "costs": [np.array(0.5), np.float64(0.25)]}
RECORD = {"degree": [1.5, 2.5], "run": {"percent": 5, "data": "abc"}}
WHOLE = [npy(pickle.dumps(np.array(values, object), protocol))
         for values in (NETWORK, RECORD) for protocol in (2, 3, 4)]


@st.composite
def damaged(draw):
    """A file that is whole but for a few bytes that are changed, inserted or missing."""
    content = bytearray(draw(st.sampled_from(WHOLE)))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(content)))
        content[at:at + draw(st.sampled_from((0, 1, 1, 4, 10**6)))] = draw(st.binary(max_size=3))
    return bytes(content)


PLAIN = [None, True, ..., 0, -1, 1 << 63, -1 << 2000, 0.5, np.nan, 1j, "", "x" * 300, "\ud800", b"", b"\0" * 300,
         *(np.zeros(shape, kind) for kind in ("f8", ">f8", "f4", "g", "i8", "?", "c16", "S3", "U2", "M8[s]", "V3", "O",
                                              "f8,i4") for shape in ((), (1,), (2, 6), (0,), (1,) * 5)),
         np.asfortranarray(np.full((2, 6), np.inf)), np.float32(1), np.longdouble("1e4000"), np.dtype("f8"), np.ndarray,
         bytearray(3), slice(1), {1, 2}, Call(os.system, "touch touched")]
KEY = st.sampled_from(["W1", "b1", "W2", "b2", "costs", "degree", "run", "x", "\ud800", 1])
VALUE = st.recursive(st.sampled_from(PLAIN), lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner)
                     | st.dictionaries(KEY, inner, max_size=3) | inner.map(lambda value: [value, value]))
DICT = st.dictionaries(KEY, VALUE, max_size=3)


@st.composite
def pickled(draw):
    """A pickle of any values, some of them in two places, by any protocol."""
    content = {**draw(st.sampled_from(({}, NETWORK, RECORD))), **draw(DICT)}
    if draw(st.booleans()):
        content = np.array(content, object)
    return npy(pickle.dumps(content, draw(st.integers(0, 5))))


@st.composite
def programmed(draw):
    """A pickle of any instructions: values in a list, or anything inside one that loads."""
    if draw(st.booleans()):
        return npy(whole(b"](" + b"".join(draw(st.lists(st.sampled_from(VALUES)))) + b"e"))
    program = b"".join(draw(st.lists(st.sampled_from(PIECES), min_size=1, max_size=20)))
    host = draw(st.sampled_from([b"\x80\x04.", whole(b""), *(content[128:] for content in WHOLE)]))
    at = draw(st.integers(2, len(host)))
    program *= draw(st.sampled_from((1, 1, 1, 100)))
    return npy(host[:at] + program + host[at + draw(st.sampled_from((0, 1, 5))):])


# --------------------------------------------------------------------------------------------------------- all of them

def outcome_of(path):
    """Read a file. Returns "read" or "refused"; raises anything else that happens."""
    try:
        values = load_dict(path)
    except InputError as error:
        message = str(error).removeprefix(path)
        assert "\n" not in message and len(message) <= LONGEST_MESSAGE, message
        return "refused"
    assert type(values) is dict and size_of(values) <= 2 * os.path.getsize(path)
    with contextlib.suppress(InputError):
        parameters = load_parameters(path, 6)
        assert all(value.dtype == np.float64 and np.isfinite(value).all() for value in parameters.values())
    return "read"


def size_of(values):
    """The bytes of all arrays and bytes in a value, and one for anything else: strings may be shared."""
    size, left = 0, [values]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            assert all(type(key) is str for key in value)
            left += value.values()
        elif isinstance(value, (list, tuple)):
            left += value
        size += value.nbytes if isinstance(value, np.ndarray) else len(value) if isinstance(value, bytes) else 1
    return size


def count_outcomes(cases, seed=0):
    """Make and read that many files, the same ones for the same seed. Returns a Counter of "read" and "refused"."""
    counts = collections.Counter()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):

        def read(content):
            with open("a.npy", "wb") as file:
                file.write(content)
            counts[outcome_of("a.npy")] += 1
            assert os.listdir() == ["a.npy"], "a pickle was run"

        for first in tqdm(range(0, cases, BATCH), unit=f" × {BATCH} files", disable=None):
            settings = hypothesis.settings(max_examples=min(BATCH, cases - first), deadline=None, derandomize=True,
                                           suppress_health_check=list(hypothesis.HealthCheck))
            test = hypothesis.given(damaged() | pickled() | programmed())(read)
            settings(hypothesis.seed(seed + first)(test))()
    return counts


def main(argv=()):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=10_000, metavar="N", help="files (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="other files (%(default)s)")
    options = parser.parse_args(argv)
    warnings.simplefilter("error")  # a user would see it besides the one line
    counts = count_outcomes(options.cases, options.seed)
    print(f"{counts.total()} files: {counts['read']} read, {counts['refused']} refused, nothing else")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
