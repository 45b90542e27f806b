"""The network against finite differences and formulas written out, and the descent's methods against each other."""

import numpy as np
import pytest

import nn_functions as nn
import prun_mask
from datasets.networks import load_parameters
from datasets.pictures import Data, load_data

from .conftest import ROOT

SIZES = (12, 5, 4, 3, 2, 1)
METHODS = ("textbook", "gram")


def small_network(m=7, seed=3, sizes=SIZES):
    """Random pictures and labels, and a network in which every hidden layer has units that are on."""
    random = np.random.RandomState(seed)
    X = random.rand(sizes[0], m)
    Y = (np.arange(m) % 2)[None].astype(float)
    parameters = {name: value * 4 if name[0] == "W" else value + 0.5
                  for name, value in nn.initialize_parameters(sizes, seed).items()}
    return X, Y, parameters


def small_classifier(m=7, seed=3, sizes=(12, 6, 5, 3)):
    """The same with K outputs and one-hot labels."""
    X, _, parameters = small_network(m, seed, sizes)
    return X, np.eye(sizes[-1])[np.arange(m) % sizes[-1]].T, parameters


def random_masks(parameters, kept, seed=5):
    random = np.random.RandomState(seed)
    return {name: random.rand(*parameters[name].shape) < kept for name in prun_mask.pruned_layers(parameters)}


def pruned_at_random(parameters, kept):
    """The masks, none for `kept` 1, and the parameters that they leave."""
    masks = random_masks(parameters, kept) if kept < 1 else {}
    return masks, prun_mask.apply_masks(parameters, masks)


def assert_equal(one, other, atol=1e-12):
    assert list(one) == list(other)
    assert all(np.allclose(one[name], other[name], rtol=0, atol=atol) for name in one)


def numerical_gradients(cost, parameters, step=1e-5):
    """The gradients of a cost by finite differences, number by number."""
    gradients = {name: np.zeros_like(value) for name, value in parameters.items()}
    for name, value in parameters.items():
        for index in np.ndindex(value.shape):
            kept, costs = value[index], []
            for value[index] in (kept + step, kept - step):
                costs.append(cost(parameters))
            value[index] = kept
            gradients[name][index] = (costs[0] - costs[1]) / (2 * step)
    return gradients


def formula_cost(X, Y, parameters):
    """The integral of the gradient that the network uses: like its cost, but with 1e-5 beside both logarithms.

    Written out unit by unit, so that it shares nothing with the network's own forward propagation.
    """
    L, total = len(parameters) // 2, 0
    for x, y in zip(X.T, Y[0]):
        values = list(x)
        for l in range(1, L + 1):
            W, b = parameters[f"W{l}"], parameters[f"b{l}"]
            sums = [sum(w * value for w, value in zip(row, values)) + bias for row, bias in zip(W, b[:, 0])]
            values = [max(0, z) if l < L else 1 / (1 + np.exp(-z)) for z in sums]
        total -= y * np.log(values[0] + 1e-5) + (1 - y) * np.log(1 - values[0] + 1e-5)
    return total / Y.size


# ------------------------------------------------------------------------------------------------------ the network

def test_predict_is_the_formula_unit_by_unit():
    X, _, parameters = small_network()
    for k, probability in enumerate(nn.predict(X, parameters)[0]):
        cost = formula_cost(X[:, k:k + 1], np.ones((1, 1)), parameters)
        assert probability == pytest.approx(np.exp(-cost) - 1e-5, rel=1e-12)


