"""The mask rule against a slow, obvious version, and the degrees against the original's list."""

import numpy as np
import pytest

import nn_functions as nn
import prun_mask

from .conftest import succeed

# The original experiment's 39 pruning degrees, in percent. They depend on the sizes of the layers alone.
DEGREES = [
    5.002035604574559, 9.754247011362374, 14.262185869203153, 18.544357674229246, 22.613716273733296,
    26.479514415781484, 30.15100484843999, 33.63929086938821, 36.953625226692324, 40.10141011880528, 43.09189829379326,
    45.93434249972242, 48.634294385432476, 51.19915614937637, 53.634479440393804, 55.94951700655094, 58.14796994707429,
    60.23724046041674, 62.221029645804805, 64.10673970169141, 65.898071727303, 67.5987268218661, 69.21425663422036,
    70.75021281320552, 72.20844590843481, 73.59450756874791, 74.9102483437581, 76.16121988230505, 77.349272734002,
    78.47810799807543, 79.54957622413858, 80.56737851141789, 81.53521595913986, 82.45493911691773, 83.32839853436471,
    84.15744476109404, 84.94577889633221, 85.69525148969244, 86.40586254117473,
]


def slow_mask(W, percent):
    """The rule, weight by weight, with the percentile's linear interpolation written out."""
    magnitudes = [abs(w) for w in W.flat if w != 0]
    if W.size - len(magnitudes) > 1:
        magnitudes.append(0)
    magnitudes.sort()
    position = percent / 100 * (len(magnitudes) - 1)
    below = int(position)
    above = min(below + 1, len(magnitudes) - 1)
    limit = magnitudes[below] + (position - below) * (magnitudes[above] - magnitudes[below])
    return np.array([[abs(w) > limit for w in row] for row in W])


@pytest.mark.parametrize("percent", [0.5, 5, 20, 60])
def test_mask_matches_the_obvious_version(percent):
    random = np.random.RandomState(7)
    for zeros in (0, 1, 2, 30, 57):
        W = random.randn(6, 10)
        W.flat[random.permutation(60)[:zeros]] = 0
        mask = prun_mask.prune_mask(W, percent)
        assert np.array_equal(mask, slow_mask(W, percent))
        assert not mask[W == 0].any()


def test_a_matrix_of_zeros_is_pruned_whole():
    for shape in ((1, 1), (2, 3)):
        assert not prun_mask.prune_mask(np.zeros(shape), 5).any()


def test_masks_spare_the_last_layer_and_the_biases():
    parameters = nn.initialize_parameters((30, 5, 4, 1), 1)
    masks = prun_mask.prune_masks(parameters, 50)
    assert list(masks) == ["W1", "W2"]
    pruned = prun_mask.apply_masks(parameters, masks)
    for name, value in parameters.items():
        assert np.array_equal(pruned[name], value * masks[name] if name in masks else value)
    zeros = sum((~mask).sum() for mask in masks.values())
    assert prun_mask.degree(pruned) == zeros / (150 + 20) * 100 and prun_mask.degree(parameters) == 0


def degrees_of_39_steps(parameters):
    degrees = []
    for _ in range(39):
        parameters = prun_mask.apply_masks(parameters, prun_mask.prune_masks(parameters, 5))
        degrees.append(prun_mask.degree(parameters))
    return degrees


def test_degrees_are_the_originals():
    assert degrees_of_39_steps(nn.initialize_parameters((10800, 5, 4, 3, 2, 1), 2)) == DEGREES


def test_degrees_are_the_originals_on_its_own_network(original):
    record = nn.load_dict(original / "degree_costs.npy")["degree"]
    assert record == DEGREES
    assert degrees_of_39_steps(nn.load_parameters(original / "parameters.npy", 10800)) == record


def test_example_shows_what_it_says():
    text = succeed("prun_mask.py")
    assert text.count("4 of 20 weights are 0") == 2  # pruned once, and again: nothing changed
    rounds = [int(row.split()[2]) for row in text.splitlines() if row.endswith("of 20")]
    assert len(rounds) == 9 and rounds[0] == 4 and rounds == sorted(set(rounds))  # each round prunes some more
    limit, smallest = (float(text.split(before)[1].split(",")[0]) for before in ("next\nthreshold, ", "smallest weight, "))
    assert limit < smallest  # and a tenth none
