"""The network and its training, by hand and with NumPy alone: read it beside the paper.

A fully connected network that says whether a picture shows a car: ReLU in the hidden layers, a sigmoid at the end.
Or, with K outputs, which of K things it shows: softmax at the end.
Layers are numbered 1 to L. Columns are pictures: X has shape (n_x, m), Y has shape (n_L, m): 1 = car, or one-hot. The
parameters are a dict `W1, b1, ..., WL, bL`, where W{l} has shape (n_l, n_{l-1}) and b{l} has shape (n_l, 1).

In order: the network; its layers, the one loop that trains them, and the two ways to feed it, full-batch and
mini-batch; the Gram form of layer 1, which trains without touching the pictures; last, what is checked of arguments.
The paper is Han et al., "Learning both Weights and Connections for Efficient Neural Networks", arXiv 1506.02626v3.
"""

import itertools
from typing import NamedTuple

import numpy as np

BLOCK = 100  # iterations from one report of progress to the next
PART = 1000  # pictures that are predicted at a time: as floating-point numbers all take eight times the memory


class Evaluation(NamedTuple):
    """What `evaluate` finds: the cost on the training pictures, and both accuracies in percent."""

    cost: float
    train_accuracy: float
    test_accuracy: float


# ------------------------------------------------------------------------------------------------- the network

def number_of_layers(parameters):
    """L, the number of layers: the parameters are a W and a b for each."""
    return len(parameters) // 2


def layer_sizes(parameters):
    """n_x, then the number of units of each layer, for example [10800, 5, 4, 3, 2, 1]."""
    return [parameters["W1"].shape[1], *(len(parameters[f"b{l}"]) for l in range(1, number_of_layers(parameters) + 1))]


def initialize_parameters(sizes, seed, init="original"):
    """Draw the first weights and biases, layer by layer.

    sizes : n_x, then the number of units of each layer, for example (10800, 5, 4, 3, 2, 1)
    init : "original", the original experiment's: W = 0.098 randn, then b = randn; or
        "he" (He et al., arXiv 1502.01852): W = sqrt(2 / n_{l-1}) randn, b = 0, at which ReLU keeps the size of the
        signals from layer to layer. Raises ValueError for another
    """
    if init not in ("original", "he"):
        raise ValueError(f"init is {init!r}, neither original nor he")
    random, parameters = np.random.RandomState(seed), {}
    for l in range(1, len(sizes)):
        scale = 0.098 if init == "original" else np.sqrt(2 / sizes[l - 1])
        parameters[f"W{l}"] = random.randn(sizes[l], sizes[l - 1]) * scale
        parameters[f"b{l}"] = random.randn(sizes[l], 1) if init == "original" else np.zeros((sizes[l], 1))
    return parameters


def relu(Z):
    """max(0, Z), element by element."""
    return np.maximum(Z, 0)


def sigmoid(Z):
    """1 / (1 + exp(-Z)), element by element. Where exp(-Z) becomes infinite the result is 0, as it should be."""
    return 1 / (1 + np.exp(-Z))


def softmax(Z):
    """exp(Z) / sum(exp(Z)), the probabilities of K classes for each column of Z, of shape (K, m)."""
    powers = np.exp(Z - Z.max(axis=0))
    return powers / powers.sum(axis=0)


def output(Z):
    """A_L, of shape (n_L, m): the probability of a car, sigmoid(Z_L), or of K classes, softmax(Z_L)."""
    return sigmoid(Z) if len(Z) == 1 else softmax(Z)


def compute_cost(AL, Y):
    """Cross-entropy. With one output -(1/m) sum(Y log AL + (1 - Y) log(1 - AL + 1e-5)), the original's formula.

    The 1e-5 bounds the cost of a picture without a car. With K outputs -(1/m) sum(Y log AL).

    AL, Y : ndarrays of shape (n_L, m)
    """
    # The maximum keeps log(0) out without changing any other value.
    log_AL = np.log(np.maximum(AL, np.finfo(AL.dtype).smallest_subnormal))
    total = np.vdot(Y, log_AL)  # the sum of all products
    if len(Y) == 1:
        total += np.vdot(1 - Y, np.log(1 - AL + 1e-5))
    return -total / Y.shape[1]


