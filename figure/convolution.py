"""Convolution and pooling by hand, as layers for the loop of `nn_functions.py`, and LeNet-5 made of them.

Pictures come last, as they do there: A has the shape (channels, height, width, m).
"""

import numpy as np

import nn_functions as nn

PART = 32  # pictures at a time: then all that the layers compute of them stays in the processor's cache

# LeNet-5 as Caffe has it, which the paper pruned: two convolutions with pooling, and two dense layers.
PICTURE = (1, 28, 28)
KERNEL = 5
UNITS = (20, 50, 500)  # filters of the convolutions, units of the first dense layer


# -------------------------------------------------------------------------------------------------- the layers

class Convolution(nn.Dense):
    """A dense layer's W and b, applied to every patch of K x K pixels, without padding or ReLU: Z = W patches + b.

    W, b, mask, settings : as in `nn.Dense`; W has the shape (filters, channels K K), b (filters, 1). A column of W
        belongs to a channel, a row and a column of the patch, in this order
    shape : of the input but for the pictures, (channels, height, width)
    """

    def __init__(self, W, b, mask=None, *, shape, **settings):
        super().__init__(W, b, mask, g=None, **settings)
        self.shape, self.dW, self.db = shape, 0, 0
        _, height, width = self.output_shape = len(W), shape[1] - KERNEL + 1, shape[2] - KERNEL + 1
        # For each column of W: its pixel in each of the patches.
        pixels = np.arange(np.prod(shape)).reshape(shape)
        patches = np.lib.stride_tricks.sliding_window_view(pixels, (KERNEL, KERNEL), axis=(1, 2))
        self.places = patches.transpose(0, 3, 4, 1, 2).reshape(-1, height * width)

    def forward(self, A):
        """Z, of shape (filters, height - K + 1, width - K + 1, m)."""
        m = A.shape[-1]
        patches = A.reshape(-1, m).take(self.places, axis=0, mode="clip").reshape(len(self.places), -1)
        Z = self.W @ patches
        Z += self.b
        self.state = patches
        return Z.reshape(*self.output_shape, m)

    def backward(self, dZ):
        """Adds to dW and db, until `update`: the pictures of an iteration come in parts. Returns dA, of A's shape."""
        m = dZ.shape[-1]
        dZ = dZ.reshape(len(dZ), -1)
        self.dW, self.db = self.dW + dZ @ self.state.T, self.db + dZ.sum(axis=1, keepdims=True)
        if self.is_first:
            return None
        dpatches = (self.W.T @ dZ).reshape(-1, *self.output_shape[1:], m)
        dA = np.zeros((*self.shape, m), dZ.dtype)
        for k in range(KERNEL**2):  # a place in the patches: its columns of W, and the pixels that they meet
            row, column = divmod(k, KERNEL)
            dA[:, row:row + dpatches.shape[1], column:column + dpatches.shape[2]] += dpatches[k::KERNEL**2]
        return dA

    def update(self, rate):
        """As in `nn.Dense`; then the sums begin anew."""
        super().update(rate)
        self.dW, self.db = 0, 0


class MaxPool(nn.Layer):
    """The largest of each 2 x 2 values. The gradient goes to that one, and of equal ones to the first."""

    def forward(self, Z):
        """A, of shape (channels, height / 2, width / 2, m); Z : of shape (channels, height, width, m)."""
        upper_left, upper_right, lower_left, lower_right = self.corners(Z)
        A = np.maximum(np.maximum(upper_left, upper_right), np.maximum(lower_left, lower_right))
        self.state = Z, A
        return A

    def backward(self, dA):
        """dZ, of Z's shape."""
        Z, A = self.state
        dZ, found = np.empty_like(Z), np.zeros(A.shape, bool)
        for z, dz in zip(self.corners(Z), self.corners(dZ)):
            is_largest = (z == A) & ~found
            found |= is_largest
            np.multiply(dA, is_largest, out=dz)
        return dZ

    @staticmethod
    def corners(Z):
        """Views of the first, second, third and fourth value of each square."""
        return [Z[:, row::2, column::2] for row in (0, 1) for column in (0, 1)]


