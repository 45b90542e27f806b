"""The mask rule against a slow, obvious version, and the degrees against the original's list."""

import numpy as np
import pytest

import nn_functions as nn
import prun_mask
from datasets.networks import load_parameters
from datasets.npy import load_dict

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
        masks = prun_mask.make_masks({"W1": W, "b1": None, "W2": 3 * W[:5, :6], "b2": None, "W3": W, "b3": None},
                                     percent)
        assert list(masks) == ["W1", "W2"]  # each by its own threshold, and never the last
        assert np.array_equal(masks["W1"], slow_mask(W, percent)) and not masks["W1"][W == 0].any()
        assert np.array_equal(masks["W2"], slow_mask(W[:5, :6], percent))


def three_layers(seed=11, zeros=0.3):
    """A network of which the layers differ in the size of their weights, some of them 0."""
    parameters = nn.initialize_parameters((20, 6, 5, 1), seed)
    random = np.random.RandomState(seed)
    for name, size in (("W1", 1), ("W2", 3)):
        parameters[name] *= size * (random.rand(*parameters[name].shape) > zeros)
    return parameters


def test_global_is_one_threshold_for_all_layers():
    parameters = three_layers()
    together = np.hstack([parameters["W1"].reshape(1, -1), parameters["W2"].reshape(1, -1)])
    masks = prun_mask.make_masks(parameters, 30, "global")
    assert np.array_equal(np.concatenate([masks["W1"].ravel(), masks["W2"].ravel()]), slow_mask(together, 30)[0])
    gone = [1 - masks[name].sum() / (parameters[name] != 0).sum() for name in masks]
    assert gone[0] > 0.3 > gone[1]  # the layer of small weights loses more


def test_std_is_measured_on_the_unpruned_network():
    unpruned, parameters = three_layers(zeros=0), three_layers()
    masks = prun_mask.make_masks(parameters, 0.8, "std", unpruned)
    for name in ("W1", "W2"):
        weights = [w for row in unpruned[name] for w in row]
        mean = sum(weights) / len(weights)
        deviation = (sum((w - mean) ** 2 for w in weights) / len(weights)) ** 0.5
        assert np.array_equal(masks[name], [[abs(w) > 0.8 * deviation for w in row] for row in parameters[name]])
        assert 0 < masks[name].sum() < (parameters[name] != 0).sum()


@pytest.mark.parametrize("criterion", prun_mask.CRITERIA)
def test_a_network_without_hidden_layers_has_nothing_to_prune(criterion):
    parameters = nn.initialize_parameters((3, 1), 1)
    assert prun_mask.make_masks(parameters, 5, criterion, parameters) == {} and prun_mask.degree(parameters) == 0


def test_a_layer_that_would_be_emptied_keeps_its_strongest_connection():
    parameters, lines = three_layers(), []
    parameters["W1"][2, 3] = -9
    masks = prun_mask.make_masks(parameters, 90, report=lines.append)
    assert lines == [] and masks["W1"].sum() > 1
    masks = prun_mask.make_masks(parameters, 100, report=lines.append)
    assert lines == [f"{name} would be emptied: its last connection is kept" for name in ("W1", "W2")]
    assert masks["W1"].sum() == masks["W2"].sum() == 1 and masks["W1"][2, 3]
    assert np.abs(parameters["W2"][masks["W2"]]) == np.abs(parameters["W2"]).max()
    parameters["W2"][:] = 0
    assert not prun_mask.make_masks(parameters, 100, report=lines.append)["W2"].any()  # there is none to keep
    one = nn.initialize_parameters((20, 1, 1, 1), 1)  # of a single weight every percentile is that weight
    assert prun_mask.make_masks(one, 5)["W2"].all()


def test_ties_that_prune_much_more_than_the_amount_are_reported():
    """As in a network whose weights were quantised: |W| > threshold takes all equal ones, or none."""
    parameters, lines = three_layers(zeros=0), []
    parameters["W1"] = np.sign(parameters["W1"]) * np.where(np.arange(120).reshape(6, 20) < 70, 1, 2)
    masks = prun_mask.make_masks(parameters, 5, report=lines.append)
    assert lines == ["W1: 70 of 120 weights are pruned, not 5 %, because 70 are equal to the threshold"]
    assert np.array_equal(masks["W1"], np.abs(parameters["W1"]) == 2)
    with pytest.warns(UserWarning, match="70 are equal to the threshold"):
        prun_mask.make_masks(parameters, 5)
    prun_mask.make_masks(parameters, 50, report=lines.append)  # 58 % is not so far from 50 %
    assert len(lines) == 1


# ------------------------------------------------------------------------------------------------- masks from scores