def output_gradient(AL, Y):
    """dZ_L, what descent takes for the gradient of the mean cost with respect to Z_L, an ndarray of shape (n_L, m).

    With one output dA_L = -(Y / (A_L + 1e-5) - (1 - Y) / (1 - A_L + 1e-5)) / m, the original experiment's formula, and
    dZ_L = dA_L A_L (1 - A_L). Its cost lacks the first 1e-5, so for Y = 1 this is A_L / (A_L + 1e-5) times the true
    gradient. With K outputs dZ_L = (A_L - Y) / m.
    """
    m = Y.shape[1]
    if len(Y) > 1:
        return (AL - Y) / m
    not_AL = 1 - AL
    return ((1 - Y) / (not_AL + 1e-5) - Y / (AL + 1e-5)) * AL * not_AL / m


def as_floating(X, dtype=float):
    """The input of the network: pixels of uint8, 0 to 255, become numbers from 0 to 1; others are numbers already."""
    if X.dtype == np.uint8:
        return np.divide(X, 255, dtype=dtype)
    return X if X.dtype.kind == "f" else X.astype(dtype)  # products of small whole numbers would overflow


@np.errstate(over="ignore", invalid="ignore")  # see `sigmoid`; and `evaluate` finds NaN
def activations(X, parameters, layers_of=None):
    """What each layer computes: A_1, ..., A_L, a list of arrays of shape (n_l, m).

    X : ndarray of shape (n_x, m), numbers or uint8 (see `as_floating`)
    layers_of : the function that makes layers of the parameters; None for `dense_layers`
    """
    layers, parts = (layers_of or dense_layers)(parameters), []
    for first in range(0, max(1, X.shape[1]), PART):
        A = as_floating(X[:, first:first + PART], parameters["W1"].dtype)
        parts.append([A := layer.forward(A) for layer in layers])
    return [np.hstack(layer) for layer in zip(*parts)]


def predict(X, parameters, layers_of=None):
    """The probability of a car, or of K classes, for each picture, an array of shape (n_L, m); see `activations`."""
    return activations(X, parameters, layers_of)[-1]


def accuracy(AL, Y):
    """The pictures classified rightly, in percent: a probability above 0.5 says "car"; of K classes the largest counts.
    """
    correct = (AL > 0.5) == Y if len(Y) == 1 else AL.argmax(axis=0) == Y.argmax(axis=0)
    return float(100 * np.mean(correct))


def evaluate(data, parameters):
    """The `Evaluation` of a network; data : has X_train, Y_train, X_test, Y_test.

    Raises ValueError for pictures or labels that do not fit, and FloatingPointError where the cost is NaN or infinite.
    """
    check_data(data.X_train, data.Y_train, parameters)
    check_data(data.X_test, data.Y_test, parameters)
    AL = predict(data.X_train, parameters)
    cost = compute_cost(AL, data.Y_train).item()
    if not np.isfinite(cost):
        raise FloatingPointError(f"the cost of the network is {cost}: its weights are too large; "
                                 "try a smaller learning rate")
    return Evaluation(cost, accuracy(AL, data.Y_train), accuracy(predict(data.X_test, parameters), data.Y_test))


# -------------------------------------------------------------------------------------------------- the layers

class Layer:
    """A layer as `descend` sees it: `forward`, `backward`, and where there is something to learn, these two."""

    def update(self, rate):
        """Take a step down the gradient that `backward` found."""

    def penalty(self):
        """What regularisation adds to the cost."""
        return 0