class InParts(nn.Layer):
    """Convolutions and poolings, all of them for PART pictures and then for the next ones.

    layers : each keeps in `state` what `backward` needs of the last `forward`
    shape : of the input but for the pictures. The input and the output are matrices, (n, m)
    is_trained : whether to keep the states of all parts for `backward`
    """

    def __init__(self, layers, shape, is_trained=False):
        self.layers, self.shape, self.is_trained = layers, shape, is_trained

    def forward(self, X):
        """A, of shape (features, m)."""
        self.states, outputs = [], []
        for part in self.parts(X):
            A = np.ascontiguousarray(part).reshape(*self.shape, -1)
            for layer in self.layers:
                A = layer.forward(A)
            outputs.append(A.reshape(-1, A.shape[-1]))
            if self.is_trained:
                self.states.append([layer.state for layer in self.layers])
        self.output_shape = A.shape[:-1]
        return np.hstack(outputs)

    def backward(self, dA):
        """The layers add up their gradients. There is none for the pictures."""
        for states, part in zip(self.states, self.parts(dA)):
            part = np.ascontiguousarray(part).reshape(*self.output_shape, -1)
            for layer, layer.state in zip(self.layers[::-1], states[::-1]):
                part = layer.backward(part)

    @staticmethod
    def parts(A):
        """The columns of A, PART at a time."""
        return [A[:, first:first + PART] for first in range(0, A.shape[1], PART)]

    def update(self, rate):
        """Each layer takes its step."""
        for layer in self.layers:
            layer.update(rate)

    def penalty(self):
        """The sum of those of the layers."""
        return sum(layer.penalty() for layer in self.layers)


# ----------------------------------------------------------------------------------------------------- LeNet-5

def new_parameters(seed, units=UNITS):
    """LeNet-5 before training, in float32: W = sqrt(2 / columns) randn, b = 0 (He et al., arXiv 1502.01852).

    units : the filters of the convolutions, and the units of the first dense layer
    """
    first, second, hidden = units
    random, parameters = np.random.RandomState(seed), {}
    shapes = ((first, KERNEL**2), (second, first * KERNEL**2), (hidden, second * 16), (10, hidden))
    for l, (rows, columns) in enumerate(shapes, start=1):
        parameters[f"W{l}"] = (random.randn(rows, columns) * np.sqrt(2 / columns)).astype(np.float32)
        parameters[f"b{l}"] = np.zeros((rows, 1), np.float32)
    return parameters


def layers_of(parameters, masks=None, dropout=(0, 0), random=None, **settings):
    """LeNet-5 as a list of layers, on the parameters themselves, for `nn_functions.activations` and `descend`.

    Filters without connections are computed as well: leaving them out made an epoch 1.1 to 1.3 times as fast at 200
    times fewer connections, and no faster at 12.

    masks : a dict {"W1": mask, ...} or None
    dropout : at the inputs of the two dense layers; random : what it is drawn with; None: the network is not trained
    settings : of the layers that learn, see `nn_functions.Dense`
    """
    learned = [(parameters[f"W{l}"], parameters[f"b{l}"], (masks or {}).get(f"W{l}")) for l in (1, 2, 3, 4)]
    pooled = len(parameters["W1"]), *((size - KERNEL + 1) // 2 for size in PICTURE[1:])
    front = [Convolution(*learned[0], shape=PICTURE, is_first=True, **settings), MaxPool(),
             Convolution(*learned[1], shape=pooled, **settings), MaxPool()]
    layers = [InParts(front, PICTURE, random is not None)]
    for rate, values, g in zip(dropout, learned[2:], (nn.relu, nn.output)):
        layers += [nn.Dropout(rate, random)] if rate else []
        layers.append(nn.Dense(*values, g=g, **settings))
    return layers


@np.errstate(all="ignore")  # numbers that go bad are found
def minibatch_descent(X, Y, parameters, learning_rate, iterations, masks=None, *, batch, momentum=0, l2=0,
                      dropout=(0, 0), seed=None, step=0, progress=None):
    """`nn_functions.minibatch_descent` for LeNet-5, without `l1` and `adjust_dropout`.

    dropout : at the inputs of the two dense layers, before `masks` reduce it, see `nn_functions.dropout_rates`
    """
    nn.check_data(X, Y, parameters, n_x=np.prod(PICTURE))
    masks, rates = nn.checked_masks(parameters, masks, True), nn.checked_rates(learning_rate, iterations, l2)
    nn.check_settings(l2=l2, momentum=momentum, dropout=dropout)
    random = nn.random_generator(seed, step, parameters)
    reduced = nn.dropout_rates((0, *dropout), parameters, masks)[1:]
    trained = {name: value.copy() for name, value in parameters.items()}
    layers = layers_of(trained, masks, reduced, random, momentum=momentum, l2=l2)
    costs = nn.descend(layers, nn.draw_batches(X, Y, batch, parameters["W1"].dtype, random), rates, progress)
    return nn.trained_parameters([*layers[0].layers, *layers]), costs
