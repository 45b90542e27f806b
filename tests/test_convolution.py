"""figure/convolution.py, against loops written out, finite differences and PyTorch."""

import numpy as np
import pytest

import nn_functions as nn
import prun_mask
from figure import convolution

SMALL = {"W1": (3, 25), "W2": (4, 75), "W3": (6, 4), "W4": (5, 6)}  # for pictures of 16 x 16 pixels


@pytest.fixture
def small(monkeypatch):
    """LeNet-5 with few filters and units, in float64, with biases; it stays so small until the test is over."""
    monkeypatch.setattr(convolution, "PICTURE", (1, 16, 16))
    monkeypatch.setattr(convolution, "SIZES", SMALL)
    monkeypatch.setattr(convolution, "PART", 3)
    random = np.random.RandomState(0)
    return {name: value.astype(float) + (0 if name[0] == "W" else 0.1 * random.randn(*value.shape))
            for name, value in convolution.new_parameters(2).items()}


def pictures(m, size=16, outputs=5, seed=0):
    """X of noise, and Y."""
    random = np.random.RandomState(seed)
    return random.rand(size * size, m), np.eye(outputs)[:, random.randint(outputs, size=m)]


def some_masks(parameters, share=0.5, seed=3):
    """Masks at random; the second filter of each convolution and a unit have neither inputs nor outputs."""
    random = np.random.RandomState(seed)
    masks = {name: random.rand(*parameters[name].shape) < share for name in convolution.SIZES}
    masks["W1"][1] = masks["W2"][1] = masks["W3"][1] = False
    return prun_mask.without_dead_neurons(masks)


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
    assert convolution.WEIGHTS == sum(parameters[name].size for name in convolution.SIZES) == 430_500
    assert {value.dtype for value in parameters.values()} == {np.dtype(np.float32)}
    X = np.random.RandomState(0).randint(0, 256, (784, 1003)).astype(np.uint8)  # more than are judged at once
    outputs = nn.predict(X, parameters, convolution.layers_of)
    assert outputs.shape == (10, 1003) and outputs.dtype == np.float32
    for i in (0, 1002):
        assert outputs[:, [i]] == pytest.approx(nn.predict(X[:, [i]], parameters, convolution.layers_of), abs=1e-5)


def test_it_is_convolution_pooling_twice_and_two_dense_layers(small):
    X, _ = pictures(4)
    assert nn.predict(X, small, convolution.layers_of) == pytest.approx(naive_network(X, small), abs=1e-12)


def trained_layers(parameters, masks, **settings):
    """The layers as in training, without dropout, and what they learn."""
    return convolution._network(parameters, masks, (0, 0), np.random.default_rng(0), **settings)


@pytest.mark.parametrize("share", [1, 0.5])
def test_the_gradients_are_finite_differences(small, share):
    X, Y = pictures(8)
    every = {name: np.ones(shape, bool) for name, shape in SMALL.items()}
    masks = every if share == 1 else some_masks(small, share)
    small = prun_mask.apply_masks(small, masks)
    layers, part, blocks = trained_layers(small, masks, l2=0.3)
    before = {name: value.copy() for name, value in part.items()}
    nn.descend(layers, [(X, Y)], [1e-3])

    def cost(parameters):
        penalty = 0.15 * sum((parameters[name]**2).sum() for name in SMALL)
        outputs = nn.predict(X, parameters, lambda parameters: convolution.layers_of(parameters, every))
        return nn.compute_cost(outputs, Y) + penalty

    for name, value in part.items():
        step, left = (value - before[name]) / -1e-3, {}
        for at in np.ndindex(step.shape):
            changed = {name: value.copy() for name, value in small.items()}
            place = tuple(i[at] for i in np.broadcast_arrays(*blocks[name])) if name[0] == "W" else (
                np.flatnonzero(blocks[name])[at[0]], 0)
            if name[0] == "W" and not masks[name][place]:
                assert step[at] == 0
                continue
            costs = []
            for change in (1e-6, -1e-6):
                changed[name][place] = small[name][place] + change
                costs.append(cost(changed))
            left[at] = (costs[0] - costs[1]) / 2e-6
        assert [step[at] for at in left] == pytest.approx(list(left.values()), abs=1e-7) and left


SETTINGS = {"learning_rate": 0.05, "iterations": 7, "batch": 8, "momentum": 0.9, "l2": 0.01}