def test_cost_is_the_original_formula_and_finite_at_the_ends():
    AL = np.array([[0.2, 0.7], [0.4, 0.1]])
    expected = [-(np.log(0.2) + np.log(1 - 0.7 + 1e-5)) / 2, -(np.log(0.4) + np.log(1 - 0.1 + 1e-5)) / 2]
    for row, cost in zip(AL, expected):
        assert nn.compute_cost(row[None], np.array([[1, 0]])) == pytest.approx(cost, rel=1e-15)
    assert nn.compute_cost(np.array([[0.0, 1.0]]), np.array([[0, 1]])) == pytest.approx(-np.log(1 + 1e-5) / 2, rel=1e-9)
    assert nn.compute_cost(np.array([[1e-300]]), np.array([[1]])) == -np.log(1e-300)
    assert np.isfinite(nn.compute_cost(np.array([[0.0, 1.0]]), np.array([[1, 0]])))


def test_softmax_and_cross_entropy_are_the_formulas():
    X, Y, parameters = small_classifier()
    A = X
    for l in (1, 2, 3):
        Z = parameters[f"W{l}"] @ A + parameters[f"b{l}"]
        A = np.maximum(Z, 0) if l < 3 else np.exp(Z) / np.exp(Z).sum(axis=0)
    AL = nn.predict(X, parameters)
    assert AL.shape == (3, 7) and np.allclose(AL, A, rtol=1e-12)
    assert nn.compute_cost(AL, Y) == pytest.approx(-np.log(A.T[Y.T == 1]).mean(), rel=1e-12)
    assert nn.softmax(np.array([[1000.0], [999.0]]))[:, 0] == pytest.approx([1 / (1 + np.exp(-1)), 1 / (1 + np.e)])
    assert np.isfinite(nn.compute_cost(np.array([[0.0], [1.0]]), np.array([[1.0], [0.0]])))


def test_accuracy_counts_a_half_as_no_car_and_of_classes_the_largest():
    assert nn.accuracy(np.array([[0.5, 0.51, 0.2, 0.9]]), np.array([[0, 1, 1, 0]])) == 50
    AL = np.array([[0.4, 0.1, 0.2], [0.3, 0.6, 0.3], [0.3, 0.3, 0.5]])
    assert nn.accuracy(AL, np.eye(3)) == 100 and nn.accuracy(AL, np.eye(3)[[1, 0, 2]]) == pytest.approx(100 / 3)


@pytest.mark.filterwarnings("error")
def test_outputs_far_out_are_0_and_1_without_a_warning():
    parameters = {"W1": np.ones((1, 1)), "b1": np.zeros((1, 1))}
    assert np.array_equal(nn.predict(np.array([[-1e4, 0, 1e4]]), parameters), [[0, 0.5, 1]])


def test_initialisation_draws_in_the_documented_order():
    parameters = nn.initialize_parameters((3, 2, 1), 1)
    random = np.random.RandomState(1)
    for name, shape in (("W1", (2, 3)), ("b1", (2, 1)), ("W2", (1, 2)), ("b2", (1, 1))):
        expected = random.randn(*shape) * (0.098 if name[0] == "W" else 1)
        assert np.array_equal(parameters[name], expected)


# ------------------------------------------------------------------------------------------------ what is refused

TAKE_LABELS = {
    "gradients": nn.gradients,
    "gradient_descent": lambda X, Y, parameters: nn.gradient_descent(X, Y, parameters, 0.1, 1),
    "minibatch_descent": lambda X, Y, parameters: nn.minibatch_descent(X, Y, parameters, 0.1, 1, batch=3),
    "evaluate, training": lambda X, Y, parameters: nn.evaluate(Data(X, Y, X, np.ones(Y.shape)), parameters),
    "evaluate, test": lambda X, Y, parameters: nn.evaluate(Data(X, np.ones(Y.shape), X, Y), parameters)}


