"""The network and its training, by hand and with NumPy alone: read it beside the paper.

A fully connected network that says whether a picture shows a car: ReLU in the hidden layers, a sigmoid at the end.
Or, with K outputs, which of K things it shows: softmax at the end.
Layers are numbered 1 to L. Columns are pictures: X has shape (n_x, m), Y has shape (n_L, m): 1 = car, or one-hot. The
parameters are a dict `W1, b1, ..., WL, bL`, where W{l} has shape (n_l, n_{l-1}) and b{l} has shape (n_l, 1).

In order: the network; full-batch gradient descent, and its two methods for layer 1, the only layer that meets the
pictures; and mini-batch gradient descent.
The paper is Han et al., "Learning both Weights and Connections for Efficient Neural Networks", arXiv 1506.02626v3.
"""

from typing import NamedTuple

import numpy as np

BLOCK = 100  # iterations of gradient descent whose costs are computed together


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
        signals from layer to layer
    """
    random = np.random.RandomState(seed)
    parameters = {}
    for l in range(1, len(sizes)):
        scale = 0.098 if init == "original" else np.sqrt(2 / sizes[l - 1])
        parameters[f"W{l}"] = random.randn(sizes[l], sizes[l - 1]) * scale
        parameters[f"b{l}"] = random.randn(sizes[l], 1) if init == "original" else np.zeros((sizes[l], 1))
    return parameters


def relu(Z, out=None):
    """max(0, Z), element by element; out : None, or the array that it is written to."""
    return np.maximum(Z, 0, out=out)


def sigmoid(Z):
    """1 / (1 + exp(-Z)), element by element. Where exp(-Z) becomes infinite the result is 0, as it should be."""
    return 1 / (1 + np.exp(-Z))


def softmax(Z):
    """exp(Z) / sum(exp(Z)), the probabilities of K classes for each column of Z, of shape (K, m)."""
    powers = np.exp(Z - Z.max(axis=0))
    return powers / powers.sum(axis=0)


def augmented_layers(parameters):
    """The layers 2 to L, each as one matrix [W_l b_l] of shape (n_l, n_{l-1} + 1): a bias is the weight of an input 1.

    So a layer takes one product forwards, and one gives its gradient: with matrices as small as these, the number of
    NumPy calls is what costs time.
    """
    return [np.hstack([parameters[f"W{l}"], parameters[f"b{l}"]]) for l in range(2, number_of_layers(parameters) + 1)]


def augmented_activations(layers, m):
    """An array for the input of each of the layers 2 to L: A_{l-1} and below it a row of 1, shape (n_{l-1} + 1, m)."""
    return [np.ones((layer.shape[1], m), layer.dtype) for layer in layers]


def forward(Z1, layers, activations, dropout=None):
    """Forward propagation: A_l = ReLU(Z_l), Z_{l+1} = W_{l+1} A_l + b_{l+1}, and in the end A_L.

    Z1 : W_1 X + b_1, an ndarray of shape (n_1, m); layer 1 is the caller's, see `gradient_descent`
    layers : see `augmented_layers`
    activations : see `augmented_activations`; A_1, ..., A_{L-1} are written to them
    dropout : None, or for each hidden layer what its A_l is multiplied by, see `draw_dropout`
    Returns A_L of shape (n_L, m): sigmoid(Z_L), the probability of a car, or softmax(Z_L).
    """
    Z = Z1
    for layer, A, kept in zip(layers, activations, dropout or [None] * len(layers)):
        relu(Z, out=A[:-1])
        if kept is not None:
            A[:-1] *= kept
        Z = layer @ A
    return sigmoid(Z) if len(Z) == 1 else softmax(Z)


def output_gradient(AL, Y):
    """m times the gradient of the cost with respect to Z_L, an ndarray of shape (n_L, m).

    With one output dA_L = -(Y / (A_L + 1e-5) - (1 - Y) / (1 - A_L + 1e-5)), the original experiment's formula, and
    dZ_L = dA_L A_L (1 - A_L). With K outputs dZ_L = A_L - Y.
    """
    if len(Y) > 1:
        return AL - Y
    not_AL = 1 - AL
    return ((1 - Y) / (not_AL + 1e-5) - Y / (AL + 1e-5)) * AL * not_AL


def backward(dZ, layers, activations, dropout=None):
    """Back-propagation: dW_l = dZ_l A_{l-1}^T, db_l = sum(dZ_l), and dZ_{l-1} = W_l^T dZ_l ReLU'(Z_{l-1}).

    dZ : the gradient with respect to Z_L, an ndarray of shape (n_L, m)
    layers, activations, dropout : as `forward` had and left them
    Returns the gradients [dW_l db_l] of the layers 2 to L, and dZ_1 of shape (n_1, m).
    """
    gradients = []
    dropout = dropout or [None] * len(layers)
    for layer, A, kept in zip(reversed(layers), reversed(activations), reversed(dropout)):
        gradients.append(dZ @ A.T)
        dZ = layer[:, :-1].T @ dZ
        dZ *= np.sign(A[:-1])  # ReLU': 1 where A > 0, and 0 where A is 0
        if kept is not None:
            dZ *= kept
    return gradients[::-1], dZ


def compute_cost(AL, Y):
    """Cross-entropy. With one output -(1/m) sum(Y log AL + (1 - Y) log(1 - AL + 1e-5)), the original's formula.

    The 1e-5 bounds the cost of a picture without a car. With K outputs -(1/m) sum(Y log AL).

    AL : ndarray of shape (n_L, m), or (k, n_L, m): the output in k iterations; Y : ndarray of shape (n_L, m)
    Returns a number, or an array of shape (k,).
    """
    smallest = np.nextafter(AL.dtype.type(0), AL.dtype.type(1))  # keeps log(0) out without changing any other value
    if len(Y) > 1:
        return -(Y * np.log(np.maximum(AL, smallest))).sum(axis=(-2, -1)) / Y.shape[1]
    AL, Y = AL[..., 0, :], Y[0]
    return -np.mean(Y * np.log(np.maximum(AL, smallest)) + (1 - Y) * np.log(1 - AL + 1e-5), axis=-1)


def penalty(W, l1, l2):
    """What regularisation adds to the cost for the weights of a layer (section 3.1): l1 sum |w| + l2/2 sum w^2."""
    return (l1 * np.abs(W).sum() if l1 else 0) + l2 / 2 * np.vdot(W, W)


def penalty_gradient(W, l1, l2):
    """The gradient of `penalty`, l1 sign(W) + l2 W: 0 where a connection is pruned."""
    return l1 * np.sign(W) + l2 * W if l1 else l2 * W


def as_floating(X, dtype=float):
    """The input of the network: pixels of uint8, 0 to 255, become numbers from 0 to 1; others are numbers already."""
    return np.divide(X, 255, dtype=dtype) if X.dtype == np.uint8 else X


@np.errstate(over="ignore", invalid="ignore")  # see `sigmoid`; and `evaluate` finds NaN
def activations(X, parameters):
    """What each layer computes: A_1, ..., A_L, a list of arrays of shape (n_l, m)."""
    if X.dtype == np.uint8:  # a part at a time, for as floating-point numbers they take up to eight times the memory
        parts = [activations(as_floating(X[:, i:i + 1000], parameters["W1"].dtype), parameters)
                 for i in range(0, X.shape[1], 1000)]
        return [np.hstack(layer) for layer in zip(*parts)]
    layers = augmented_layers(parameters)
    inputs = augmented_activations(layers, X.shape[1])
    AL = forward(parameters["W1"] @ X + parameters["b1"], layers, inputs)
    return [*(A[:-1] for A in inputs), AL]


def predict(X, parameters):
    """The probability of a car, or of K classes, for each picture, an array of shape (n_L, m)."""
    return activations(X, parameters)[-1]


def accuracy(AL, Y):
    """The share of pictures judged correctly, in percent: a probability above 0.5 says "car"; of K, the largest counts.
    """
    correct = (AL > 0.5) == Y if len(Y) == 1 else AL.argmax(axis=0) == Y.argmax(axis=0)
    return float(100 * np.mean(correct))


def evaluate(data, parameters):
    """The `Evaluation` of a network; data : has X_train, Y_train, X_test, Y_test.

    Raises FloatingPointError where the cost is NaN or infinite.
    """
    AL = predict(data.X_train, parameters)
    cost = compute_cost(AL, data.Y_train).item()
    if not np.isfinite(cost):
        raise FloatingPointError(f"the cost of the network is {cost}: its weights are too large")
    return Evaluation(cost, accuracy(AL, data.Y_train), accuracy(predict(data.X_test, parameters), data.Y_test))


# --------------------------------------------------------------------------------------------- gradient descent

@np.errstate(all="ignore")  # see `sigmoid`; and numbers that go bad are found below
def gradient_descent(X, Y, parameters, learning_rate, iterations, masks=None, *, l1=0, l2=0, method=None, gram=None,
                     progress=None):
    """Full-batch gradient descent: forward, cost, backward, update, again.

    Layer 1, the only one that meets the pictures, has two methods: `TextbookLayer` multiplies with all pictures twice
    in every iteration, `GramLayer` never. Both give the same result, to rounding.

    X : ndarray of shape (n_x, m); Y : ndarray of shape (n_L, m)
    masks : None, or for example {"W1": bool array of W1's shape, ...}: where it is False, a pruned connection, the
        weight stays 0 (section 3 of the paper: retrain the remaining connections); it must be 0 in `parameters`
    l1, l2 : the factors of regularisation, of the weights of all layers (see `penalty`) and not of the biases
    method : "textbook", "gram", or None to choose (`cheaper_method`)
    gram : None, or the `GramMatrices` of X, which save work if they are kept from one call to the next
    progress : None, or a function that is called after every BLOCK of iterations, with their number and the last cost
    Returns the new parameters (the given ones are left as they were) and the costs, an array of shape (iterations,):
    costs[i] is the cost before iteration i, the penalty included. Raises FloatingPointError where a cost or a parameter
    becomes NaN or infinite, and ValueError for l1 with the method "gram" or an l2 too large for the learning rate.
    """
    masks, gram = masks or {}, gram or GramMatrices(X)
    layer1 = _layer1(parameters, gram, masks.get("W1"), learning_rate, iterations, l1, l2, method)
    layers = augmented_layers(parameters)
    weights = [layer[:, :-1] for layer in layers]  # views, without the biases
    layer_masks = _augmented_masks(masks, layers)
    activations = augmented_activations(layers, Y.shape[1])

    costs = np.zeros(iterations)
    for start in range(0, iterations, BLOCK):
        outputs = []
        for i in range(start, min(start + BLOCK, iterations)):
            AL = forward(layer1.Z(), layers, activations)  # forward
            outputs.append(AL)  # cost: see below
            # Times the learning rate here, where there are few numbers: all gradients below are linear in it, so they
            # are what an update subtracts.
            dZ = output_gradient(AL, Y) * (learning_rate / Y.shape[1])
            gradients, dZ1 = backward(dZ, layers, activations)  # backward
            if l1 or l2:
                costs[i] = layer1.penalty() + sum(penalty(W, l1, l2) for W in weights)
                for gradient, W in zip(gradients, weights):
                    gradient[:, :-1] += learning_rate * penalty_gradient(W, l1, l2)
            layer1.update(dZ1)  # update
            for layer, gradient, mask in zip(layers, gradients, layer_masks):
                layer -= gradient * mask
        # The costs of a block at once: one by one, in their iterations, they would take a quarter of the time.
        costs[start:i + 1] += compute_cost(np.stack(outputs), Y)
        _check_costs(costs, i)
        if progress:
            progress(i + 1 - start, costs[i])
    return _trained_parameters(layer1.parameters(), layers), costs


def _layer1(parameters, gram, mask, learning_rate, iterations, l1, l2, method):
    """Layer 1 in the form of a method; for the arguments see `gradient_descent`. Raises ValueError."""
    W, b = parameters["W1"], parameters["b1"]
    method = method or cheaper_method(gram, len(W), mask, iterations, l1)
    if method == "gram" and l1:
        raise ValueError("with l1 there is only the method \"textbook\"")
    if learning_rate * l2 >= 1:
        raise ValueError(f"an l2 of {l2:g} is too large for a learning rate of {learning_rate:g}: "
                         "an update would change the sign of the weights")
    layer_class = {"textbook": TextbookLayer, "gram": GramLayerWithDecay if l2 else GramLayer}[method]
    return layer_class(gram, W, b, mask, learning_rate, l1, l2)


def _augmented_masks(masks, layers):
    """The masks of `augmented_layers`: those of the weights, and a column of 1, as biases are never pruned."""
    return [np.hstack([masks[f"W{l}"], np.ones((len(layer), 1))]) if f"W{l}" in masks else 1
            for l, layer in enumerate(layers, start=2)]


def _check_costs(costs, last):
    """Raise FloatingPointError if a cost up to the last is NaN or infinite; then it never becomes finite again."""
    if not np.isfinite(costs[last]):
        first = np.flatnonzero(~np.isfinite(costs))[0]
        raise FloatingPointError(f"the cost is {costs[first]} at iteration {first}; try a smaller learning rate")


def _trained_parameters(layer1, layers):
    """The parameters when the descent is over; layer1 : W1 and b1. Raises FloatingPointError."""
    parameters = dict(zip(("W1", "b1"), layer1))
    for l, layer in enumerate(layers, start=2):
        parameters[f"W{l}"], parameters[f"b{l}"] = layer[:, :-1].copy(), layer[:, -1:].copy()
    for name, value in parameters.items():
        if not np.isfinite(value).all():
            raise FloatingPointError(f"{name} holds NaN or infinity in the end; try a smaller learning rate")
    return parameters


class TextbookLayer:
    """Layer 1 as in the textbook: Z = W X + b, W <- W - D X^T, b <- b - sum(D), where D is learning_rate dZ.

    gram : the `GramMatrices` of the pictures X
    W, b, mask : ndarrays of shape (n_1, n_x), (n_1, 1) and (n_1, n_x), the mask bool or None
    """

    def __init__(self, gram, W, b, mask, learning_rate=1, l1=0, l2=0):
        self.X, self.W, self.b, self.mask = gram.X, W.copy(), b.copy(), mask
        self.learning_rate, self.l1, self.l2 = learning_rate, l1, l2

    def Z(self):
        """Z_1 = W X + b, of shape (n_1, m)."""
        Z = self.W @ self.X
        Z += self.b
        return Z

    def penalty(self):
        """The function `penalty`, of W."""
        return penalty(self.W, self.l1, self.l2)

    def update(self, D):
        """Take a step down the gradient; D is the step for Z_1, of shape (n_1, m)."""
        dW = D @ self.X.T
        if self.mask is not None:
            dW *= self.mask
        if self.l1 or self.l2:
            dW += self.learning_rate * penalty_gradient(self.W, self.l1, self.l2)
        self.W -= dW
        self.b -= D.sum(axis=1, keepdims=True)

    def parameters(self):
        """W and b when the descent is over."""
        return self.W, self.b


class GramLayer:
    """The same layer 1 without the pictures, in the Gram (dual) form.

    Row r of W changes by -D[r] X^T where its mask M_r lets it, and b[r] by -sum(D[r]). So Z[r] = W[r] X + b[r] changes
    by -D[r] G_r with G_r = X^T diag(M_r) X + 1, the Gram matrix of unit r (the 1, in every place, is the bias's). It
    has the shape (m, m) however many pixels there are. W and b themselves are needed only at the end, when the sum of
    all D gives them at once. It is the same descent, not an approximation: only the rounding differs.
    """

    def __init__(self, gram, W, b, mask, learning_rate=1, l1=0, l2=0):
        self.X, self.W, self.b, self.mask = gram.X, W, b, mask
        self.G = gram.update_mask(mask)
        self.current_Z = W @ self.X + b
        self.sum_D = np.zeros_like(self.current_Z)

    def times_G(self, D):
        """Each unit's D[r] G_r, (n_1, m): without a mask one matrix serves all units, with masks each has its own."""
        return D @ self.G if self.G.ndim == 2 else (D[:, None] @ self.G)[:, 0]

    def Z(self):
        """Z_1, of shape (n_1, m)."""
        return self.current_Z

    def update(self, D):
        """Take a step down the gradient; D is the step for Z_1, of shape (n_1, m)."""
        self.current_Z -= self.times_G(D)
        self.sum_D += D

    def parameters(self):
        """W and b when the descent is over."""
        layer = TextbookLayer(self, self.W, self.b, self.mask)
        layer.update(self.sum_D)
        return layer.parameters()


class GramLayerWithDecay(GramLayer):
    """The same with L2 as weight decay, W <- c W - U, where c = 1 - learning_rate l2 and U = D X^T; b does not decay.

    So W X is multiplied by c as well, and W at the end is the first W times all c, less each U times the c of the
    later steps. The penalty needs the sum of the squares of W. A step changes it to c^2 |W|^2 - 2 c W.U + U.U, and
    these products are at hand, for W.U = (W X).D and U.U = (U X).D.
    """

    def __init__(self, gram, W, b, mask, learning_rate=1, l1=0, l2=0):
        super().__init__(gram, W, b.copy(), mask)
        self.WX = self.current_Z - b
        self.l2, self.c = l2, 1 - learning_rate * l2
        self.decay = 1.0  # the product of all c so far
        self.squares = np.square(W).sum()

    def Z(self):
        """Z_1, of shape (n_1, m)."""
        return self.WX + self.b

    def penalty(self):
        """The function `penalty`, of W."""
        return self.l2 / 2 * self.squares

    def update(self, D):
        """Take a step down the gradient; D is the step for Z_1, of shape (n_1, m)."""
        self.decay *= self.c
        self.WX *= self.c
        self.sum_D *= self.c
        self.squares *= self.c**2
        sums = D.sum(axis=1, keepdims=True)
        UX = self.times_G(D) - sums
        self.squares += (D * (UX - 2 * self.WX)).sum()
        self.WX -= UX
        self.b -= sums
        self.sum_D += D

    def parameters(self):
        """W and b when the descent is over."""
        layer = TextbookLayer(self, self.W * self.decay, self.b, self.mask)
        layer.update(self.sum_D)
        return layer.W, self.b


class GramMatrices:
    """The Gram matrices of the pictures, X^T diag(M_r) X + 1 for each row M_r of layer 1's mask.

    Pruning only takes inputs away, so from one step to the next the products of what was removed are subtracted: about
    5 % of the work of computing the matrices anew.
    """

    def __init__(self, X):
        self.X = X  # (n_x, m)
        self.mask = None  # the mask that G belongs to; None: all pixels
        self.G = None  # (m, m) without a mask, (n_1, m, m) with one

    def update_mask(self, mask):
        """Compute G for a mask, bool of shape (n_1, n_x), or for None, all pixels. Returns G."""
        if self.G is None or (mask is None and self.mask is not None):
            self.mask, self.G = None, self._products(slice(None)) + 1
        if mask is not None:
            changes = self._changes(mask)
            if self.mask is None:
                self.G = np.repeat(self.G[None], len(mask), axis=0)
            self.mask = mask
            for G_r, (pixels, subtract) in zip(self.G, changes):
                if subtract:
                    G_r -= self._products(pixels)
                else:
                    G_r[:] = self._products(pixels) + 1
        return self.G

    def multiply_adds(self, mask):
        """How many `update_mask` would take."""
        n_x, m = self.X.shape
        pixels = n_x if self.G is None or (mask is None and self.mask is not None) else 0
        if mask is not None:
            pixels += sum(len(changed) for changed, _ in self._changes(mask))
        return pixels * m * m

    def _changes(self, mask):
        """For each unit, the pixels whose products lead to its new matrix, and whether they are to be subtracted."""
        changes = []
        for r, new in enumerate(mask):
            old = np.ones_like(new) if self.mask is None else self.mask[r]
            removed, kept = np.flatnonzero(old & ~new), np.flatnonzero(new)
            subtract = len(removed) <= len(kept) and not (new & ~old).any()
            changes.append((removed if subtract else kept, subtract))
        return changes

    def _products(self, pixels):
        """X^T X over some of the pixels, (m, m)."""
        chosen = self.X.T[:, pixels]
        # By blocks of rows: OpenBLAS 0.3 with two threads has been seen to crash on one product A A^T of 16,000 rows.
        rows = 4096
        if len(chosen) <= rows:
            return chosen @ chosen.T
        return np.concatenate([chosen[i:i + rows] @ chosen.T for i in range(0, len(chosen), rows)])


def cheaper_method(gram, n_1, mask, iterations, l1=0):
    """The method of `gradient_descent` that takes fewer multiply-adds in layer 1, which has nearly all of them.

    The Gram form is ruled out where its matrices would take more memory than the pictures, and with L1, whose step
    has the sign of every weight and so does not follow from the inner products.
    """
    n_x, m = gram.X.shape
    matrices = 1 if mask is None else n_1
    if matrices * m > n_x or l1:
        return "textbook"
    textbook = 2 * n_1 * n_x * m  # W_1 X and dZ_1 X^T
    gram_form = gram.multiply_adds(mask) + textbook + iterations * n_1 * m * m
    return "gram" if gram_form < iterations * textbook else "textbook"


# ------------------------------------------------------------------------------------ mini-batch gradient descent

def half_cosine(learning_rate, iterations):
    """A learning rate that falls to 0 along half a cosine (arXiv 1608.03983), an array of shape (iterations,)."""
    return learning_rate * (1 + np.cos(np.pi * np.arange(iterations) / iterations)) / 2


def dropout_rates(dropout, parameters, masks):
    """The share of each hidden layer's units that is dropped: D_r = D_o sqrt(C_ir / C_io) (section 3.2, eq. 2).

    dropout : D_o, the share in the unpruned network, a number or one for each hidden layer
    C_io : the number of the layer's connections; C_ir : that of those which `masks` leave
    """
    hidden = [f"W{l}" for l in range(1, number_of_layers(parameters))]
    return [rate * np.sqrt(np.mean(masks[name])) if name in masks else rate
            for rate, name in zip(np.broadcast_to(dropout, len(hidden)), hidden)]


def draw_dropout(rates, layers, m, random):
    """What A_l of each hidden layer is multiplied by, an array of shape (n_l, m): 0, or 1 / (1 - rate).

    So what reaches the next layer stays the same in the mean. None where nothing is dropped.
    """
    if not any(rates):
        return None
    # Whole numbers of 16 bits are drawn faster than floating-point ones.
    drawn = [random.integers(1 << 16, size=(layer.shape[1] - 1, m), dtype=np.uint16) for layer in layers]
    return [(numbers >= round(rate * (1 << 16))) * layer.dtype.type(1 / (1 - rate))
            for numbers, rate, layer in zip(drawn, rates, layers)]


@np.errstate(all="ignore")  # numbers that go bad are found below
def minibatch_descent(X, Y, parameters, learning_rate, iterations, masks=None, *, batch, momentum=0, l1=0, l2=0,
                      dropout=0, adjust_dropout=True, seed=1, progress=None):
    """Stochastic gradient descent: forward, cost, backward, update, with a few pictures at a time.

    Every picture is used once in an epoch, ceil(m / batch) iterations; the order is drawn anew for every epoch.

    X : ndarray of shape (n_x, m), uint8 or of the parameters' type; Y : ndarray of shape (n_L, m)
    learning_rate : a number, or an array of shape (iterations,), see `half_cosine`
    masks : as in `gradient_descent`
    batch : the number of pictures in an iteration
    momentum : of the velocity V <- momentum V - learning_rate dW, W <- W + V
    l1, l2 : the factors of regularisation, of the weights of all layers (see `penalty`) and not of the biases
    dropout : the share of the hidden layers' units that is left out in an iteration, a number or one for each layer
    adjust_dropout : whether the masks reduce it, see `dropout_rates`
    seed : of the order of the pictures, and of dropout
    progress : None, or a function that is called after every BLOCK of iterations, with their number and the last cost
    Returns the new parameters (the given ones are left as they were) and the costs, an array of shape (iterations,):
    costs[i] is the cost of the pictures of iteration i before it, the penalty included. Raises FloatingPointError where
    a cost or a parameter becomes NaN or infinite.
    """
    masks, random, dtype = masks or {}, np.random.default_rng(seed), parameters["W1"].dtype
    m, rates = X.shape[1], np.broadcast_to(learning_rate, iterations).tolist()
    dropped = dropout_rates(dropout, parameters, masks if adjust_dropout else {})
    chosen, part, masks = _connected(parameters, masks)
    pixels = np.ascontiguousarray(X.T if chosen[0].all() else X.T[:, chosen[0]])  # a picture a row, to draw them
    labels = np.ascontiguousarray(Y.T, dtype)
    W1, b1, layers = part["W1"], part["b1"], augmented_layers(part)
    activations = {n: augmented_activations(layers, n) for n in {min(batch, m), m % batch} if n}
    weights = [W1, *(layer[:, :-1] for layer in layers)]
    updates = [MomentumUpdate(W1, masks["W1"], momentum, l1, l2), MomentumUpdate(b1, None, momentum)]
    for l, layer in enumerate(layers, start=2):  # with a last column for the biases
        mask, is_weight = np.ones(layer.shape, bool), np.ones(layer.shape[1], dtype)
        mask[:, :-1], is_weight[-1] = masks[f"W{l}"], 0
        updates.append(MomentumUpdate(layer, mask, momentum, l1 * is_weight, l2 * is_weight))

    costs = np.zeros(iterations)
    for i, drawn in zip(range(iterations), _batches(m, batch, random)):
        X_drawn, Y_drawn, n = as_floating(pixels[drawn], dtype).T, labels[drawn].T, len(drawn)
        kept = draw_dropout(dropped, layers, n, random)
        AL = forward(W1 @ X_drawn + b1, layers, activations[n], kept)  # forward
        costs[i] = compute_cost(AL, Y_drawn)  # cost
        if l1 or l2:
            costs[i] += sum(penalty(W, l1, l2) for W in weights)
        dZ = output_gradient(AL, Y_drawn) * (rates[i] / n)  # times the learning rate here, as in `gradient_descent`
        gradients, dZ1 = backward(dZ, layers, activations[n], kept)  # backward
        for update, gradient in zip(updates, (dZ1 @ X_drawn.T, dZ1.sum(axis=1, keepdims=True), *gradients)):
            update(gradient, rates[i])  # update
        if (i + 1) % BLOCK == 0 or i + 1 == iterations:
            _check_costs(costs, i)
            if progress:
                progress(i % BLOCK + 1, costs[i])
    trained = {name: value.copy() for name, value in parameters.items()}
    for name, value in _trained_parameters((W1, b1), layers).items():
        l = int(name[1:])
        trained[name][np.ix_(chosen[l], chosen[l - 1]) if name[0] == "W" else chosen[l]] = value
    return trained, costs


def _batches(m, batch, random):
    """The indices of the pictures of each iteration, without end: every epoch in a new order."""
    while True:
        order = random.permutation(m)
        for first in range(0, m, batch):
            yield order[first:first + batch]


def _connected(parameters, masks):
    """The part of a network that has connections: the gradients of all other pixels and units are 0.

    Returns which pixels and units are in it, a bool array for the pixels and one for each layer; its parameters; and
    its masks, for every layer.
    """
    L = number_of_layers(parameters)
    masks = {f"W{l}": masks.get(f"W{l}", np.ones(parameters[f"W{l}"].shape, bool)) for l in range(1, L + 1)}
    with_output = [masks[f"W{l}"].any(axis=0) for l in range(1, L + 1)]
    with_input = [masks[f"W{l}"].any(axis=1) for l in range(1, L + 1)]
    chosen = [with_output[0], *(a | b for a, b in zip(with_input, with_output[1:])), np.ones(len(with_input[-1]), bool)]
    blocks = {l: np.ix_(chosen[l], chosen[l - 1]) for l in range(1, L + 1)}
    part = {name: parameters[name][blocks[int(name[1:])] if name[0] == "W" else chosen[int(name[1:])]]
            for name in parameters}
    return chosen, part, {f"W{l}": masks[f"W{l}"][blocks[l]] for l in blocks}


class MomentumUpdate:
    """Updates W in place: V <- momentum V - rate (dW + l1 sign(W) + l2 W), W <- W + V, where the mask is True.

    Where few connections are left, no others are touched: they are updated by their indices.

    W : ndarray of shape (rows, columns); mask : bool of the same shape, or None
    l1, l2 : each a number, or one for each column
    """

    FEW = 0.25  # of the connections; where more are left, it is faster to update all and to multiply by the mask

    def __init__(self, W, mask, momentum, l1=0, l2=0):
        self.W, self.mask, self.indices, self.momentum, self.l1, self.l2 = W, None, None, momentum, l1, l2
        if mask is not None and mask.mean() < self.FEW:
            self.indices = np.flatnonzero(mask)
            self.l1, self.l2 = (np.broadcast_to(factor, W.shape)[mask] for factor in (l1, l2))
        elif mask is not None and not mask.all():
            self.mask = mask
        self.values = W if self.indices is None else W.ravel()[self.indices]
        self.V = np.zeros_like(self.values)

    def __call__(self, step, rate):
        """step : rate dW, the step that the gradient alone gives; rate : the learning rate."""
        self.V *= self.momentum
        self.V -= step if self.indices is None else step.ravel()[self.indices]
        if np.any(self.l1):
            self.V -= np.sign(self.values) * (rate * self.l1)
        if np.any(self.l2):
            self.V -= self.values * (rate * self.l2)
        self.values += self.V
        if self.indices is not None:
            self.W.ravel()[self.indices] = self.values
        elif self.mask is not None:
            self.W *= self.mask