class Dense(Layer):
    """A_l = g(W_l A_{l-1} + b_l), where g is ReLU, or `output` in the last layer.

    W, b : ndarrays of shape (n_l, n_{l-1}) and (n_l, 1), which `update` changes in place
    mask : None, or bool of W's shape: where it is False, a pruned connection, W is 0 and stays 0 (section 3)
    momentum : of the velocity V <- momentum V + rate dW, W <- W - V
    l1, l2 : the factors of the penalty l1 sum |w| + l2/2 sum w^2 (section 3.1), of the weights and not of the biases
    is_first : whether the layer's input is the pictures, which need no gradient
    """

    def __init__(self, W, b, mask=None, g=relu, momentum=0, l1=0, l2=0, is_first=False):
        self.W, self.b, self.g, self.is_first = W, b, g, is_first
        self.mask = None if mask is None or mask.all() else mask.astype(W.dtype)  # bool would be slower to multiply by
        self.momentum, self.l1, self.l2 = momentum, l1, l2
        self.velocity = (np.zeros_like(W), np.zeros_like(b)) if momentum else None

    def forward(self, A):
        """A_l, of shape (n_l, m); A : A_{l-1}, of shape (n_{l-1}, m)."""
        Z = self.W @ A
        Z += self.b
        self.input, self.A = A, self.activate(Z)
        return self.A

    def activate(self, Z):
        """g(Z); ReLU is written to Z, which nobody else has."""
        return np.maximum(Z, 0, out=Z) if self.g is relu else self.g(Z)

    def backward(self, dA):
        """Finds the gradients dW_l = dZ_l A_{l-1}^T and db_l = sum(dZ_l). Returns dA_{l-1} = W_l^T dZ_l, (n_{l-1}, m).

        dA : dA_l, of shape (n_l, m); in the last layer dZ_L, see `output_gradient`
        """
        dZ = self.through_g(dA)
        self.dW, self.db = dZ @ self.input.T, dZ.sum(axis=1, keepdims=True)
        return None if self.is_first else self.W.T @ dZ

    def through_g(self, dA):
        """dZ_l = dA_l ReLU'(Z_l), written to dA: ReLU' is 1 where A_l > 0, and 0 where A_l is 0."""
        if self.g is relu:
            dA *= np.sign(self.A)
        return dA

    def update(self, rate):
        """V <- momentum V + rate (dW + the penalty's gradient), W <- W - V; b likewise, but for the penalty."""
        step, step_b = rate * (self.dW + self.l2 * self.W if self.l2 else self.dW), rate * self.db
        if self.l1:
            step += rate * self.l1 * np.sign(self.W)
        if self.mask is not None:
            step *= self.mask
        if self.momentum:
            for V, new in zip(self.velocity, (step, step_b)):
                V *= self.momentum
                V += new
            step, step_b = self.velocity
        self.W -= step
        self.b -= step_b

    def penalty(self):
        """l1 sum |w| + l2/2 sum w^2."""
        if not self.l1 and not self.l2:
            return 0
        return (self.l1 * np.abs(self.W).sum() if self.l1 else 0) + self.l2 / 2 * np.vdot(self.W, self.W)

    def parameters(self):
        """W and b."""
        return self.W, self.b


class Dropout(Layer):
    """Multiplies A by 0 for a fraction of the units, drawn anew for each picture, and by 1 / (1 - rate) for the others.

    So what reaches the next layer stays the same on average.
    """

    def __init__(self, rate, random):
        self.rate, self.random = rate, random

    def forward(self, A):
        """A with the units dropped, of shape (n_l, m)."""
        # Whole numbers of 16 bits are drawn faster than floating-point ones.
        drawn = self.random.integers(1 << 16, size=A.shape, dtype=np.uint16)
        self.kept = (drawn >= round(self.rate * (1 << 16))) * A.dtype.type(1 / (1 - self.rate))
        return A * self.kept

    def backward(self, dA):
        """The gradient of what came in."""
        return dA * self.kept