@pytest.mark.parametrize("name", TAKE_LABELS)
def test_labels_that_are_none_are_refused_by_every_function(name):
    X, Y, parameters = small_network(12)
    call = TAKE_LABELS[name]
    for other, text in ((2 * Y - 1, "Y holds -1.0;"), (Y + 1, "Y holds 2.0;"), (np.arange(12)[None], "Y holds 2, 3, "),
                        ((255 * Y).astype(np.uint8), "Y holds 255;"), (np.where(np.arange(12) == 3, np.nan, Y), "nan"),
                        (Y[0], r"Y has shape \(12,\), not \(1, 12\)"), (Y.T, r"Y has shape \(12, 1\)")):
        with pytest.raises(ValueError, match=text):
            call(X, other, parameters)
    for value in (np.nan, np.inf):
        with pytest.raises(ValueError, match="X holds NaN or infinity"):
            call(np.where(np.arange(12) == 3, value, X), Y, parameters)
    with pytest.raises(ValueError, match=r"X has shape \(12, 12, 1\), not \(12, m\)"):
        call(X[..., None], Y, parameters)
    X, Y, parameters = small_classifier(12)
    if "evaluate" not in name:  # which is given ones here
        call(X, Y, parameters)
    for other in (np.ones(Y.shape), np.zeros(Y.shape), Y * (np.arange(12) != 5)):
        with pytest.raises(ValueError, match="Y has a column without a 1, or with several"):
            call(X, other, parameters)


DESCENTS = (nn.gradient_descent, lambda *arguments, **named: nn.minibatch_descent(*arguments, batch=3, **named))


@pytest.mark.parametrize("descend", DESCENTS)
def test_masks_and_rates_that_do_not_fit_are_refused_and_numbers_that_go_bad_stop_it(descend):
    X, Y, parameters = small_network()
    for masks, text in ((random_masks(parameters, 0.5), "W1 has weights outside its mask that are not 0: apply"),
                        ({"W1": np.ones((5, 11))}, r"the mask of W1 has shape \(5, 11\), not \(5, 12\)"),
                        ({"w1": np.ones((5, 12))}, "there is a mask for 'w1'"),
                        ({"W1": np.full((5, 12), 0.5)}, "the mask of W1 holds other values than 0 and 1")):
        with pytest.raises(ValueError, match=text):
            descend(X, Y, parameters, 0.1, 1, masks)
    for rate, text in ((np.ones(4), r"learning_rate has shape \(4,\) for 5 iterations"), (-0.1, "a number below 0"),
                       (np.nan, "learning_rate holds NaN")):
        with pytest.raises(ValueError, match=text):
            descend(X, Y, parameters, rate, 5)
    with pytest.raises(ValueError, match="l2 of 20 is too large for a learning rate of 0.05"):
        descend(X, Y, parameters, 0.05, 2, l2=20)
    with pytest.raises(FloatingPointError, match="the cost is nan at iteration"):
        descend(X, Y, parameters, 1e200, 250)
    with pytest.raises(FloatingPointError, match="holds NaN or infinity in the end"):
        descend(1e3 * X, Y, parameters, 1e308, 1)


def test_batches_that_end_early_are_refused():
    X, Y, parameters = small_network()
    with pytest.raises(ValueError, match="the batches end after 3 of 5 iterations"):
        nn.descend(nn.dense_layers(parameters), [(X, Y)] * 3, [0.1] * 5)


# --------------------------------------------------------------------------------------------------------- gradients

@pytest.mark.parametrize("kept", [1, 0.8])
@pytest.mark.parametrize("method, l1, l2", [("textbook", 0, 0), ("textbook", 0.1, 0.2), ("gram", 0, 0.2)])
def test_gradient_matches_finite_differences(method, l1, l2, kept):
    X, Y, parameters = small_network()
    masks, parameters = pruned_at_random(parameters, kept)

    def penalty(parameters):
        return sum(l1 * abs(w) + l2 / 2 * w**2
                   for name, value in parameters.items() if name[0] == "W" for w in value.flat)

    after, costs = nn.gradient_descent(X, Y, parameters, 1, 1, masks, method=method, l1=l1, l2=l2)  # of rate 1
    assert costs[0] == pytest.approx(nn.compute_cost(nn.predict(X, parameters), Y) + penalty(parameters), rel=1e-12)
    expected = numerical_gradients(lambda changed: formula_cost(X, Y, changed) + penalty(changed), parameters)
    expected |= {name: expected[name] * mask for name, mask in masks.items()}
    assert all(np.any(value) for value in expected.values())
    assert_equal({name: value - after[name] for name, value in parameters.items()}, expected, 1e-8)