def test_exactly_so_many_of_the_largest_scores_are_kept():
    scores = np.array([[0.5, -2, 0], [1, 0, -0.1]])  # the sign counts: no magnitudes
    assert prun_mask.keep_largest(scores, 2).tolist() == [[True, False, False], [True, False, False]]
    assert prun_mask.keep_largest(scores, 3).tolist() == [[True, False, True], [True, False, False]]  # 0: the first
    assert prun_mask.keep_largest(scores, 6).all() and prun_mask.keep_largest(-np.abs(scores), 1)[0, 2]
    equal = np.ones((4, 5))
    for number in range(1, 21):
        assert np.array_equal(prun_mask.keep_largest(equal, number), np.arange(20).reshape(4, 5) < number)
    W = np.random.RandomState(0).randn(6, 10).round(1)  # with many ties
    W[W < -1] = 0
    for number in (1, 7, 20, np.count_nonzero(W)):
        order = sorted(range(60), key=lambda i: -abs(W.flat[i]))  # which leaves equal ones in their order
        mask = prun_mask.keep_largest(np.abs(W), number, among=W != 0)
        assert mask.dtype == bool and np.flatnonzero(mask).tolist() == sorted(order[:number])
        assert np.array_equal(mask, prun_mask.keep_largest(np.abs(W), number, among=(W != 0).astype(np.uint8)))


def test_nan_scores_and_numbers_that_are_not_there_are_refused():
    W = np.array([[0.5, -2, 0], [1, 0, -0.1]])
    for number, among in ((0, None), (7, None), (-1, None), (2.5, None), (5, W != 0)):
        with pytest.raises(ValueError, match=f"connections, of which {number} cannot be kept"):
            prun_mask.keep_largest(W, number, among)
    scores = np.where(W == 1, np.nan, W)
    with pytest.raises(ValueError, match="1 of the scores are NaN"):
        prun_mask.keep_largest(scores, 2)
    assert prun_mask.keep_largest(scores, 1, among=W == 0.5)[0, 0]  # that one is pruned already
    with pytest.raises(ValueError, match=r"has shape \(3, 2\), not \(2, 3\)"):
        prun_mask.keep_largest(W, 2, among=np.ones((3, 2)))


def test_masks_of_numbers_are_those_of_bool_and_others_are_refused():
    parameters = three_layers(zeros=0)
    masks = {name: np.random.RandomState(2).rand(*parameters[name].shape) < 0.5 for name in ("W1", "W2")}
    pruned = prun_mask.apply_masks(parameters, masks)
    for name, value in parameters.items():
        assert np.array_equal(pruned[name], value * masks[name] if name in masks else value)
    assert prun_mask.degree(pruned) == sum((~mask).sum() for mask in masks.values()) / 150 * 100
    for kind in (np.uint8, int, np.float32, object):
        other = prun_mask.apply_masks(parameters, {name: mask.astype(kind) for name, mask in masks.items()})
        assert all(np.array_equal(pruned[name], other[name]) for name in pruned)
    for wrong, text in (({"W1": masks["W1"] * 0.5}, "the mask of W1 holds other values than 0 and 1"),
                        ({"W1": parameters["W1"]}, "holds other values"), ({"W2": masks["W2"] * np.nan}, "W2 holds"),
                        ({"W2": masks["W1"]}, r"the mask of W2 has shape \(6, 20\), not \(5, 6\)"),
                        ({"w1": masks["W1"]}, "a mask for 'w1'"), ({"b1": np.ones((6, 1))}, "a mask for 'b1'")):
        with pytest.raises(ValueError, match=text):
            prun_mask.apply_masks(parameters, wrong)


# -------------------------------------------------------------------------------------- neurons without connections

