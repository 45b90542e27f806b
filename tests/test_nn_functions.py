"""The network against finite differences and formulas written out, and the descent's methods against each other."""

import numpy as np
import pytest

import nn_functions as nn
import prun_mask
from datasets.networks import load_parameters
from datasets.pictures import load_data

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


def random_masks(parameters, share, seed=5):
    random = np.random.RandomState(seed)
    return {name: random.rand(*parameters[name].shape) < share for name in prun_mask.pruned_layers(parameters)}


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


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("masked", [False, True])
def test_gradient_matches_finite_differences(method, masked):
    X, Y, parameters = small_network()
    masks = random_masks(parameters, 0.8) if masked else {}
    parameters = prun_mask.apply_masks(parameters, masks)
    after, _ = nn.gradient_descent(X, Y, parameters, 1, 1, masks,
                                   method=method)  # one step of the gradient's own length
    step = 1e-5
    for name, value in parameters.items():
        gradient = value - after[name]
        assert np.any(gradient), name
        for index in np.ndindex(value.shape):
            kept = value[index]
            value[index] = kept + step
            above = formula_cost(X, Y, parameters)
            value[index] = kept - step
            below = formula_cost(X, Y, parameters)
            value[index] = kept
            pruned = name in masks and not masks[name][index]
            expected = 0 if pruned else (above - below) / (2 * step)
            assert gradient[index] == pytest.approx(expected, abs=1e-8), (name, index)


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


@pytest.mark.parametrize("method", METHODS)
def test_descent_lowers_the_cost_and_leaves_its_input_alone(method):
    X, Y, parameters = small_network()
    X[0] = Y  # something to learn
    before = {name: value.copy() for name, value in parameters.items()}
    seen = []
    trained, costs = nn.gradient_descent(X, Y, parameters, 0.1, 2050, progress=lambda *now: seen.append(now),
                                         method=method)
    assert all(np.array_equal(before[name], parameters[name]) for name in parameters)
    assert list(trained) == list(parameters)
    assert costs[0] == pytest.approx(nn.compute_cost(nn.predict(X, parameters), Y), abs=1e-15)
    assert nn.compute_cost(nn.predict(X, trained), Y) <= costs[-1] < costs[0] / 2
    assert len(costs) == 2050 and seen[-1] == (50, costs[-1]) and seen[0] == (100, costs[99])
    assert sum(number for number, _ in seen) == 2050


def assert_methods_agree(X, Y, parameters, learning_rate, iterations, masks=None, gram=None):
    """Both methods from the same start: the costs agree to 1e-9 and the weights to 1e-8. Returns the new parameters."""
    textbook, gram_form = (
        nn.gradient_descent(X, Y, parameters, learning_rate, iterations, masks, gram=gram,
                            method=method) for method in METHODS)
    assert np.abs(textbook[1] - gram_form[1]).max() < 1e-9
    for name, value in textbook[0].items():
        assert np.abs(value - gram_form[0][name]).max() < 1e-8
        if masks and name in masks:
            assert not value[~masks[name]].any() and not gram_form[0][name][~masks[name]].any()
    return gram_form[0]


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("m, n_x",
                         [(1, 12), (2, 3), (7, 12), (40, 12), (200, 900)])  # with more pictures than pixels, too
def test_methods_agree_on_random_data(m, n_x, masked):
    X, Y, parameters = small_network(m, sizes=(n_x, *SIZES[1:]))
    masks = random_masks(parameters, 0.7) if masked else None
    start = prun_mask.apply_masks(parameters, masks or {})
    after = assert_methods_agree(X, Y, start, 0.01, 250, masks)
    assert not np.array_equal(after["W1"], start["W1"])


@pytest.mark.parametrize("masked", [False, True])
def test_methods_agree_with_dead_units(masked):
    X, Y, parameters = small_network()
    parameters["b1"][:2] = -100  # units 0 and 1 of layer 1 are off for every picture
    parameters["b3"][1] = -100
    masks = random_masks(parameters, 0.7) if masked else None
    start = prun_mask.apply_masks(parameters, masks or {})
    after = assert_methods_agree(X, Y, start, 0.05, 250, masks)
    assert np.array_equal(after["W1"][:2], start["W1"][:2]) and not np.array_equal(after["W1"][2:], start["W1"][2:])


@pytest.mark.parametrize("sizes", [(12, 1), (12, 3, 1), (12, 6, 5, 4, 3, 2, 1)])
def test_methods_agree_at_other_depths(sizes):
    assert_methods_agree(*small_network(sizes=sizes), 0.05, 250)