@pytest.mark.parametrize("outputs", [1, 3])
def test_gradients_are_finite_differences_of_the_cost_and_change_nothing(outputs):
    X, Y, parameters = small_network() if outputs == 1 else small_classifier()
    before = {name: value.copy() for name, value in parameters.items()}
    gradients = nn.gradients(X, Y, parameters)
    assert_equal(before, parameters, atol=0)
    expected = numerical_gradients(lambda changed: formula_cost(X, Y, changed) if outputs == 1 else
                                   nn.compute_cost(nn.predict(X, changed), Y), parameters)
    assert_equal(gradients, expected, atol=1e-8)
    trained, _ = nn.gradient_descent(X, Y, parameters, 0.3, 1, method="textbook")
    assert_equal(trained, {name: value - 0.3 * gradients[name] for name, value in parameters.items()}, atol=0)


@pytest.mark.parametrize("settings", [{"l1": 0.1}, {"l2": 0.2, "dropout": (0.4, 0.2)}])
@pytest.mark.parametrize("kept", [1, 0.7])
def test_minibatch_gradient_matches_finite_differences(settings, kept):
    """One step of the gradient's own length, with all pictures and a fixed seed of dropout."""
    X, Y, parameters = small_classifier()
    masks, parameters = pruned_at_random(parameters, kept)

    def descend(start, rate):
        return nn.minibatch_descent(X, Y, start, rate, 1, masks, batch=7, seed=4, **settings)

    after, _ = descend(parameters, 1)

    def cost(changed):
        return descend(prun_mask.apply_masks(changed, masks), 0)[1][0]

    step = {name: value - after[name] for name, value in parameters.items()}
    assert all(np.any(value) for value in step.values())
    assert_equal(step, numerical_gradients(cost, parameters), 1e-7)


# ---------------------------------------------------------------------------------------------------- full batch

@pytest.mark.parametrize("method", METHODS)
def test_descent_lowers_the_cost_and_leaves_its_input_alone(method):
    X, Y, parameters = small_network()
    X[0] = Y  # something to learn
    before, seen = {name: value.copy() for name, value in parameters.items()}, []
    trained, costs = nn.gradient_descent(X, Y, parameters, 0.1, 2050, progress=lambda *now: seen.append(now),
                                         method=method)
    assert_equal(before, parameters, atol=0)
    assert costs[0] == pytest.approx(nn.compute_cost(nn.predict(X, parameters), Y), abs=1e-15)
    assert nn.compute_cost(nn.predict(X, trained), Y) <= costs[-1] < costs[0] / 2
    assert len(costs) == 2050 and seen[-1] == (50, costs[-1]) and seen[0] == (100, costs[99])
    assert sum(number for number, _ in seen) == 2050
    half = {name: value.astype(np.float16) for name, value in parameters.items()}
    trained, _ = nn.gradient_descent(X, Y, half, 0.1, 3, method=method)
    assert {value.dtype for value in trained.values()} == {half["W1"].dtype}


@pytest.mark.parametrize("kept", [1, 0.7])
@pytest.mark.parametrize("m, sizes, l2", [  # with more pictures than pixels, too, and at other depths
    (1, SIZES, 0), (7, (3, *SIZES[1:]), 0), (40, SIZES, 0.03), (200, (900, *SIZES[1:]), 0), (7, (12, 3, 1), 0.03),
    (7, (12, 6, 5, 4, 3, 2, 1), 0)])
