"""figure/convolution.py, against loops written out, finite differences and PyTorch."""

import numpy as np
import pytest

import nn_functions as nn
import prun_mask
from figure import convolution


@pytest.fixture
def small(monkeypatch):
    """LeNet-5 with few filters and units for pictures of 16 x 16 pixels, in float64, with biases."""
    monkeypatch.setattr(convolution, "PICTURE", (1, 16, 16))
    monkeypatch.setattr(convolution, "PART", 3)
    random, parameters = np.random.RandomState(0), {}
    for l, (rows, columns) in enumerate(((3, 25), (4, 75), (6, 4), (5, 6)), start=1):
        parameters[f"W{l}"] = random.randn(rows, columns) * np.sqrt(2 / columns)
        parameters[f"b{l}"] = 0.1 * random.randn(rows, 1)
    return parameters


def pictures(m, size=16, outputs=5, seed=0):
    """X of noise, and Y."""
    random = np.random.RandomState(seed)
    return random.rand(size * size, m), np.eye(outputs)[:, random.randint(outputs, size=m)]


def pruned_at_random(parameters, kept=0.5, seed=3):
    """Masks, none for `kept` 1, and the parameters; a filter of each convolution and a unit are without connections."""
    random = np.random.RandomState(seed)
    masks = {name: random.rand(*W.shape) < kept for name, W in parameters.items() if name[0] == "W"}
    masks["W1"][1] = masks["W2"][1] = masks["W3"][1] = False
    masks = prun_mask.without_dead_neurons(masks) if kept < 1 else {}
    return masks, prun_mask.apply_masks(parameters, masks)


def naive_convolution(A, W, b):
    """Six loops."""
    channels, height, width, m = A.shape
    Z = np.zeros((len(W), height - 4, width - 4, m))
    for n in range(len(W)):
        for y in range(height - 4):
            for x in range(width - 4):
                Z[n, y, x] = b[n]
                for c in range(channels):
                    for i in range(5):
                        for j in range(5):
                            Z[n, y, x] += W[n, 25 * c + 5 * i + j] * A[c, y + i, x + j]
    return Z