def assert_compact(parameters, X):
    pixels, small = prun_mask.compact(parameters)
    assert np.abs(nn.predict(X[pixels], small) - nn.predict(X, parameters)).max() <= 1e-12
    for l in range(1, len(small) // 2 + 1):
        assert small[f"W{l}"].any(axis=0).all()  # all that is left leads on
        assert l == len(small) // 2 or small[f"W{l}"].any(axis=1).all()  # and is led to
    return pixels, small


@pytest.mark.parametrize("seed", range(10))
def test_compact_network_has_the_same_outputs(seed):
    random = np.random.RandomState(seed)
    parameters = nn.initialize_parameters((25, 6, 5, 4, 3, 1), seed)
    for name, value in parameters.items():
        value *= 10 if name[0] == "W" else 1
        if name[0] == "W":
            value *= random.rand(*value.shape) < random.choice([0.15, 0.3, 0.6])
    before = {name: value.copy() for name, value in parameters.items()}
    assert_compact(parameters, random.rand(25, 40))
    assert all(np.array_equal(before[name], parameters[name]) for name in before)


def test_compact_folds_constants_and_drops_what_leads_nowhere():
    # Unit 1 of layer 1 has no input: it is ReLU(2). With it gone, unit 0 of layer 2 has none left, and is constant too.
    # Unit 2 of layer 1 leads nowhere, and so pixel 2, which leads to nothing else, is not looked at.
    parameters = {"W1": np.array([[1.0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 3, 0]]), "b1": np.array([[0.5], [2], [1]]),
                  "W2": np.array([[0, 5.0, 0], [2, -1, 0]]), "b2": np.array([[-4.0], [1]]),
                  "W3": np.array([[0.25, -0.5]]), "b3": np.array([[0.125]])}
    pixels, small = assert_compact(parameters, np.random.RandomState(0).rand(4, 9))
    expected = {"W1": [[1]], "b1": [[0.5]], "W2": [[2]], "b2": [[-1]], "W3": [[-0.5]], "b3": [[0.125 + 0.25 * 6]]}
    assert pixels.tolist() == [0] and {name: value.tolist() for name, value in small.items()} == expected


def test_compact_of_a_network_that_looks_at_nothing():
    parameters = three_layers()
    parameters["W2"][:] = 0
    pixels, small = assert_compact(parameters, np.random.RandomState(0).rand(20, 9))
    assert pixels.size == 0 and small["W3"].shape == (1, 0)


def test_dead_neurons_lose_their_connections():
    """Unit 0 of layer 1 has no input; unit 1 of layer 2 no output, and then unit 2 of layer 1 has none either."""
    masks = {"W1": np.array([[0, 0], [1, 0], [0, 1]], bool), "W2": np.array([[1, 1, 0], [0, 0, 1]], bool),
             "W3": np.array([[1, 0]], bool)}
    alive = prun_mask.without_dead_neurons(masks)
    assert {name: mask.astype(int).tolist() for name, mask in alive.items()} == {
        "W1": [[0, 0], [1, 0], [0, 0]], "W2": [[0, 1, 0], [0, 0, 0]], "W3": [[1, 0]]}
    assert masks["W2"][0, 0]  # the given ones are left as they were


def test_without_dead_neurons_is_what_compact_finds():
    random, parameters = np.random.RandomState(3), nn.initialize_parameters((20, 9, 8, 3), 1)
    for name in ("W1", "W2", "W3"):
        parameters[name] *= random.rand(*parameters[name].shape) < 0.12
    alive = prun_mask.without_dead_neurons({name: parameters[name] != 0 for name in ("W1", "W2", "W3")})
    _, small = prun_mask.compact(parameters)
    assert [int(alive[f"W{l}"].sum()) for l in (1, 2, 3)] == [np.count_nonzero(small[f"W{l}"]) for l in (1, 2, 3)]


# ----------------------------------------------------------------------------------------------- the recorded degrees

def degrees_of_39_steps(parameters):
    degrees = []
    for _ in range(39):
        parameters = prun_mask.apply_masks(parameters, prun_mask.make_masks(parameters, 5))
        degrees.append(prun_mask.degree(parameters))
    return degrees


def test_degrees_are_the_originals():
    assert degrees_of_39_steps(nn.initialize_parameters((10800, 5, 4, 3, 2, 1), 2)) == DEGREES


def test_degrees_are_the_originals_on_its_own_network(original):
    record = load_dict(original / "degree_costs.npy")["degree"]
    assert record == DEGREES
    assert degrees_of_39_steps(load_parameters(original / "parameters.npy", 10800)) == record


def test_example_shows_what_it_says():
    text = succeed("prun_mask.py")
    assert text.count("4 of 20 weights are 0") == 2  # pruned once, and again: nothing changed
    rounds = [int(row.split()[2]) for row in text.splitlines() if row.endswith("of 20")]
    assert len(rounds) == 9 and rounds[0] == 4 and rounds == sorted(set(rounds))  # each round prunes some more
    limit, smallest = (float(text.split(before)[1].split(",")[0]) for before in ("next threshold, ",
                                                                                 "smallest weight, "))
    assert limit < smallest  # and a tenth none


def test_criteria_amounts_and_weights_that_are_none_are_refused():
    parameters = three_layers()
    bad = {**parameters, "W1": np.where(parameters["W1"] == 0, np.nan, parameters["W1"])}
    for network, amount, criterion, text in (
            (parameters, 5, "precentile", "'precentile' is none of the criteria percentile, std, global"),
            (parameters, 1, "std", "needs the unpruned network"), (bad, 5, "percentile", "or a weight is NaN"),
            (parameters, np.nan, "percentile", "the amount is nan,"), (parameters, -1, "global", "the amount is -1,")):
        with pytest.raises(ValueError, match=text):
            prun_mask.make_masks(network, amount, criterion)