def test_methods_agree(m, sizes, l2, kept):
    X, Y, parameters = small_network(m, sizes=sizes)
    parameters["b1"][0] = -100  # a dead unit, off for every picture
    masks, start = pruned_at_random(parameters, kept)
    (one, costs), (other, others) = (nn.gradient_descent(X, Y, start, 0.02, 250, masks, l2=l2, method=method)
                                     for method in METHODS)
    assert np.allclose(costs, others, rtol=0, atol=1e-13)
    assert_equal(one, other, 1e-13)
    is_same = np.all(other["W1"] == start["W1"], axis=1)
    assert is_same[0] == (l2 == 0) and not is_same[1:].all()


def test_methods_agree_through_a_whole_pruning_run():
    """39 steps on the data set, each method on its own: the costs agree, and so do the masks."""
    X, Y, *_ = load_data(ROOT / "datasets" / "carvnocar.h5")
    start = load_parameters(ROOT / "datasets" / "parameters.npy", 10800)
    networks, gram = {method: start for method in METHODS}, nn.GramMatrices(X)
    for _ in range(39):
        costs = {}
        for method, parameters in networks.items():
            masks = prun_mask.make_masks(parameters, 5)
            networks[method], costs[method] = nn.gradient_descent(
                X, Y, prun_mask.apply_masks(parameters, masks), 0.005, 4, masks, method=method, gram=gram)
        assert np.allclose(costs["textbook"], costs["gram"], rtol=0, atol=1e-12)
    assert_equal(networks["textbook"], networks["gram"])
    assert all(np.array_equal(value == 0, networks["gram"][name] == 0) for name, value in networks["textbook"].items())


def test_gram_matrices_are_carried_on_from_mask_to_mask():
    X, _, _ = small_network(m=6)
    gram = nn.GramMatrices(X)
    dense = gram.update_mask(None)
    assert np.allclose(dense, X.T @ X, rtol=0, atol=1e-14)
    mask = np.ones((5, 12), bool)
    # A few pixels removed, most of the rest removed at once, all of a unit's, and some put back; in one array, as a
    # caller may have.
    for change in (np.s_[:, 3], np.s_[1:3, :10], np.s_[4], np.s_[1, 2:6]):
        mask[change] = ~mask[change]
        expected = np.array([X[row].T @ X[row] for row in mask])
        assert np.allclose(gram.update_mask(mask), expected, rtol=0, atol=1e-13)
    assert np.array_equal(gram.update_mask(None), dense)
    for units in (1, 5, 3):  # of networks with other layers
        masks = np.random.RandomState(units).rand(units, 12) < 0.5
        assert np.allclose(gram.update_mask(masks), [X[row].T @ X[row] for row in masks], rtol=0, atol=1e-13)


def test_the_method_with_fewer_multiply_adds_is_chosen():
    def method(n_x, m, iterations, is_masked=False, l1=0):
        return nn.cheaper_method((n_x, m), 5, is_masked, iterations, l1)

    assert method(10800, 181, 4000) == method(10800, 181, 220, True) == method(10800, 5000, 40000) == "gram"
    assert method(10800, 181, 1) == method(10800, 5000, 400) == "textbook"  # not worth computing the matrices
    assert method(10800, 20000, 40000) == method(10800, 5000, 40000, True) == "textbook"  # they are too large
    assert method(10800, 181, 4000, l1=0.1) == "textbook"
    X, Y, parameters = small_network()
    for settings, text in (({"method": "gram", "l1": 0.1}, "only the method .textbook."),
                           ({"gram": nn.GramMatrices(X[:, ::-1])}, "gram is of other pictures than X")):
        with pytest.raises(ValueError, match=text):
            nn.gradient_descent(X, Y, parameters, 0.05, 2, **settings)
    gram = nn.GramMatrices(X)
    X[0] += 1  # the same array, filled anew
    with pytest.raises(ValueError, match="gram is of other pictures than X"):
        nn.gradient_descent(X, Y, parameters, 0.05, 2, gram=gram)