def dropout_rates(dropout, parameters, masks):
    """The fraction of each hidden layer's units that is dropped: D_r = D_o sqrt(C_ir / C_io) (section 3.2, eq. 2).

    dropout : D_o, that of the unpruned network, a number or one for each hidden layer
    C_io : the number of the layer's connections; C_ir : that of those which `masks` leave
    """
    hidden = [f"W{l}" for l in range(1, number_of_layers(parameters))]
    return [rate * np.sqrt(np.mean(masks[name])) if name in masks else rate
            for rate, name in zip(np.broadcast_to(dropout, len(hidden)), hidden)]


def dense_layers(parameters, masks=None, **settings):
    """The network as a list of `Dense`, on the parameters themselves; masks : a dict {"W1": mask, ...} or None."""
    L = number_of_layers(parameters)
    return [Dense(parameters[f"W{l}"], parameters[f"b{l}"], (masks or {}).get(f"W{l}"), output if l == L else relu,
                  is_first=l == 1, **settings) for l in range(1, L + 1)]


# ------------------------------------------------------------------------------------------------ gradient descent

def descend(layers, batches, rates, progress=None):
    """Train: forward, cost, backward, update, again.

    layers : each has `forward`, `backward`, `update` and `penalty`, see `Layer`
    batches : the pictures and labels of each iteration, X of shape (n_x, m) and Y of shape (n_L, m)
    rates : the learning rate of each iteration, a list
    progress : None, or a function that is called after every BLOCK of iterations, with their number and the last cost
    Returns the costs, an array: costs[i] is the cost before iteration i, the penalty included. Raises
    FloatingPointError where a cost becomes NaN or infinite, and ValueError where the batches end early.
    """
    costs, done = np.zeros(len(rates)), 0
    for i, (rate, (X, Y)) in enumerate(zip(rates, batches)):
        A = X
        for layer in layers:
            A = layer.forward(A)
        costs[i] = compute_cost(A, Y) + sum(layer.penalty() for layer in layers)
        dA = output_gradient(A, Y)
        for layer in reversed(layers):
            dA = layer.backward(dA)
        for layer in layers:
            layer.update(rate)
        done = i + 1
        if done % BLOCK == 0 or done == len(rates):
            if not np.isfinite(costs[i]):  # then it never becomes finite again
                first = np.flatnonzero(~np.isfinite(costs))[0]
                raise FloatingPointError(f"the cost is {costs[first]} at iteration {first}; "
                                         "try a smaller learning rate")
            if progress:
                progress(i % BLOCK + 1, costs[i])
    if done < len(rates):
        raise ValueError(f"the batches end after {done} of {len(rates)} iterations")
    return costs


def gradients(X, Y, parameters):
    """The gradients of the cost, a dict {"W1": dW_1, "b1": db_1, ...} of the parameters' shapes; see `output_gradient`.

    X, Y : as in `gradient_descent`. Raises ValueError and FloatingPointError.
    """
    check_data(X, Y, parameters)
    layers = dense_layers(_copied(parameters))
    descend(layers, [(as_floating(X, parameters["W1"].dtype), Y)], [0.0])  # at a rate of 0 nothing is changed
    return {name: value for l, layer in enumerate(layers, start=1)
            for name, value in ((f"W{l}", layer.dW), (f"b{l}", layer.db))}


