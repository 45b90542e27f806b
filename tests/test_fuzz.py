"""`fuzz.py`: no file of a few hundred may do harm, and what does harm is noticed."""

import hashlib
import os
import signal

import pytest

from datasets.user_input import InputError

from .conftest import needs_posix, run

if os.name == "posix":
    from . import fuzz

pytestmark = needs_posix  # fork, and limits of a process


def test_a_few_hundred_files_are_read_or_refused():
    finished = run("tests.fuzz", "--cases", 165, "--seed", 2)
    assert finished.returncode == 0, finished.stdout
    lines = finished.stdout.splitlines()
    rows = [[int(cell) for cell in line.split("|")[2:-1]] for line in lines[2:2 + len(fuzz.KINDS)]]
    assert [sum(row) for row in rows] == [165 // len(fuzz.KINDS)] * len(fuzz.KINDS)
    assert all(row[0] > 0 and row[1] > 0 for row in rows)  # some of each, or the damage is not of the right strength
    # Another process, in any order, makes the same files.
    digests = {number: hashlib.sha256(fuzz.made(2, number)[1]).digest() for number in reversed(range(165))}
    assert f"{fuzz.digest_of(digests[number] for number in range(165))}\n" in finished.stdout


def harm(path):
    """A reader that does what its file says."""
    with open(path) as file:
        exec(compile(file.read(), __file__, "exec"), {"os": os, "signal": signal, "InputError": InputError})


@pytest.mark.parametrize("content, outcome", [
    ("pass", "read"), ("raise InputError('a.npy: wrong')", "refused"),
    ("raise InputError('two\\nlines')", "other exception"), ("raise InputError('x' * 400)", "other exception"),
    ("raise ValueError", "other exception"), ("assert 1 == 2", "other exception"),
    ("import warnings; warnings.warn('x')", "other exception"), ("os.system('true')", "code run"),
    ("try: os.system('true')\nexcept BaseException: pass", "code run"), ("x = bytearray(200 << 20)", "too much memory"),
    ("os.kill(os.getpid(), signal.SIGSEGV)", "crash"), ("while True: pass", "too slow")])
def test_every_outcome_is_told_apart(content, outcome, tmp_path, monkeypatch):
    monkeypatch.setattr(fuzz, "SECONDS", 1)
    (tmp_path / "a.py").write_text(content)
    kind = fuzz.Kind("harm", "a.py", None, harm, fuzz.plain)
    assert fuzz.outcome_of(kind, tmp_path / "a.py")[0] == outcome