def test_dropout_is_at_the_inputs_of_the_dense_layers_and_reduced_by_the_masks(small):
    masks, random = some_masks(small), np.random.default_rng(0)
    layers = convolution.layers_of(small, masks, (0.3, 0.5), random)
    assert [type(layer).__name__ for layer in layers] == ["InParts", "Dropout", "Dense", "Dropout", "Dense"]
    assert (layers[1].rate, layers[3].rate) == (0.3, 0.5)
    X, Y = pictures(20)
    small = prun_mask.apply_masks(small, masks)
    changed = [convolution.minibatch_descent(X, Y, small, masks=masks, dropout=dropout, **SETTINGS)[0]
               for dropout in ((0.3, 0.5), (0.3, 0.5), (0, 0))]
    assert all(np.array_equal(changed[0][name], changed[1][name]) for name in small)
    assert not np.array_equal(changed[0]["W3"], changed[2]["W3"])
    rates = nn.dropout_rates((0, 0.3, 0.5), small, masks)
    assert rates[1:] == pytest.approx([0.3 * np.sqrt(masks["W2"].mean()), 0.5 * np.sqrt(masks["W3"].mean())])


def test_what_is_left_out_changes_nothing_and_stays_as_it_was(small):
    """Filters, patch pixels and features without connections: leaving them out, or computing with their zeros."""
    X, Y = pictures(20)
    masks = some_masks(small)
    masks["W1"][:, 3:9] = masks["W2"][:, 50:60] = masks["W2"][:, 61] = False
    masks["W3"][:, 2] = False
    small = prun_mask.apply_masks(small, masks)
    blocks, taken = convolution.connected(masks)
    assert [len(indices) for indices in taken] < [25, 50, 3] and blocks["b1"].tolist() == [True, False, True]
    left_out, costs = convolution.minibatch_descent(X, Y, small, masks=masks, **SETTINGS)

    def everything(masks):
        return dict.fromkeys(("W1", "W2", "W3", "W4", "b1", "b2", "b3", "b4"), np.s_[:, :]), [None, None, np.s_[:]]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convolution, "connected", everything)
        copy = {name: value.copy() for name, value in small.items()}  # slices copy nothing
        whole, expected = convolution.minibatch_descent(X, Y, copy, masks=masks, **SETTINGS)
    assert costs == pytest.approx(expected, abs=1e-12)
    for name in SMALL:
        assert not left_out[name][~masks[name]].any() and not whole[name][~masks[name]].any()
        assert left_out[name] == pytest.approx(whole[name], abs=1e-12)
        assert not np.array_equal(left_out[name], small[name])
    pruned = nn.predict(X, left_out, convolution.layers_of)
    assert pruned == pytest.approx(naive_network(X, left_out), abs=1e-12)


def test_a_unit_without_inputs_is_a_constant(small):
    small["W1"][0] = small["W2"][2] = small["W3"][3] = 0
    X, _ = pictures(4)
    assert nn.predict(X, small, convolution.layers_of) == pytest.approx(naive_network(X, small), abs=1e-12)


def test_the_descent_is_checked_as_the_other_one(small):
    X, Y = pictures(20)
    with pytest.raises(ValueError, match="W1 has weights outside its mask"):
        convolution.minibatch_descent(X, Y, small, masks=some_masks(small), **SETTINGS)
    X[0] = np.inf
    with pytest.raises(FloatingPointError, match="the cost is nan at iteration 0"):
        convolution.minibatch_descent(X, Y, small, **SETTINGS)


@pytest.mark.parametrize("pruned", [False, True])
def test_two_steps_are_those_of_pytorch(pruned):
    torch = pytest.importorskip("torch")
    parameters = convolution.new_parameters(1)
    masks = {name: np.random.RandomState(5).rand(*parameters[name].shape) < 0.3 for name in convolution.SIZES}
    masks = masks if pruned else {name: np.ones_like(mask) for name, mask in masks.items()}
    parameters = prun_mask.apply_masks(parameters, masks)
    X, Y = (values.astype(np.float32) for values in pictures(40, 28, 10))
    layers, part, blocks = trained_layers(parameters, masks, momentum=0.9, l2=1e-2)
    nn.descend(layers, [(X, Y)] * 2, [0.05] * 2)

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
            for l, module in enumerate(learned, start=1):
                module.weight.mul_(torch.from_numpy(masks[f"W{l}"].astype(np.float32)).reshape(module.weight.shape))
    for l, module in enumerate(learned, start=1):
        for name, theirs in ((f"W{l}", module.weight), (f"b{l}", module.bias)):
            theirs = theirs.detach().numpy().reshape(parameters[name].shape)
            here = parameters[name].copy()
            here[blocks[name]] = part[name]
            assert here == pytest.approx(theirs, abs=2e-6) and np.abs(here - parameters[name]).max() > 1e-4
