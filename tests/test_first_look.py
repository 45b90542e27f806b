"""The first look, on a few digits: its rows, its control and its two figures."""

import numpy as np
import pytest
from PIL import Image

import prun_mask
from datasets import mnist
from figure import drawing, first_look

from .conftest import assert_figure, fail, succeed
from .test_mnist import write_mnist


@pytest.fixture
def few_digits(tmp_path):
    """A folder of 30 training digits and 7 test digits."""
    write_mnist(tmp_path / "mnist")
    return tmp_path / "mnist"


def kept(step):
    """What a step keeps, [W1, W2, W3] as masks."""
    return [step.parameters[f"W{l}"] != 0 for l in (1, 2, 3)]


def test_the_control_keeps_as_many_connections_of_those_before(few_digits):
    pairs = list(first_look.prune(mnist.load_mnist(few_digits)))
    assert [[step.number for step in pair] for pair in pairs] == [[i, i] for i in range(7)]
    for before, after in zip(pairs, pairs[1:]):
        by_magnitude, at_random = map(kept, after)
        assert [mask.sum() for mask in by_magnitude] == [mask.sum() for mask in at_random]
        for old, new in zip([*kept(before[0]), *kept(before[1])], by_magnitude + at_random):
            assert not (new & ~old).any() and new.sum() <= old.sum()
        assert (by_magnitude[0] != at_random[0]).any()
        W1 = before[0].parameters["W1"]  # the strongest, but for those of dead neurons
        alive = by_magnitude[0].any(axis=1)
        strongest = prun_mask.keep_largest(np.abs(W1), round(0.8 * first_look.FRACTIONS[after[0].number - 1] * W1.size))
        assert (by_magnitude[0] == strongest & alive[:, None]).all()


def test_a_row_and_a_frame_for_each_step(few_digits, tmp_path, monkeypatch):
    monkeypatch.setattr(drawing, "DPI", 60)
    text = succeed("figure.first_look", "--data", few_digits, "--figures", tmp_path)
    rows = [list(map(float, line.split())) for line in text.splitlines()[2:9]]
    errors = np.array(rows)[:, 1:]
    assert [round(row[0]) for row in rows][:5] == [1, 2, 4, 8, 16] and (np.diff(errors[0]) == 0).all()
    assert np.allclose(errors * 7 / 100, np.round(errors * 7 / 100), atol=0.01)  # of seven test digits
    assert text.splitlines()[9:] == [f"figure: {tmp_path}/first_look.gif", f"figure: {tmp_path}/first_look.png"]
    assert_figure(tmp_path / "first_look.png")
    assert (tmp_path / "first_look.gif").stat().st_size < 1e6
    with Image.open(tmp_path / "first_look.gif") as gif:
        frames = [np.asarray(gif.convert("RGB")).astype(int) for _ in map(gif.seek, range(gif.n_frames))]
        assert len(frames) == 7 and gif.info["loop"] == 0
    assert all(np.abs(a - b).mean() > 1 for a, b in zip(frames, frames[1:]))


def test_without_the_digits_the_line_has_the_command(tmp_path):
    line = fail("figure.first_look", "--data", tmp_path / "no", "--figures", tmp_path / "f")
    assert f"`python -m datasets.fetch_mnist --out {tmp_path / 'no'}` gets" in line and not (tmp_path / "f").exists()