@np.errstate(all="ignore")  # see `sigmoid`; and numbers that go bad are found
def gradient_descent(X, Y, parameters, learning_rate, iterations, masks=None, *, l1=0, l2=0, method=None, gram=None,
                     progress=None):
    """Full-batch gradient descent.

    Layer 1, the only one that meets the pictures, has two forms: `Dense` multiplies with all pictures twice in every
    iteration, `GramLayer` never. Both give the same result, to rounding.

    X : ndarray of shape (n_x, m), numbers or uint8 (see `as_floating`); Y : ndarray of shape (n_L, m)
    learning_rate : a number, or an array of shape (iterations,), see `half_cosine`
    masks : None, or {"W1": array of W1's shape, ...}, of bool or of 0 and 1: where it is False, a pruned connection,
        the weight is 0 and stays 0 (section 3 of the paper: retrain the remaining connections)
    l1, l2 : the factors of regularisation, see `Dense`
    method : "textbook" for `Dense`, "gram", or None to choose (`cheaper_method`)
    gram : None, or the `GramMatrices` of X, which save work if they are kept from one call to the next
    progress : see `descend`
    Returns the new parameters (the given ones are left as they were) and the costs, see `descend`. Raises ValueError
    for arguments that do not fit, and FloatingPointError where a cost or a parameter becomes NaN or infinite.
    """
    total = check_data(X, Y, parameters)
    masks, rates = checked_masks(parameters, masks, True), checked_rates(learning_rate, iterations, l2)
    check_settings(l1=l1, l2=l2)
    if method not in (None, "textbook", "gram"):
        raise ValueError(f"method is {method!r}, neither textbook nor gram")
    gram = gram or GramMatrices(X)
    if gram.total != total or gram.source is not X and not np.array_equal(gram.source, X):
        raise ValueError("gram is of other pictures than X")
    method = method or cheaper_method(gram.X.shape, parameters["W1"].shape[0], "W1" in masks, iterations, l1)
    if method == "gram" and l1:
        raise ValueError("with l1 there is only the method \"textbook\"")
    layers = dense_layers(_copied(parameters), masks, l1=l1, l2=l2)
    if method == "gram":
        layers[0] = GramLayer(gram, *layers[0].parameters(), masks.get("W1"), layers[0].g, l2)
    costs = descend(layers, itertools.repeat((gram.X, Y)), rates, progress)
    return trained_parameters(layers), costs


@np.errstate(all="ignore")  # numbers that go bad are found
def minibatch_descent(X, Y, parameters, learning_rate, iterations, masks=None, *, batch, momentum=0, l1=0, l2=0,
                      dropout=0, adjust_dropout=True, seed=None, step=0, progress=None):
    """Stochastic gradient descent, with a few pictures at a time.

    Every picture is used once in an epoch, ceil(m / batch) iterations; the order is drawn anew for every epoch.

    X : ndarray of shape (n_x, m), uint8 or of the parameters' type; Y : ndarray of shape (n_L, m)
    learning_rate, masks : as in `gradient_descent`
    batch : the number of pictures in an iteration
    momentum, l1, l2 : see `Dense`
    dropout : the fraction of the hidden layers' units that is left out in an iteration, a number or one for each layer
    adjust_dropout : whether the masks reduce it, see `dropout_rates`
    seed, step : of the order of the pictures and of dropout, see `random_generator`
    progress : see `descend`
    Returns the new parameters (the given ones are left as they were) and the costs, see `descend`: costs[i] is that of
    the pictures of iteration i. Raises FloatingPointError and ValueError as `gradient_descent` does.
    """
    check_data(X, Y, parameters)
    masks, rates = checked_masks(parameters, masks, True), checked_rates(learning_rate, iterations, l2)
    check_settings(l1=l1, l2=l2, momentum=momentum, dropout=dropout)
    random = random_generator(seed, step, parameters)
    blocks, part = _connected(parameters, masks)
    layers = dense_layers(part, {name: mask[blocks[name]] for name, mask in masks.items()},
                          momentum=momentum, l1=l1, l2=l2)
    with_dropout = [layers[0]]
    for rate, layer in zip(dropout_rates(dropout, parameters, masks if adjust_dropout else {}), layers[1:]):
        with_dropout += [Dropout(rate, random), layer] if rate else [layer]
    batches = draw_batches(X[blocks["X"]], Y, batch, parameters["W1"].dtype, random)
    costs = descend(with_dropout, batches, rates, progress)
    trained = _copied(parameters)
    for name, value in trained_parameters(layers).items():
        trained[name][blocks[name]] = value
    return trained, costs