def test_methods_agree_on_the_data_set():
    X, Y, *_ = load_data(ROOT / "datasets" / "carvnocar.h5")
    assert_methods_agree(X, Y, nn.initialize_parameters((10800, 5, 4, 3, 2, 1), 1), 0.0035, 150)
    parameters = load_parameters(ROOT / "datasets" / "parameters.npy", 10800)
    gram = nn.GramMatrices(X)
    for _ in range(4):
        masks = prun_mask.make_masks(parameters, 5)
        parameters = assert_methods_agree(X, Y, prun_mask.apply_masks(parameters, masks), 0.005, 20, masks, gram)


def assert_penalty_has_its_gradient(method, l1, l2, masks, parameters, X, Y):
    """What the penalty changes in one step of the gradient's own length is its gradient, by finite differences."""

    def penalty(parameters):
        total = 0
        for name, value in parameters.items():
            if name[0] == "W":
                total += sum(l1 * abs(w) + l2 / 2 * w**2 for w in value.flat)
        return total

    plain, plain_costs = nn.gradient_descent(X, Y, parameters, 1, 1, masks, method=method)
    held, costs = nn.gradient_descent(X, Y, parameters, 1, 1, masks, method=method, l1=l1, l2=l2)
    assert costs[0] - plain_costs[0] == pytest.approx(penalty(parameters), rel=1e-12)
    step = 1e-6
    for name, value in parameters.items():
        for index in np.ndindex(value.shape):
            kept = value[index]
            value[index] = kept + step
            above = penalty(parameters)
            value[index] = kept - step
            below = penalty(parameters)
            value[index] = kept
            expected = (above - below) / (2 * step)
            assert plain[name][index] - held[name][index] == pytest.approx(expected, abs=1e-8), (name, index)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("method, l1, l2", [("textbook", 0.3, 0), ("textbook", 0, 0.2), ("textbook", 0.1, 0.2),
                                         ("gram", 0, 0.2)])
def test_regularisation_matches_finite_differences(method, l1, l2, masked):
    X, Y, parameters = small_network()
    masks = random_masks(parameters, 0.8) if masked else {}
    assert_penalty_has_its_gradient(method, l1, l2, masks, prun_mask.apply_masks(parameters, masks), X, Y)


@pytest.mark.parametrize("masked", [False, True])
def test_methods_agree_with_l2(masked):
    X, Y, parameters = small_network(40)
    masks = random_masks(parameters, 0.7) if masked else None
    start = prun_mask.apply_masks(parameters, masks or {})
    textbook, gram_form = (nn.gradient_descent(X, Y, start, 0.05, 500, masks, method=method,
                                                  l2=0.03) for method in METHODS)
    assert np.abs(textbook[1] - gram_form[1]).max() < 1e-9
    assert all(np.abs(textbook[0][name] - gram_form[0][name]).max() < 1e-8 for name in start)
    plain, _ = nn.gradient_descent(X, Y, start, 0.05, 500, masks)
    for name in ("W1", "W2"):
        assert np.square(textbook[0][name]).sum() < np.square(plain[name]).sum()


def test_l1_leaves_pruned_weights_at_0_and_takes_the_textbook_method():
    X, Y, parameters = small_network(40)
    masks = random_masks(parameters, 0.7)
    start = prun_mask.apply_masks(parameters, masks)
    held, costs = nn.gradient_descent(X, Y, start, 0.05, 200, masks, l1=0.01)
    expected, _ = nn.gradient_descent(X, Y, start, 0.05, 200, masks, l1=0.01, method="textbook")
    assert all(np.array_equal(held[name], expected[name]) for name in held) and costs[-1] < costs[0]
    assert all((held[name][~mask] == 0).all() for name, mask in masks.items())
    with pytest.raises(ValueError, match="only the method .textbook."):
        nn.gradient_descent(X, Y, start, 0.05, 2, masks, l1=0.01, method="gram")
    with pytest.raises(ValueError, match="l2 of 20 is too large for a learning rate of 0.05"):
        nn.gradient_descent(X, Y, start, 0.05, 2, masks, l2=20)
    gram = nn.GramMatrices(np.broadcast_to(0.0, (10800, 181)))
    assert nn.cheaper_method(gram, 5, None, 4000, 0.1) == "textbook" and nn.cheaper_method(gram, 5, None,
                                                                                           4000) == "gram"