# ------------------------------------------------------------------------------------------------------ mini-batches

def written_out(X, Y, parameters, rates, batches, momentum=0, l2=0, masks=None):
    """Descent as one would write it on a blackboard; batches : the indices of each iteration's pictures."""
    p = {name: value.copy() for name, value in parameters.items()}
    V = {name: np.zeros_like(value) for name, value in p.items()}
    for rate, drawn in zip(rates, batches):
        A = [X[:, drawn]]
        for l in (1, 2, 3):
            Z = p[f"W{l}"] @ A[-1] + p[f"b{l}"]
            A.append(np.maximum(Z, 0) if l < 3 else np.exp(Z) / np.exp(Z).sum(axis=0))
        dZ = (A[3] - Y[:, drawn]) / len(drawn)
        gradients = {}
        for l in (3, 2, 1):
            gradients[f"W{l}"] = dZ @ A[l - 1].T + l2 * p[f"W{l}"]
            gradients[f"b{l}"] = dZ.sum(axis=1, keepdims=True)
            dZ = (p[f"W{l}"].T @ dZ) * (A[l - 1] > 0)
        for name in p:
            V[name] = momentum * V[name] - rate * gradients[name]
            p[name] = p[name] + V[name]
        for name, mask in (masks or {}).items():
            p[name] = p[name] * mask
    return p


def orders(m, batch, seed, step=0):
    """The indices of the pictures of each iteration, epoch after epoch."""
    random = np.random.default_rng([step, seed])
    while True:
        order = random.permutation(m)
        yield from (order[i:i + batch] for i in range(0, m, batch))


def test_descent_with_a_rate_for_each_iteration_is_the_blackboards():
    X, Y, parameters = small_classifier(m=11)
    rates = nn.half_cosine(0.1, 20)
    assert rates[0] == 0.1 and rates[10] == pytest.approx(0.05) and 0 < rates[-1] < 0.001
    for method in METHODS:
        trained, _ = nn.gradient_descent(X, Y, parameters, rates, 20, l2=0.01, method=method)
        assert_equal(trained, written_out(X, Y, parameters, rates, [range(11)] * 20, l2=0.01))
    trained, costs = nn.minibatch_descent(X, Y, parameters, rates, 20, batch=4, momentum=0.9, l2=0.01, seed=6, step=2)
    assert_equal(trained, written_out(X, Y, parameters, rates, orders(11, 4, 6, 2), 0.9, 0.01))
    assert costs.shape == (20,) and nn.gradient_descent(X, Y, parameters, 0.1, 0)[1].shape == (0,)


@pytest.mark.parametrize("kept", [0.1, 0.6])
def test_masked_minibatches_leave_what_is_pruned_and_train_the_rest(kept):
    """Pixels and units without connections are left out."""
    X, Y, parameters = small_classifier(m=40, sizes=(30, 12, 8, 3))
    masks = random_masks(parameters, kept)
    masks["W1"][:, :10] = False
    parameters = prun_mask.apply_masks(parameters, masks)
    trained, _ = nn.minibatch_descent(X, Y, parameters, 0.05, 9, masks, batch=10, momentum=0.9, l2=0.01, seed=1)
    assert_equal(trained, written_out(X, Y, parameters, [0.05] * 9, orders(40, 10, 1), 0.9, 0.01, masks))
    for name, mask in masks.items():
        assert (trained[name][~mask] == 0).all() and not np.array_equal(trained[name], parameters[name])


