"""Files made to do harm, and thousands of damaged ones: each loads to something valid or raises InputError.

`python -m pytest tests/test_attacks.py --fuzz-cases 20000` runs more of the damaged ones.
"""

import copyreg
import ctypes
import functools
import io
import itertools
import os
import pickle
import signal
import struct
import sys

import h5py
import numpy as np
import pytest
from PIL import Image

import nn_functions as nn
from datasets.networks import export_parameters, load_parameters
from datasets.npy import load_dict, save_dict
from datasets.pictures import load_data, picture_shape, read_picture
from datasets.user_input import InputError

from .conftest import needs_posix, write_data
from .test_npy import Call, write_npy

pytestmark = needs_posix  # the alarm that ends a load that hangs

FORBIDDEN = ("ctypes", "exec", "os.exec", "os.posix_spawn", "os.system", "pickle.find_class", "socket", "subprocess")
watching = False


def watch(event, arguments):
    """An audit hook (it cannot be taken back): while a file is loaded, code must not be run."""
    if watching and event.startswith(FORBIDDEN):
        if event == "exec" and os.path.exists(arguments[0].co_filename):
            return  # a module of Python's own that is imported late
        raise SystemExit(f"code was run: {event} {arguments}")


sys.addaudithook(watch)


def load(function, *arguments):
    """What a loader makes of a file, or None if it raises InputError. Anything else fails, a hang of 20 seconds too."""
    global watching

    def too_slow(*_):
        raise SystemExit("it hangs")

    signal.signal(signal.SIGALRM, too_slow)
    signal.alarm(20)
    watching = True
    try:
        return function(*arguments)
    except InputError:
        return None
    finally:
        watching = False
        signal.alarm(0)


# -------------------------------------------------------------------------------------------------- pickle attacks

def named(module, name):
    """The instructions that name something: protocol 4's, which takes dots apart."""
    return b"".join(b"\x8c" + bytes([len(word)]) + word.encode() for word in (module, name)) + b"\x93"


def text(words):
    return b"\x8c" + bytes([len(words)]) + words.encode()


def whole(instructions):
    """A pickle of {"W1": what the instructions leave on the stack}."""
    return b"\x80\x04}" + text("W1") + instructions + b"s."