def test_gram_matrices_are_carried_on_from_mask_to_mask():
    X, _, parameters = small_network(m=6)
    gram = nn.GramMatrices(X)
    dense = gram.update_mask(None)
    assert np.allclose(dense, X.T @ X, rtol=0, atol=1e-14)
    mask = np.ones((5, 12), bool)
    # A few pixels removed, most of the rest removed at once, all of a unit's, and some put back.
    for change in (np.s_[:, 3], np.s_[1:3, :10], np.s_[4], np.s_[1, 2:6]):
        mask = mask.copy()
        mask[change] = ~mask[change]
        expected = np.array([X[row].T @ X[row] for row in mask])
        assert gram.multiply_adds(mask) <= mask.sum() * 36
        assert np.allclose(gram.update_mask(mask), expected, rtol=0, atol=1e-13)
        assert gram.multiply_adds(mask) == 0
    assert np.array_equal(gram.update_mask(None), dense)


def test_the_method_with_fewer_multiply_adds_is_chosen():
    def method(n_x, m, iterations, masks=None):
        return nn.cheaper_method(nn.GramMatrices(np.broadcast_to(0.0, (n_x, m))), 5, masks, iterations)

    mask = np.ones((5, 10800), bool)
    mask[:, ::20] = False
    assert method(10800, 181, 4000) == method(10800, 181, 220, mask) == method(10800, 5000, 40000) == "gram"
    assert method(10800, 181, 1) == method(10800, 5000, 400) == "textbook"  # not worth computing the matrices
    assert method(10800, 20000, 40000) == method(10800, 5000, 40000, mask) == "textbook"  # they are too large


def test_accuracy_counts_a_half_as_no_car():
    assert nn.accuracy(np.array([[0.5, 0.51, 0.2, 0.9]]), np.array([[0, 1, 1, 0]])) == 50


# ------------------------------------------------------------------------------------------- K outputs, mini-batches

def small_classifier(m=7, seed=3, sizes=(12, 6, 5, 3)):
    """Random pictures, one-hot labels, and a network of K outputs in which every hidden layer has units that are on."""
    X, _, parameters = small_network(m, seed, sizes)
    return X, np.eye(sizes[-1])[np.arange(m) % sizes[-1]].T, parameters


def test_softmax_and_cross_entropy_are_the_formulas():
    X, Y, parameters = small_classifier()
    A = X
    for l in (1, 2, 3):
        Z = parameters[f"W{l}"] @ A + parameters[f"b{l}"]
        A = np.maximum(Z, 0) if l < 3 else np.exp(Z) / np.exp(Z).sum(axis=0)
    AL = nn.predict(X, parameters)
    assert AL.shape == (3, 7) and np.allclose(AL, A, rtol=1e-12)
    chosen = AL[Y == 1]
    assert nn.compute_cost(AL, Y) == pytest.approx(-np.log(A.T[Y.T == 1]).mean(), rel=1e-12) and chosen.size == 7
    assert nn.accuracy(AL, Y) == 100 * np.mean([AL[:, k].argmax() == Y[:, k].argmax() for k in range(7)])
    assert nn.softmax(np.array([[1000.0], [999.0]]))[:, 0] == pytest.approx([1 / (1 + np.exp(-1)), 1 / (1 + np.e)])
    assert np.isfinite(nn.compute_cost(np.array([[0.0], [1.0]]), np.array([[1.0], [0.0]])))


@pytest.mark.parametrize("settings", [{}, {"l2": 0.3}, {"l1": 0.1}, {"dropout": (0.4, 0.2)},
                                      {"l2": 0.2, "dropout": 0.3}])