def test_calls_without_a_seed_go_on_to_other_pictures():
    """A pixel that only one picture has: its weight tells whether the picture was seen."""
    X, Y = np.eye(400), np.arange(400)[None] % 2
    start = parameters = {"W1": np.ones((1, 400)), "b1": np.ones((1, 1)), "W2": np.full((1, 1), 0.1),
                          "b2": np.zeros((1, 1))}
    for _ in range(20):  # of 80 pictures each, a fifth
        parameters, _ = nn.minibatch_descent(X, Y, parameters, 0.05, 4, batch=20)
    assert np.mean(parameters["W1"] != start["W1"]) > 0.97
    again = [nn.minibatch_descent(X, Y, start, 0.05, 4, batch=20)[0] for _ in range(2)]
    assert_equal(*again, atol=0)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_pictures_of_uint8_are_divided_by_255(dtype):
    X, Y, parameters = small_classifier(m=30)
    pixels = np.round(X * 255).astype(np.uint8)
    parameters = {name: value.astype(dtype) for name, value in parameters.items()}
    for descend in DESCENTS if dtype is np.float64 else DESCENTS[1:]:
        trained, costs = descend(pixels, Y, parameters, 0.05, 12)
        same, others = descend(pixels / dtype(255), Y, parameters, 0.05, 12)
        assert {value.dtype for value in trained.values()} == {np.dtype(dtype)}
        assert np.array_equal(costs, others)
        assert_equal(trained, same, atol=0)
        assert np.array_equal(nn.predict(pixels, trained), nn.predict(pixels / dtype(255), trained))


def test_dropout_drops_its_fraction_and_keeps_the_mean():
    for units, rate in ((200, 0.5), (100, 0.2)):
        layer = nn.Dropout(rate, np.random.default_rng(1))
        A = layer.forward(np.ones((units, 1000)))
        assert (A == 0).mean() == pytest.approx(rate, abs=0.01) and set(np.unique(A)) == {0, 1 / (1 - rate)}
        assert A.mean() == pytest.approx(1, abs=0.01) and np.array_equal(layer.backward(np.ones((units, 1000))), A)


def test_dropout_falls_with_the_square_root_of_the_connections_that_are_left():
    parameters = nn.initialize_parameters((10, 8, 4, 1), 1)
    masks = {"W1": np.arange(80).reshape(8, 10) < 20, "W2": np.ones((4, 8), bool)}
    assert nn.dropout_rates(0.4, parameters, masks) == pytest.approx([0.2, 0.4])
    assert nn.dropout_rates((0.4, 0.1), parameters, {}) == pytest.approx([0.4, 0.1])
    X, Y, parameters = small_classifier()
    masks, parameters = pruned_at_random(parameters, 0.5)
    reduced, expected, whole = (
        nn.minibatch_descent(X, Y, parameters, 0.1, 3, masks, batch=4, dropout=dropout, seed=1, **more)[0]
        for dropout, more in ((0.4, {}), (nn.dropout_rates(0.4, parameters, masks), {"adjust_dropout": False}),
                              (0.4, {"adjust_dropout": False})))
    assert_equal(reduced, expected, atol=0)
    assert not np.array_equal(reduced["W2"], whole["W2"])


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint16])
def test_pictures_of_any_type_of_number_train_alike_in_both_forms(dtype):
    random = np.random.RandomState(0)
    X, Y = random.randint(0, 2, (300, 20)).astype(dtype), np.arange(20)[None] % 2
    start = nn.initialize_parameters((300, 4, 1), 1, "he")
    costs = [nn.gradient_descent(X, Y, start, 0.05, 50, method=method)[1] for method in ("gram", "textbook")]
    assert np.allclose(*costs, rtol=0, atol=1e-12)
    assert np.array_equal(costs[1], nn.gradient_descent(X.astype(float), Y, start, 0.05, 50, method="textbook")[1])


@pytest.mark.parametrize("name, value", [("l1", -1), ("l2", -1), ("momentum", 1.5), ("dropout", 1), ("l1", np.nan)])
def test_settings_out_of_range_are_refused(name, value):
    X, Y, parameters = small_network()
    with pytest.raises(ValueError, match=f"^{name} is {value};"):
        nn.minibatch_descent(X, Y, parameters, 0.05, 5, batch=4, **{name: value})