def half_cosine(learning_rate, iterations):
    """A learning rate that falls to 0 along half a cosine (arXiv 1608.03983), an array of shape (iterations,)."""
    return learning_rate * (1 + np.cos(np.pi * np.arange(iterations) / iterations)) / 2


def random_generator(seed, step, parameters):
    """What a descent draws with.

    seed : a number, or None: it then comes from the biases, so that who trains on call by call sees other pictures
    step : the number of the descent in a run of several, each of which sees other pictures
    """
    if seed is None:
        biases = [parameters[f"b{l}"].ravel() for l in range(1, number_of_layers(parameters) + 1)]
        seed = np.concatenate(biases).view(np.uint32)
    return np.random.default_rng([step, *np.atleast_1d(seed)])


def draw_batches(X, Y, batch, dtype, random):
    """The pictures and labels of each iteration, without end: every epoch in a new order. Raises ValueError."""
    if batch < 1:
        raise ValueError(f"batch is {batch}; there must be a picture in an iteration")
    pictures, labels = np.ascontiguousarray(X.T), np.ascontiguousarray(Y.T, dtype)  # one a row, to draw them
    while True:
        order = random.permutation(len(pictures))
        for first in range(0, len(order), batch):
            drawn = order[first:first + batch]
            yield as_floating(pictures[drawn], dtype).T, labels[drawn].T


def _copied(parameters):
    return {name: value.copy() for name, value in parameters.items()}


def trained_parameters(layers):
    """The parameters when the descent is over, of the layers that have some. Raises FloatingPointError."""
    parameters = {}
    for l, layer in enumerate((layer for layer in layers if isinstance(layer, Dense)), start=1):
        parameters[f"W{l}"], parameters[f"b{l}"] = layer.parameters()
    for name, value in parameters.items():
        if not np.isfinite(value).all():
            raise FloatingPointError(f"{name} holds NaN or infinity in the end; try a smaller learning rate")
    return parameters


def _connected(parameters, masks):
    """The part of a network that has connections: the gradients of all other pixels and units are 0.

    So a retraining takes less time, the more is pruned.

    Returns the indices of each W, each b and the rows of X that are in it, a dict; and a copy of those parameters.
    """
    L = number_of_layers(parameters)
    kept = [masks.get(f"W{l}", np.ones(parameters[f"W{l}"].shape, bool)) for l in range(1, L + 1)]
    units = [kept[0].any(axis=0)]  # for the pixels and each layer, which of its units are in it
    units += [a.any(axis=1) | b.any(axis=0) for a, b in zip(kept, kept[1:])]
    units.append(np.ones(len(kept[-1]), bool))
    blocks = {"X": units[0] if not units[0].all() else slice(None)}  # a slice, as it does not copy the pictures
    for l in range(1, L + 1):
        blocks[f"W{l}"], blocks[f"b{l}"] = np.ix_(units[l], units[l - 1]), units[l]
    return blocks, {name: value[blocks[name]].copy() for name, value in parameters.items()}


# ---------------------------------------------------------------------------------------------------- the Gram form

