"""The network against finite differences, formulas written out, and the original's first weights."""

import numpy as np
import pytest

import nn_functions as nn

SIZES = (12, 5, 4, 3, 2, 1)


def small_network(m=7, seed=3):
    """Random pictures and labels, and a network in which every hidden layer has units that are on."""
    random = np.random.RandomState(seed)
    X = random.rand(SIZES[0], m)
    Y = (np.arange(m) % 2)[None].astype(float)
    parameters = {name: value * 4 if name[0] == "W" else value + 0.5
                  for name, value in nn.initialize_parameters(SIZES, seed).items()}
    assert all((A > 0).any() for A in nn.forward(X, parameters))
    return X, Y, parameters


def test_gradient_matches_finite_differences():
    X, Y, parameters = small_network()
    gradients = nn.backward(nn.forward(X, parameters), Y, parameters)

    def exact_cost():
        # The integral of the gradient that the network uses: like the cost, but with 1e-5 beside both logarithms.
        AL = nn.predict(X, parameters)
        return -np.mean(Y * np.log(AL + 1e-5) + (1 - Y) * np.log(1 - AL + 1e-5))

    step = 1e-6
    for name, value in parameters.items():
        for index in np.ndindex(value.shape):
            kept = value[index]
            value[index] = kept + step
            above = exact_cost()
            value[index] = kept - step
            below = exact_cost()
            value[index] = kept
            assert gradients["d" + name][index] == pytest.approx((above - below) / (2 * step), abs=1e-8), (name, index)
    assert all(np.any(gradient) for gradient in gradients.values())


def test_forward_is_the_formula_unit_by_unit():
    X, _, parameters = small_network()
    for k, expected in enumerate(nn.predict(X, parameters)[0]):
        values = X[:, k]
        for l in range(1, 6):
            W, b = parameters[f"W{l}"], parameters[f"b{l}"]
            values = [sum(W[i, j] * values[j] for j in range(len(values))) + b[i, 0] for i in range(len(W))]
            values = [max(0, z) if l < 5 else 1 / (1 + np.exp(-z)) for z in values]
        assert values[0] == pytest.approx(expected, rel=1e-12)


def test_cost_is_the_original_formula_and_finite_at_the_ends():
    AL = np.array([[0.2, 0.7]])
    expected = -(np.log(0.2) + np.log(1 - 0.7 + 1e-5)) / 2
    assert nn.compute_cost(AL, np.array([[1, 0]])) == expected
    assert nn.compute_cost(np.array([[0.0, 1.0]]), np.array([[0, 1]])) == pytest.approx(-np.log(1 + 1e-5) / 2, rel=1e-9)
    assert np.isfinite(nn.compute_cost(np.array([[0.0, 1.0]]), np.array([[1, 0]])))
    assert np.array_equal(nn.sigmoid(np.array([-1e4, 0, 1e4])), [0, 0.5, 1])


def test_initialisation_draws_in_the_documented_order():
    parameters = nn.initialize_parameters((3, 2, 1), 1)
    random = np.random.RandomState(1)
    for name, shape in (("W1", (2, 3)), ("b1", (2, 1)), ("W2", (1, 2)), ("b2", (1, 1))):
        expected = random.randn(*shape) * (0.098 if name[0] == "W" else 1)
        assert np.array_equal(parameters[name], expected)


def test_descent_lowers_the_cost_and_leaves_its_input_alone():
    X, Y, parameters = small_network()
    X[0] = Y  # something to learn
    before = {name: value.copy() for name, value in parameters.items()}
    seen = []
    trained, costs = nn.gradient_descent(X, Y, parameters, 0.1, 2000, progress=seen.append)
    assert all(np.array_equal(before[name], parameters[name]) for name in parameters)
    assert costs[0] == nn.compute_cost(nn.predict(X, parameters), Y)
    assert nn.compute_cost(nn.predict(X, trained), Y) <= costs[-1] < costs[0] / 2
    assert seen == list(costs) and len(costs) == 2000


def test_masked_descent_moves_every_kept_weight_and_no_pruned_one():
    X, Y, parameters = small_network()
    masks = {name: np.random.RandomState(5).rand(*parameters[name].shape) < 0.8 for name in ("W1", "W2", "W3", "W4")}
    pruned = {name: np.where(masks[name], value, 0) if name in masks else value for name, value in parameters.items()}
    trained, _ = nn.gradient_descent(X, Y, pruned, 0.05, 3, masks)

    expected = {name: value.copy() for name, value in pruned.items()}
    for _ in range(3):
        gradients = nn.backward(nn.forward(X, expected), Y, expected)
        expected = {name: (value - 0.05 * gradients["d" + name]) * masks.get(name, 1)
                    for name, value in expected.items()}
    for name in parameters:
        assert np.allclose(trained[name], expected[name], rtol=0, atol=1e-15)
    assert all((trained[name][~mask] == 0).all() for name, mask in masks.items())
    assert not np.array_equal(trained["W1"], pruned["W1"])


def test_accuracy_counts_a_half_as_no_car():
    assert nn.accuracy(np.array([[0.5, 0.51, 0.2, 0.9]]), np.array([[0, 1, 1, 0]])) == 50