def naive_pooling(Z):
    """The largest of each square."""
    A = np.zeros((len(Z), Z.shape[1] // 2, Z.shape[2] // 2, Z.shape[3]))
    for n, y, x, k in np.ndindex(A.shape):
        A[n, y, x, k] = max(Z[n, 2 * y + i, 2 * x + j, k] for i in (0, 1) for j in (0, 1))
    return A


def naive_network(X, parameters):
    """The outputs of LeNet-5."""
    A = X.reshape(*convolution.PICTURE, -1)
    for l in (1, 2):
        A = naive_pooling(naive_convolution(A, parameters[f"W{l}"], parameters[f"b{l}"]))
    A = np.maximum(0, parameters["W3"] @ A.reshape(-1, X.shape[1]) + parameters["b3"])
    return nn.softmax(parameters["W4"] @ A + parameters["b4"])


# ------------------------------------------------------------------------------------------------------- one layer

def test_a_convolution_is_six_loops():
    random = np.random.RandomState(0)
    A, W, b = random.randn(3, 8, 7, 2), random.randn(4, 75), random.randn(4, 1)
    expected = naive_convolution(A, W, b)
    assert convolution.Convolution(W, b, shape=(3, 8, 7)).forward(A) == pytest.approx(expected, abs=1e-12)


def test_pooling_takes_the_largest_and_the_gradient_goes_to_the_first_of_equal_ones():
    Z = np.random.RandomState(0).randint(0, 3, (2, 4, 6, 5)).astype(float)  # many are equal
    layer = convolution.MaxPool()
    A = layer.forward(Z)
    assert np.array_equal(A, naive_pooling(Z))
    dA = np.random.RandomState(1).rand(*A.shape)
    dZ, expected = layer.backward(dA), np.zeros(Z.shape)
    for n, y, x, k in np.ndindex(A.shape):
        i, j = next((i, j) for i in (0, 1) for j in (0, 1) if Z[n, 2 * y + i, 2 * x + j, k] == A[n, y, x, k])
        expected[n, 2 * y + i, 2 * x + j, k] = dA[n, y, x, k]
    assert np.array_equal(dZ, expected)


def test_a_bias_before_pooling_is_a_bias_after_it():
    random = np.random.RandomState(0)
    Z, b, pool = random.randint(-9, 9, (3, 4, 4, 2)), random.randint(-9, 9, (3, 1, 1, 1)), convolution.MaxPool()
    assert np.array_equal(pool.forward(Z + b), pool.forward(Z) + b)


# ------------------------------------------------------------------------------------------------------ the network

def test_its_sizes_are_those_of_the_paper():
    parameters = convolution.new_parameters(1)
    assert sum(W.size for name, W in parameters.items() if name[0] == "W") == 430_500
    assert {value.dtype for value in parameters.values()} == {np.dtype(np.float32)}
    X = np.random.RandomState(0).randint(0, 256, (784, 1003)).astype(np.uint8)  # more than are predicted at once
    outputs = nn.predict(X, parameters, convolution.layers_of)
    assert outputs.shape == (10, 1003) and outputs.dtype == np.float32
    for i in (0, 1002):
        assert outputs[:, [i]] == pytest.approx(nn.predict(X[:, [i]], parameters, convolution.layers_of), abs=1e-5)


def test_it_is_convolution_pooling_twice_and_two_dense_layers(small):
    X, _ = pictures(4)
    small["W1"][0] = small["W2"][2] = small["W3"][3] = 0  # units without inputs are constants
    assert nn.predict(X, small, convolution.layers_of) == pytest.approx(naive_network(X, small), abs=1e-12)


def descend(X, Y, parameters, masks, **settings):
    return convolution.minibatch_descent(X, Y, parameters, masks=masks, **settings)


@pytest.mark.parametrize("kept", [1, 0.5])
def test_the_gradients_are_finite_differences(small, kept):
    X, Y = pictures(8)
    masks, small = pruned_at_random(small, kept)
    after, costs = descend(X, Y, small, masks, learning_rate=1e-3, iterations=1, batch=8, l2=0.3)

    def cost(parameters):
        penalty = 0.15 * sum((W**2).sum() for name, W in parameters.items() if name[0] == "W")
        return nn.compute_cost(nn.predict(X, parameters, convolution.layers_of), Y) + penalty

    assert costs[0] == pytest.approx(cost(small), abs=1e-12)
    for name, value in small.items():
        step, expected = (value - after[name]) / 1e-3, np.zeros(value.shape)
        for place in np.argwhere(masks.get(name, np.ones(value.shape, bool))):
            place, around = tuple(place), []
            weight = value[place]
            for value[place] in (weight + 1e-6, weight - 1e-6):
                around.append(cost(small))
            value[place] = weight
            expected[place] = (around[0] - around[1]) / 2e-6
        assert step == pytest.approx(expected, abs=1e-7) and np.any(step)
    twice, one_more = (descend(X, Y, start, masks, learning_rate=1e-3, iterations=iterations, batch=8, l2=0.3)[0]
                       for start, iterations in ((small, 2), (after, 1)))
    assert all(np.allclose(twice[name], one_more[name], rtol=0, atol=1e-12) for name in small)


SETTINGS = {"learning_rate": 0.05, "iterations": 7, "batch": 8, "momentum": 0.9, "l2": 0.01}


def test_dropout_is_at_the_inputs_of_the_dense_layers_and_reduced_by_the_masks(small, monkeypatch):
    layers_of, rates = convolution.layers_of, []
    layers = convolution.layers_of(small, None, (0.3, 0.5), np.random.default_rng(0))
    assert [type(layer).__name__ for layer in layers] == ["InParts", "Dropout", "Dense", "Dropout", "Dense"]
    assert (layers[1].rate, layers[3].rate) == (0.3, 0.5)
    X, Y = pictures(20)
    masks, small = pruned_at_random(small)
    same, again, without, other = (
        descend(X, Y, small, masks, dropout=dropout, seed=seed, **SETTINGS)[0]
        for dropout, seed in (((0.3, 0.5), 1), ((0.3, 0.5), 1), ((0, 0), 1), ((0.3, 0.5), 2)))
    assert all(np.array_equal(same[name], again[name]) for name in small)
    assert not np.array_equal(same["W3"], without["W3"]) and not np.array_equal(same["W3"], other["W3"])
    monkeypatch.setattr(convolution, "layers_of", lambda parameters, masks, dropout, *more, **settings: (
        rates.extend(dropout), layers_of(parameters, masks, dropout, *more, **settings))[1])
    descend(X, Y, small, masks, dropout=(0.3, 0.5), **SETTINGS)
    assert rates == pytest.approx([0.3 * np.sqrt(masks["W2"].mean()), 0.5 * np.sqrt(masks["W3"].mean())])


def test_the_descent_is_checked_as_the_other_one(small):
    X, Y = pictures(20)
    masks, _ = pruned_at_random(small)
    for arguments, text in (((X, Y, small, masks), "W1 has weights outside its mask"),
                            ((np.where(X > 0.5, X, np.inf), Y, small, None), "X holds NaN or infinity"),
                            ((X[1:], Y, small, None), r"X has shape \(255, 20\), not \(256, m\)"),
                            ((X, 2 * Y, small, None), "Y holds 2.0"), ((X, 0 * Y, small, None), "without a 1")):
        with pytest.raises(ValueError, match=text):
            descend(*arguments, **SETTINGS)
    with pytest.raises(FloatingPointError, match="the cost is nan at iteration"):
        descend(X, Y, small, None, **{**SETTINGS, "learning_rate": 1e200, "l2": 0})
    with pytest.raises(FloatingPointError, match="holds NaN or infinity in the end"):
        descend(X, Y, small, None, learning_rate=1e308, iterations=1, batch=8)


@pytest.mark.parametrize("kept", [1, 0.3])
def test_two_steps_are_those_of_pytorch(kept):
    torch = pytest.importorskip("torch")
    masks, parameters = pruned_at_random(convolution.new_parameters(1), kept)
    X, Y = (values.astype(np.float32) for values in pictures(40, 28, 10))
    trained, _ = descend(X, Y, parameters, masks, learning_rate=0.05, iterations=2, batch=40, momentum=0.9, l2=1e-2)

    network = torch.nn.Sequential(
        torch.nn.Conv2d(1, 20, 5), torch.nn.MaxPool2d(2), torch.nn.Conv2d(20, 50, 5), torch.nn.MaxPool2d(2),
        torch.nn.Flatten(), torch.nn.Linear(800, 500), torch.nn.ReLU(), torch.nn.Linear(500, 10))
    learned = [module for module in network if hasattr(module, "weight")]
    groups = [{"params": [module.weight for module in learned], "weight_decay": 1e-2},
              {"params": [module.bias for module in learned], "weight_decay": 0}]
    optimizer = torch.optim.SGD(groups, lr=0.05, momentum=0.9)
    with torch.no_grad():
        for l, module in enumerate(learned, start=1):
            module.weight.copy_(torch.from_numpy(parameters[f"W{l}"]).reshape(module.weight.shape))
            module.bias.copy_(torch.from_numpy(parameters[f"b{l}"][:, 0]))
    for _ in range(2):
        optimizer.zero_grad()
        outputs = network(torch.from_numpy(np.ascontiguousarray(X.T)).reshape(-1, 1, 28, 28))
        torch.nn.functional.cross_entropy(outputs, torch.from_numpy(Y.argmax(axis=0))).backward()
        optimizer.step()
        with torch.no_grad():
            for module, mask in zip(learned, masks.values()):
                module.weight.mul_(torch.from_numpy(mask.astype(np.float32)).reshape(module.weight.shape))
    for l, module in enumerate(learned, start=1):
        for name, theirs in ((f"W{l}", module.weight), (f"b{l}", module.bias)):
            theirs = theirs.detach().numpy().reshape(parameters[name].shape)
            assert trained[name] == pytest.approx(theirs, abs=2e-6)
            assert np.abs(trained[name] - parameters[name]).max() > 1e-4