class GramLayer(Dense):
    """Layer 1 without the pictures, in the Gram (dual) form.

    An update changes row r of W by -rate dZ[r] X^T where its mask M_r lets it, and so row r of W X by -rate dZ[r] G_r,
    with the Gram matrix G_r = X^T diag(M_r) X, which has the shape (m, m) however many pixels there are. W itself is
    needed only at the end, when the sum S of all rate dZ gives it at once: W = W_0 - S X^T. It is the same descent, not
    an approximation: only the rounding differs. (dW, which would need the pictures, is not computed.)

    With L2, as weight decay, W <- c W - rate dZ X^T, where c = 1 - rate l2. So W X and S are multiplied by c as well,
    and W = C W_0 - S X^T, where C is the product of all c. Of that follows
    |W|^2 = C^2 |W_0|^2 - sum(S (C W_0 X + W X)).

    gram : the `GramMatrices` of the pictures
    """

    def __init__(self, gram, W, b, mask=None, g=relu, l2=0):
        super().__init__(W, b, mask, g, l2=l2, is_first=True)
        self.X, self.G = gram.X, gram.update_mask(mask)
        self.W0X = W @ self.X  # (n_1, m)
        self.WX, self.S, self.C = self.W0X.copy(), np.zeros_like(self.W0X), 1.0
        self.squares = np.square(W).sum() if l2 else 0

    def forward(self, _):
        """A_1, of shape (n_1, m)."""
        self.A = self.activate(self.WX + self.b)
        return self.A

    def backward(self, dA):
        """Keeps dZ_1, of shape (n_1, m)."""
        self.dZ = self.through_g(dA)

    def update(self, rate):
        """A step for W X and b; without a mask one Gram matrix serves all units, with masks each has its own."""
        if self.l2:
            c = 1 - rate * self.l2
            self.C *= c
            self.WX *= c
            self.S *= c
        step = rate * self.dZ
        self.WX -= step @ self.G if self.G.ndim == 2 else (step[:, None] @ self.G)[:, 0]
        self.b -= step.sum(axis=1, keepdims=True)
        self.S += step

    def penalty(self):
        """l2/2 sum w^2."""
        if not self.l2:
            return 0
        return self.l2 / 2 * (self.C**2 * self.squares - (self.S * (self.C * self.W0X + self.WX)).sum())

    def parameters(self):
        """W and b when the descent is over."""
        step = self.S @ self.X.T
        W = self.C * self.W - (step if self.mask is None else step * self.mask)
        return W.astype(self.W.dtype, copy=False), self.b


class GramMatrices:
    """The Gram matrices of the pictures, X^T diag(M_r) X for each row M_r of layer 1's mask.

    Pruning only takes inputs away, so from one step to the next the products of what was removed are subtracted: about
    5 % of the work of computing the matrices anew.

    X : ndarray of shape (n_x, m), numbers or uint8; it must not be changed for as long as the matrices are used
    """

    def __init__(self, X):
        self.source, self.X, self.total = X, as_floating(X), X.sum(dtype=float)  # the sum tells that X was changed
        self.mask = None  # the mask that G belongs to; None: all pixels
        self.G = None  # (m, m) without a mask, (n_1, m, m) with one

    def update_mask(self, mask):
        """Compute G for a mask, bool of shape (n_1, n_x), or for None, all pixels. Returns G."""
        if self.G is None or self.mask is not None and (mask is None or len(mask) != len(self.mask)):
            self.mask, self.G = None, self._products(slice(None))
        if mask is None:
            return self.G
        if self.mask is None:
            self.mask, self.G = np.ones_like(mask), np.repeat(self.G[None], len(mask), axis=0)
        for G_r, old, new in zip(self.G, self.mask, mask):
            removed = old & ~new
            if (new & ~old).any() or removed.sum() > new.sum():
                G_r[:] = self._products(new)
            elif removed.any():
                G_r -= self._products(removed)
        self.mask = mask.copy()  # the caller may fill the array anew
        return self.G

    def _products(self, pixels):
        """X^T X over some of the pixels, (m, m)."""
        chosen = self.X.T[:, pixels]
        # By blocks of rows: OpenBLAS 0.3 with two threads has been seen to crash on one product A A^T of 16,000 rows.
        rows = 4096
        return np.concatenate([chosen[i:i + rows] @ chosen.T for i in range(0, len(chosen), rows)])