@pytest.mark.parametrize("masked", [False, True])
def test_minibatch_gradient_matches_finite_differences(settings, masked):
    """One step of the gradient's own length, with all pictures and a fixed draw of dropout."""
    X, Y, parameters = small_classifier()
    masks = random_masks(parameters, 0.7) if masked else {}
    parameters = prun_mask.apply_masks(parameters, masks)

    def descend(start, rate):
        return nn.minibatch_descent(X, Y, start, rate, 1, masks, batch=7, seed=4, **settings)

    after, _ = descend(parameters, 1)
    step = 1e-6
    for name, value in parameters.items():
        assert np.any(value != after[name]), name
        for index in np.ndindex(value.shape):
            if name in masks and not masks[name][index]:
                assert after[name][index] == 0
                continue
            kept = value[index]
            value[index] = kept + step
            above = descend(parameters, 1e-9)[1][0]
            value[index] = kept - step
            below = descend(parameters, 1e-9)[1][0]
            value[index] = kept
            expected = (above - below) / (2 * step)
            assert kept - after[name][index] == pytest.approx(expected, abs=1e-7), (name, index)


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("masked", [False, True])
def test_minibatches_of_all_pictures_are_the_full_batch_descent(outputs, masked):
    X, Y, parameters = small_network() if outputs == 1 else small_classifier()
    masks = random_masks(parameters, 0.2) if masked else {}
    parameters = prun_mask.apply_masks(parameters, masks)
    once, costs = nn.gradient_descent(X, Y, parameters, 0.05, 150, masks, l1=0.01, l2=0.1)
    again, other = nn.minibatch_descent(X, Y, parameters, 0.05, 150, masks, batch=7, l1=0.01, l2=0.1)
    assert np.allclose(costs, other, rtol=0, atol=1e-12) and costs[-1] < costs[0]
    assert all(np.allclose(once[name], again[name], rtol=0, atol=1e-12) for name in once)


def written_out(X, Y, parameters, rates, batch, momentum, l2, seed):
    """Mini-batch descent as one would write it on a blackboard."""
    p = {name: value.copy() for name, value in parameters.items()}
    V = {name: np.zeros_like(value) for name, value in p.items()}
    random, order = np.random.default_rng(seed), []
    for rate in rates:
        if not order:
            shuffled = random.permutation(X.shape[1])
            order = [shuffled[i:i + batch] for i in range(0, X.shape[1], batch)]
        drawn = order.pop(0)
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
    return p


def test_minibatch_descent_is_the_blackboards():
    X, Y, parameters = small_classifier(m=11)
    rates = nn.half_cosine(0.1, 20)
    trained, costs = nn.minibatch_descent(X, Y, parameters, rates, 20, batch=4, momentum=0.9, l2=0.01, seed=6)
    expected = written_out(X, Y, parameters, rates, 4, 0.9, 0.01, 6)
    assert all(np.allclose(trained[name], expected[name], rtol=0, atol=1e-12) for name in expected)
    assert rates[0] == 0.1 and rates[10] == pytest.approx(0.05) and 0 < rates[-1] < 0.001 and costs.shape == (20,)


@pytest.mark.parametrize("share", [0.1, 0.6])
def test_masked_minibatches_leave_what_is_pruned_and_train_the_rest(share):
    """Pixels and units without connections are left out."""
    X, Y, parameters = small_classifier(m=40, sizes=(30, 12, 8, 3))
    masks = {name: mask for name, mask in random_masks(parameters, share).items()}
    masks["W1"][:, :10] = False
    parameters = prun_mask.apply_masks(parameters, masks)
    trained, _ = nn.minibatch_descent(X, Y, parameters, 0.05, 30, masks, batch=7, momentum=0.5, l2=0.01)
    one_step_at_a_time = parameters
    for name, mask in masks.items():
        assert (trained[name][~mask] == 0).all() and not np.array_equal(trained[name], parameters[name])
    # Without momentum each iteration is a full-batch one of its own pictures.
    order = np.random.default_rng(1).permutation(40)
    trained, _ = nn.minibatch_descent(X, Y, parameters, 0.05, 4, masks, batch=10, l2=0.01, seed=1)
    for i in range(4):
        drawn = order[10 * i:10 * i + 10]
        one_step_at_a_time, _ = nn.gradient_descent(X[:, drawn], Y[:, drawn], one_step_at_a_time, 0.05, 1, masks,
                                                    l2=0.01, method="textbook")
    assert all(np.allclose(trained[name], one_step_at_a_time[name], rtol=0, atol=1e-12) for name in trained)


def test_minibatches_of_uint8_pictures_in_float32():
    X, Y, parameters = small_classifier(m=30)
    pictures = np.round(X * 255).astype(np.uint8)
    parameters = {name: value.astype(np.float32) for name, value in parameters.items()}
    settings = {"batch": 8, "momentum": 0.9, "l2": 0.001, "dropout": 0.2, "seed": 2}
    trained, _ = nn.minibatch_descent(pictures, Y, parameters, 0.05, 12, **settings)
    assert {value.dtype for value in trained.values()} == {np.dtype(np.float32)}
    same, _ = nn.minibatch_descent(pictures / np.float32(255), Y, parameters, 0.05, 12, **settings)
    assert all(np.array_equal(trained[name], same[name]) for name in same)
    other, _ = nn.minibatch_descent(pictures, Y, parameters, 0.05, 12, **{**settings, "seed": 3})
    assert not np.array_equal(trained["W1"], other["W1"])
    assert np.array_equal(nn.predict(pictures, trained), nn.predict(pictures / np.float32(255), trained))