RECONSTRUCT = named("numpy._core.multiarray", "_reconstruct")
NDARRAY = named("numpy", "ndarray")
FLOAT64 = named("numpy", "dtype") + text("f8") + b"\x89\x88\x87R(K\x03" + text("<") + (
    b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb")
OBJECT = FLOAT64.replace(text("f8"), text("O8")).replace(text("<"), text("|"))
EMPTY = RECONSTRUCT + NDARRAY + b"K\x00\x85C\x01b\x87R"  # an array whose state is to come


def array(shape, dtype, content):
    return EMPTY + b"(K\x01" + shape + dtype + b"\x89" + content + b"tb"


# A tuple of 2^60 items in a few bytes: whoever compares, hashes or prints it never comes to an end.
WIDE = b")\x94" + b"".join(b"h" + bytes([i]) + b"h" + bytes([i]) + b"\x86\x94" for i in range(60))

ATTACKS = {
    "os.system": whole(named("os", "system") + text("touch touched") + b"\x85R"),
    "posix.system": whole(named("posix", "system") + text("touch touched") + b"\x85R"),
    "protocol 0": b"cos\nsystem\n(S'touch touched'\ntR.",
    "eval": whole(named("builtins", "eval") + text("open('touched', 'w')") + b"\x85R"),
    "exec": whole(named("builtins", "exec") + text("open('touched', 'w')") + b"\x85R"),
    "open": whole(named("builtins", "open") + text("touched") + text("w") + b"\x86R"),
    "getattr": whole(named("builtins", "getattr") + NDARRAY + text("tofile") + b"\x86R"),
    "import": whole(named("builtins", "__import__") + text("os") + b"\x85R"),
    "numpy.load": whole(named("numpy", "load") + text("a.npy") + b"\x85R"),
    "numpy.fromfile": whole(named("numpy", "fromfile") + text("a.npy") + b"\x85R"),
    "numpy.memmap": whole(named("numpy", "memmap") + text("touched") + b"\x85R"),
    "functools.partial": whole(named("functools", "partial") + NDARRAY + b"\x85R"),
    "ctypes": whole(named("ctypes", "string_at") + b"K\x00\x85R"),
    "ctypes pointer": whole(named("ctypes", "memmove") + b"K\x00K\x00K\x01\x87R"),
    "operator": whole(named("operator", "attrgetter") + text("__class__") + b"\x85R"),
    "dotted name": whole(named("numpy._core.multiarray", "_reconstruct.__globals__")),
    "dotted class": whole(named("numpy", "ndarray.__subclasses__") + b")R"),
    "renamed module": whole(named("numpy._corenumpy._core.multiarray", "scalar")),
    "old class instance": b"\x80\x02(ios\nsystem\n.",
    "object from the stack": whole(b"(" + named("os", "system") + text("touch touched") + b"o"),
    "new object": whole(NDARRAY + b"M\xff\xff\x85\x81"),
    "new object with keywords": whole(NDARRAY + b")}\x92"),
    "extension": whole(b"\x82\xf0"),
    "persistent id": whole(text("x") + b"Q"),
    "named but not called": whole(NDARRAY),
    "dtype as a value": whole(FLOAT64),
    "array without a state": whole(EMPTY),
    "array called twice": whole(EMPTY + b")R"),
    "a list that is called": whole(b"])R"),
    "a string with a state": whole(text("x") + b"}b"),
    "objects inside": whole(array(b"K\x01\x85", OBJECT, b"]Na")),
    "objects inside objects": whole(array(b"K\x01\x85", OBJECT, b"]" + array(b"K\x01\x85", OBJECT, b"]Na") + b"a")),
    "a pointer as an object": whole(array(b"K\x01\x85", OBJECT, b"C\x08" + bytes(8))),
    "an object as a number": whole(named("numpy._core.multiarray", "scalar") + OBJECT + b"C\x08" + bytes(8) + b"\x86R"),
    "too few bytes": whole(array(b"J\xff\xff\xff\x7f\x85", FLOAT64, b"C\x08" + bytes(8))),
    "too many bytes": whole(array(b"K\x01\x85", FLOAT64, b"C\x10" + bytes(16))),
    "a negative shape": whole(array(b"J\xff\xff\xff\xff\x85", FLOAT64, b"C\x08" + bytes(8))),
    "a huge shape of nothing": whole(array(b"J\xff\xff\xff\x7f\x85", FLOAT64.replace(text("f8"), text("U0")),
                                           b"C\x00")),
    "structured dtype": whole(array(b"K\x01\x85", FLOAT64.replace(text("f8"), text("f8,O")), b"C\x08" + bytes(8))),
    "huge bytes": whole(b"\x8e" + struct.pack("<Q", 1 << 60)),
    "huge text": whole(b"\x8d" + struct.pack("<Q", 1 << 60)),
    "huge byte array": whole(b"\x96" + struct.pack("<Q", 1 << 40)),
    "memo without end": whole(b"Nr\xff\xff\xff\xff0N")[:-1] + b"0.",
    "memo of nothing": whole(b"h\x07"),
    "stack below its end": b"\x80\x040000.",
    "marks without end": b"\x80\x04" + b"(" * 100_000 + b".",
    "nothing left": b"\x80\x04.",
    "two left": b"\x80\x04NN.",
    "no end": b"\x80\x04}",
    "a deep tuple as a module": whole(text("numpy") + b")" + b"\x85" * 300_000 + b"\x93"),
    "a wide tuple as a name": whole(text("numpy") + WIDE + b"\x93"),
    "a wide tuple as an encoding": whole(named("_codecs", "encode") + text("x") + WIDE + b"\x86R"),
    "a wide tuple as a shape": whole(array(WIDE, FLOAT64, b"C\x08" + bytes(8))),
    "a wide tuple as bytes": whole(array(b"K\x01\x85", FLOAT64, WIDE)),
    "a wide tuple as a type": whole(array(b"K\x01\x85", FLOAT64.replace(text("f8"), WIDE), b"C\x08" + bytes(8))),
    "a wide tuple as a byte order": whole(array(b"K\x01\x85", FLOAT64.replace(text("<"), WIDE), b"C\x08" + bytes(8))),
    "bytes shared by many arrays": whole(b"](C\x80" + bytes(128) + b"\x94" + array(b"K\x10\x85", FLOAT64,
                                                                                   b"h\x00") * 99 + b"e"),
    "a name with escapes": whole(named("\x1b[31m", "os")),
    "number as a key": b"\x80\x04}K\x01Ns.",
    "tuples in tuples as a key": b"\x80\x04})" + b"\x85" * 300_000 + b"Ns.",
    "lists in lists": whole(b"]" * 100_000 + b"a" * 99_999),
    "a list in itself": whole(b"]\x94h\x00a"),
    "a dict in itself": whole(b"}\x94" + text("a") + b"h\x00s"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_is_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_npy(tmp_path / "a.npy", ATTACKS[name])
    assert load(load_dict, tmp_path / "a.npy") is None
    # And as the content of the array that np.save puts around a dict.
    if ATTACKS[name].startswith(b"\x80\x04"):
        write_npy(tmp_path / "a.npy", b"\x80\x04" + array(b")", OBJECT, b"]" + ATTACKS[name][2:-1] + b"a") + b".")
        assert load(load_dict, tmp_path / "a.npy") is None
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]


def test_what_the_attacks_are_made_of_is_right(tmp_path):
    """The same building blocks, put together without malice, do load."""
    value = array(b"K\x02\x85", FLOAT64, b"C\x10" + struct.pack("<dd", 0.5, 2))
    scalar = named("numpy._core.multiarray", "scalar") + FLOAT64 + b"C\x08" + struct.pack("<d", 3) + b"\x86R"
    content = whole(value)[:-1] + text("b1") + scalar + b"s."
    write_npy(tmp_path / "a.npy", b"\x80\x04" + array(b")", OBJECT, b"]" + content[2:-1] + b"a") + b".")
    loaded = load_dict(tmp_path / "a.npy")
    assert np.array_equal(loaded["W1"], [0.5, 2]) and loaded["b1"] == 3 and isinstance(loaded["b1"], np.float64)


def test_registered_extensions_are_not_used(tmp_path):
    copyreg.add_extension("os", "system", 240)
    try:
        for value in (Call(os.system, "touch touched"), [Call(functools.partial, ctypes.string_at)]):
            write_npy(tmp_path / "a.npy", pickle.dumps({"W1": value}, 4))
            assert load(load_dict, tmp_path / "a.npy") is None
    finally:
        copyreg.remove_extension("os", "system", 240)


def test_what_is_referred_to_many_times_is_built_once(tmp_path):
    # 60 lists, each holding the one before it twice: 2^60 of them, if every reference were built anew.
    lists = b"]\x94" + b"".join(b"]\x94(h" + bytes([i]) + b"h" + bytes([i]) + b"e" for i in range(60))
    write_npy(tmp_path / "a.npy", whole(b"](" + lists + b"e"))
    loaded = load(load_dict, tmp_path / "a.npy")["W1"]
    assert len(loaded) == 61 and loaded[60][0] is loaded[60][1] is loaded[59]


# ---------------------------------------------------------------------------------------------------- damaged files

def damage(random, content, others):
    """A damaged copy of a file: bits flipped, bytes replaced, cut, spliced, doubled, or begun as another file."""
    content = bytearray(content)
    for _ in range(random.choice((1, 1, 2, 8))):
        at = random.randint(len(content) + 1)
        kind = random.randint(7)
        if kind == 0 and content:
            content[at - 1] ^= 1 << random.randint(8)
        elif kind == 1 and content:
            content[at - 1] = random.choice((0, 1, 0x7F, 0x80, 0xFF))
        elif kind == 2:
            del content[at:]
        elif kind == 3:
            del content[at:at + random.randint(1, 20)]
        elif kind == 4:
            other = others[random.randint(len(others))]
            start = random.randint(len(other) + 1)
            content[at:at + random.randint(20)] = other[start:start + random.randint(40)]
        elif kind == 5:
            other = others[random.randint(len(others))]
            length = random.randint(1, 200)
            content[:length] = other[:length]
        else:
            content[at:at] = content[at:at + random.randint(1, 60)]
    return bytes(content)


def npy_files(folder):
    """Small .npy files of a network, by several protocols."""
    parameters = {**nn.initialize_parameters((6, 2, 1), 1), "costs": [np.array(0.5), np.float64(0.25)]}
    for protocol in (2, 3, 4):
        write_npy(folder / "a", pickle.dumps(np.array(parameters, dtype=object), protocol))
        yield (folder / "a").read_bytes()
    save_dict(folder / "a", {**parameters, "degree": [1.5, 2.5], "run": {"percent": 5, "data": "abc"}})
    yield (folder / "a").read_bytes()


def is_valid_dict(path):
    values = load_dict(path)
    assert isinstance(values, dict) and all(isinstance(key, str) for key in values)
    parameters = load_parameters(path, 6)
    assert all(value.dtype == np.float64 and np.isfinite(value).all() for value in parameters.values())
    assert nn.predict(np.ones((6, 1)), parameters).shape == (1, 1)
    return True


def npz_files(folder):
    """Small exported networks."""
    for share in (0.2, 0.9):
        parameters = nn.initialize_parameters((6, 4, 3, 1), 1)
        parameters["W1"] *= np.random.RandomState(3).rand(4, 6) < share
        export_parameters(folder / "a.npz", parameters)
        yield (folder / "a.npz").read_bytes()


def is_valid_network(path):
    parameters = load_parameters(path, 6)
    assert all(value.dtype == np.float64 and np.isfinite(value).all() for value in parameters.values())
    assert nn.predict(np.ones((6, 1)), parameters).shape == (1, 1)
    return True


def h5_files(folder):
    """Small data sets: plain, compressed, and with pictures in floating point."""
    yield write_data(folder / "a.h5", m=6, m_test=2).read_bytes()
    yield write_data(folder / "b.h5", m=6, m_test=2, X_train=np.ones((6, 6, 8, 3)),
                     X_test=np.ones((2, 6, 8, 3))).read_bytes()
    with h5py.File(folder / "c.h5", "w") as file, h5py.File(folder / "a.h5") as plain:
        for name in plain:
            file.create_dataset(name, data=plain[name][()], compression="gzip")
    yield (folder / "c.h5").read_bytes()


def is_valid_data(path):
    X_train, Y_train, X_test, Y_test = load_data(path)
    for X, Y in ((X_train, Y_train), (X_test, Y_test)):
        assert X.shape == (len(X_train), Y.size) and Y.shape == (1, Y.size) and Y.size
        assert X.dtype == np.float64 and 0 <= X.min() <= X.max() <= 1 and np.isin(Y, (0, 1)).all()
    assert np.prod(picture_shape(path)) == len(X_train)
    return True


def picture_files(folder):
    """Small pictures of many formats and modes."""
    gradient = Image.fromarray(np.add.outer(np.arange(20), np.arange(30)).astype(np.uint8) * 5)
    for mode, kind in (("RGB", "png"), ("P", "png"), ("RGBA", "png"), ("I;16", "png"), ("RGB", "jpeg"),
                       ("CMYK", "jpeg"),
                       ("P", "gif"), ("RGB", "bmp"), ("RGB", "webp"), ("L", "tiff"), ("F", "tiff"), ("RGB", "ppm"),
                       ("RGB", "tga"), ("RGB", "jpeg2000")):
        content = io.BytesIO()
        gradient.convert(mode).save(content, kind, **({"exif": Image.Exif()} if kind in ("jpeg", "webp") else {}))
        yield content.getvalue()


def is_valid_picture(path):
    picture = read_picture(path, (4, 5, 3))
    assert picture.shape == (4, 5, 3) and picture.dtype == np.uint8
    return True


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of odd escapes in what is damaged
@pytest.mark.parametrize("files, loader", [(npy_files, is_valid_dict), (npz_files, is_valid_network),
                                           (h5_files, is_valid_data), (picture_files, is_valid_picture)])
def test_damaged_files_load_to_something_valid_or_raise_inputerror(files, loader, tmp_path, request):
    contents = list(files(tmp_path))
    path = tmp_path / "damaged"
    random = np.random.RandomState(0)
    for content in contents:  # undamaged, they load
        path.write_bytes(content)
        assert load(loader, path)
    outcomes = [0, 0]
    for content in itertools.islice(itertools.cycle(contents), request.config.getoption("--fuzz-cases")):
        damaged = damage(random, content, contents)
        path.write_bytes(damaged)
        try:
            outcomes[bool(load(loader, path))] += 1
        except BaseException:
            (tmp_path / "failed").write_bytes(damaged)
            print(f"the file that failed: {tmp_path / 'failed'}")
            raise
    assert min(outcomes) > 0  # some of each, or the damage was not of the right strength