def cheaper_method(shape, n_1, is_masked, iterations, l1=0):
    """The method of `gradient_descent` that takes fewer multiply-adds in layer 1, which has nearly all of them.

    The Gram form is ruled out where its matrices would take more memory than the pictures, and with L1, whose step
    has the sign of every weight and so does not follow from the inner products.

    shape : of the pictures, (n_x, m); is_masked : whether each of the n_1 units has a matrix of its own
    """
    n_x, m = shape
    if (n_1 if is_masked else 1) * m > n_x or l1:
        return "textbook"
    textbook = 2 * n_1 * n_x * m  # W_1 X and dZ_1 X^T
    return "gram" if n_x * m * m + textbook + iterations * n_1 * m * m < iterations * textbook else "textbook"


# --------------------------------------------------------------------------------- what the functions check first

def check_data(X, Y, parameters, n_x=None):
    """Raise ValueError for pictures or labels that a network cannot be trained on. Returns the sum of X.

    n_x : the number of inputs, if it is not the number of columns of W1
    """
    *_, n_L = layer_sizes(parameters)
    n_x = n_x or parameters["W1"].shape[1]
    if X.ndim != 2 or len(X) != n_x:
        raise ValueError(f"X has shape {X.shape}, not ({n_x}, m): a picture is a column")
    total = X.sum(dtype=float)
    if not np.isfinite(total):  # the sum, as it takes no memory
        raise ValueError("X holds NaN or infinity")
    if Y.shape != (n_L, X.shape[1]):
        raise ValueError(f"Y has shape {Y.shape}, not {(n_L, X.shape[1])}: a picture's labels are a column")
    if not np.isin(Y, (0, 1)).all():
        others = ", ".join(map(str, np.setdiff1d(Y, (0, 1))[:5]))
        raise ValueError(f"Y holds {others}; labels are 0 and 1, those of several classes one-hot columns")
    if n_L > 1 and (np.sum(Y, axis=0) != 1).any():
        raise ValueError("Y has a column without a 1, or with several; of several classes a picture has one")
    return total


def checked_masks(parameters, masks, are_applied=False):
    """A copy of the masks as bool arrays, a dict; masks : None, or a dict {"W1": an array of 0 and 1, ...}.

    Raises ValueError for a name that is no layer's weights, another shape, or other values than 0 and 1; with
    are_applied also for weights outside a mask that are not 0.
    """
    found = {}
    for name, mask in (masks or {}).items():
        if name not in parameters or name[0] != "W":
            raise ValueError(f"there is a mask for {name!r}, but no such weights; masks are for W1, W2, ...")
        values = np.asarray(mask)
        if values.shape != parameters[name].shape:
            raise ValueError(f"the mask of {name} has shape {values.shape}, not {parameters[name].shape}")
        found[name] = values.astype(bool)
        if (found[name] != values).any():
            raise ValueError(f"the mask of {name} holds other values than 0 and 1")
        if are_applied and parameters[name][~found[name]].any():
            raise ValueError(f"{name} has weights outside its mask that are not 0: apply the masks first")
    return found


def checked_rates(learning_rate, iterations, l2):
    """The learning rate of each iteration, a list; learning_rate : a number, or an array of shape (iterations,).

    Raises ValueError.
    """
    rates = np.asarray(learning_rate, float)
    if rates.shape not in ((), (iterations,)):
        raise ValueError(f"learning_rate has shape {rates.shape} for {iterations} iterations")
    if not (np.isfinite(rates) & (rates >= 0)).all():
        raise ValueError("learning_rate holds NaN, infinity or a number below 0")
    if not (rates * l2 < 1).all():
        raise ValueError(f"an l2 of {l2:g} is too large for a learning rate of {rates.max():g}: "
                         "an update would change the sign of the weights")
    return np.broadcast_to(rates, iterations).tolist()


def check_settings(**settings):
    """Raise ValueError for a setting that is not from 0 on; momentum and dropout must be below 1."""
    for name, value in settings.items():
        if not (np.greater_equal(value, 0) & np.less(value, 1 if name in ("momentum", "dropout") else np.inf)).all():
            raise ValueError(f"{name} is {value}; it must be at least 0, momentum and dropout below 1")