def test_dropout_drops_its_share_and_keeps_the_mean():
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


def test_minibatch_numbers_that_go_bad_stop_it():
    X, Y, parameters = small_classifier()
    with pytest.raises(FloatingPointError, match="the cost is nan at iteration"):
        nn.minibatch_descent(X, Y, parameters, 1e200, 250, batch=3)


def test_a_small_training_in_minibatches_learns():
    """Three classes of noisy pictures, each with its own bright pixels; then 80 % pruned, and retrained."""
    random = np.random.RandomState(0)
    classes = random.rand(3, 40) > 0.7
    labels = random.randint(3, size=400)
    X = np.clip(classes[labels].T * 0.5 + random.rand(40, 400) * 0.5, 0, 1)
    Y = np.eye(3)[labels].T
    start = nn.initialize_parameters((40, 16, 8, 3), 1, "he")
    assert nn.accuracy(nn.predict(X, start), Y) < 60
    settings = {"batch": 32, "momentum": 0.9, "l2": 1e-4, "dropout": 0.1}
    trained, _ = nn.minibatch_descent(X, Y, start, 0.05, 200, **settings)
    assert nn.accuracy(nn.predict(X, trained), Y) > 98
    masks = prun_mask.make_masks(trained, 80)
    pruned, _ = nn.minibatch_descent(X, Y, prun_mask.apply_masks(trained, masks), 0.05, 200, masks, **settings)
    assert nn.accuracy(nn.predict(X, pruned), Y) > 98 and prun_mask.degree(pruned) > 79


@pytest.mark.parametrize("l2", [0, 0.1])
def test_both_methods_go_through_a_whole_pruning_run(l2):
    """39 steps of pruning and retraining, each method on its own: the costs agree, and so do the masks."""
    X, Y, start = small_network(m=20, sizes=(600, *SIZES[1:]))
    networks, gram = {method: start for method in METHODS}, nn.GramMatrices(X)
    for _ in range(39):
        costs = {}
        for method, parameters in networks.items():
            masks = prun_mask.make_masks(parameters, 5)
            networks[method], costs[method] = nn.gradient_descent(
                X, Y, prun_mask.apply_masks(parameters, masks), 0.02, 30, masks, l2=l2, method=method, gram=gram)
        assert np.abs(costs["textbook"] - costs["gram"]).max() < 1e-12
    for name, value in networks["textbook"].items():
        assert np.allclose(value, networks["gram"][name], rtol=0, atol=1e-12)
        assert np.array_equal(value == 0, networks["gram"][name] == 0)


DESCENTS = (nn.gradient_descent, lambda *arguments, **named: nn.minibatch_descent(*arguments, batch=3, **named))


@pytest.mark.parametrize("descend", DESCENTS)
def test_what_does_not_fit_is_refused_with_the_reason(descend):
    X, Y, parameters = small_network()
    masks = random_masks(parameters, 0.5)
    with pytest.raises(ValueError, match="W1 has weights outside its mask that are not 0: apply the masks first"):
        descend(X, Y, parameters, 0.1, 1, masks)
    with pytest.raises(ValueError, match="the mask of W1 has shape"):
        descend(X, Y, parameters, 0.1, 1, {"W1": masks["W1"][:, 1:]})
    with pytest.raises(ValueError, match=r"Y has shape \(7,\), not \(1, 7\)"):
        descend(X, Y[0], parameters, 0.1, 1)
    with pytest.raises(ValueError, match=r"X has shape \(7, 12\), not \(12, m\)"):
        descend(X.T, Y, parameters, 0.1, 1)


@pytest.mark.parametrize("descend", DESCENTS)
def test_pictures_of_uint8_are_divided_by_255(descend):
    X, Y, parameters = small_network()
    pixels = np.round(X * 255).astype(np.uint8)
    trained, costs = descend(pixels, Y, parameters, 0.1, 20)
    expected, same = descend(pixels / 255, Y, parameters, 0.1, 20)
    assert np.array_equal(costs, same) and all(np.array_equal(trained[name], expected[name]) for name in expected)
    assert costs[0] < 5
