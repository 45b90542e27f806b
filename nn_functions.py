"""The network that the scripts share, written by hand.

A fully connected network that says whether a picture shows a car: ReLU in the hidden layers, a sigmoid at the end.
Layers are numbered 1 to L. Columns are pictures: X has shape (n_x, m), Y has shape (1, m), 1 = car. The parameters
are a dict `W1, b1, ..., WL, bL`, where W{l} has shape (n_l, n_{l-1}) and b{l} has shape (n_l, 1).

In order: the data, the network, its training, and the files. The paper is Han et al., "Learning both Weights and
Connections for Efficient Neural Networks", arXiv 1506.02626v3.
"""

import argparse
import contextlib
import functools
import io
import os
import pickletools
import re
import sys
import tempfile
import warnings
import zipfile

import h5py
import numpy as np
from PIL import Image, ImageOps

PICTURE_ENDINGS = (".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tga",
                   ".tif", ".tiff", ".webp")


class InputError(Exception):
    """Something that the user can mend. Its text is one line that names the file and says what is wrong with it."""


# ---------------------------------------------------------------------------------------------------- the data

def load_data(path):
    """Read a data set such as `datasets/carvnocar.h5`.

    Pictures are uint8, or floating-point numbers from 0 to 1 or from 0 to 255; which of the two is said. Labels stored
    as (m,), (m, 1) or (1, m) are all read.

    Returns X_train of shape (n_x, m), Y_train (1, m), X_test (n_x, m_test) and Y_test (1, m_test), all float64: pixels
    from 0 to 1 (divided by 255), and labels 0 or 1. Raises InputError.
    """
    with _open_data(path) as file:
        train, test = _stored_pictures(file, "train"), _stored_pictures(file, "test")
        if (train.shape[1:], train.dtype) != (test.shape[1:], test.dtype):
            raise InputError(f"pictures of two kinds: {train.shape[1:]} {train.dtype} in X_train, "
                             f"{test.shape[1:]} {test.dtype} in X_test")
        Y_train, Y_test = _read_labels(file, "train"), _read_labels(file, "test")
        train, test = train[()], test[()]
        white = _white(train, test)
    if train.dtype != np.uint8:
        print(f"{path}: the pictures are {train.dtype}, taken as values from 0 to {white}")
    X_train, X_test = scale_pictures(train, white), scale_pictures(test, white)
    if Y_train.min() == Y_train.max():
        print(f"warning: {path}: every label in y_train is {Y_train.min():.0f}", file=sys.stderr)
    return X_train, Y_train, X_test, Y_test


def picture_shape(path):
    """The shape of one picture of a data set, (height, width, 3) in pixels. Raises InputError."""
    with _open_data(path) as file:
        return _stored_pictures(file, "train").shape[1:]


@contextlib.contextmanager
def _open_data(path):
    """Open an HDF5 file to read; what goes wrong meanwhile becomes an InputError that names it."""
    with open(path, "rb"):  # a missing file is an OSError; h5py's own message for it is several lines long
        pass
    with _reading(path, "an HDF5 file"), h5py.File(path, "r") as file:
        yield file


@contextlib.contextmanager
def _reading(path, kind):
    """What goes wrong in reading a file becomes an InputError that names it; kind: what the file should be, as "a .npy file"."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except Exception as error:  # damaged bytes can make the readers raise nearly anything
        raise InputError(f"{path}: not {kind}, or a damaged one ({describe(error)})") from error


def _stored(file, name):
    """The data set `name` of an open HDF5 file. Raises InputError."""
    stored = file.get(name)
    if not isinstance(stored, h5py.Dataset) or stored.shape is None:
        raise InputError(f"has no {name}")
    # A damaged or lying file may declare any size. Compression saves a factor of about 1000 at most.
    if stored.size * stored.dtype.itemsize > 2000 * os.path.getsize(file.filename):
        raise InputError(f"declares {name} of shape {stored.shape}, more than so small a file can hold")
    return stored


def _stored_pictures(file, part):
    """The data set of one part's pictures, its shape checked. Raises InputError."""
    stored = _stored(file, f"X_{part}")
    if len(stored.shape) != 4 or stored.shape[3] != 3 or 0 in stored.shape:
        raise InputError(f"X_{part} has shape {stored.shape}; (number, height, width, 3) was expected")
    return stored


def _white(train, test):
    """The largest value that the pictures of a data set may have, 1 or 255. Raises InputError."""
    if train.dtype == np.uint8:
        return 255
    if train.dtype.kind != "f":
        raise InputError(f"X_train holds {train.dtype}, neither uint8 nor floating-point numbers")
    low, high = min(train.min(), test.min()), max(train.max(), test.max())
    if not (0 <= low and high <= 255 and np.isfinite(train.sum() + test.sum())):
        raise InputError(f"X_train and X_test hold values from {low} to {high}, not from 0 to 1 or 0 to 255")
    return 1 if high <= 1 else 255


def _read_labels(file, part):
    """One part's labels, (1, m). Raises InputError."""
    number = file[f"X_{part}"].shape[0]
    labels = _stored(file, f"y_{part}")[()]
    if not isinstance(labels, np.ndarray) or labels.shape not in ((number,), (number, 1), (1, number)):
        raise InputError(f"y_{part} has shape {np.shape(labels)} for {number} pictures")
    if labels.dtype.kind not in "biuf" or not np.isin(labels, (0, 1)).all():
        raise InputError(f"y_{part} holds other values than 0 and 1")
    return labels.reshape(1, -1).astype(float)


def scale_pictures(pictures, white=255):
    """Turn pictures of shape (m, height, width, 3), from 0 to `white`, into the network's input X, (n_x, m), 0 to 1."""
    return pictures.reshape(len(pictures), np.prod(pictures.shape[1:])).T / white


def read_picture(path, shape):
    """Read one picture file, of any mode and size, as uint8 of `shape` = (height, width, 3).

    Training pictures and photos both come through here, so that they are treated alike: first frame, turned upright
    by its EXIF orientation, transparency laid on white, resized without regard to its proportions (bicubic).
    Raises InputError, or OSError if there is no such file.
    """
    height, width, _ = shape
    with open(path, "rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of harmless oddities, such as damaged EXIF data
        try:
            picture = ImageOps.exif_transpose(Image.open(file))
            if picture.mode.startswith(("I", "F")):
                picture = _eight_bits(picture)
            if picture.has_transparency_data:
                picture = picture.convert("RGBA")
                picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
            return np.asarray(picture.convert("RGB").resize((width, height), Image.Resampling.BICUBIC))
        except Exception as error:  # a damaged file can make Pillow raise nearly anything
            raise InputError(f"{path}: cannot be read as a picture ({describe(error)})") from error


def _eight_bits(picture):
    """Turn a greyscale picture of 16 bits, 32 bits or floating point into one of 8 bits.

    Pillow only clips such values at 255. Its "I" and "F" do not say which value is white: here it is the first of
    1, 255 and 65535 that no pixel exceeds, or else the largest pixel.
    """
    values = np.asarray(picture, float)
    if not np.isfinite(values).all():
        raise InputError("it holds NaN or infinity")
    largest = values.max()
    white = 65535 if picture.mode.startswith("I;16") else next((w for w in (1, 255, 65535) if largest <= w), largest)
    return Image.fromarray(np.clip(values / white * 255, 0, 255).round().astype(np.uint8))


def list_pictures(folder):
    """The paths of the pictures in a folder, by their endings, in natural order: 2.jpg before 10.jpg."""
    names = [name for name in os.listdir(folder)
             if name.lower().endswith(PICTURE_ENDINGS) and not name.startswith(".")]
    return [os.path.join(folder, name) for name in sorted(names, key=natural_order)]


def natural_order(name):
    """A sort key that reads the digits in a name as numbers."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)], name


# ------------------------------------------------------------------------------------------------- the network

def number_of_layers(parameters):
    """L, the number of layers: the parameters are a W and a b for each."""
    return len(parameters) // 2


def sizes_of_layers(parameters):
    """n_x, then the number of units of each layer, for example [10800, 5, 4, 3, 2, 1]."""
    return [parameters["W1"].shape[1], *(len(parameters[f"b{l}"]) for l in range(1, number_of_layers(parameters) + 1))]


def initialize_parameters(layer_sizes, seed):
    """Draw the first weights and biases: normal, the weights times 0.098, layer by layer W before b.

    layer_sizes : n_x, then the number of units of each layer, for example (10800, 5, 4, 3, 2, 1)
    """
    random = np.random.RandomState(seed)
    parameters = {}
    for l in range(1, len(layer_sizes)):
        parameters[f"W{l}"] = random.randn(layer_sizes[l], layer_sizes[l - 1]) * 0.098
        parameters[f"b{l}"] = random.randn(layer_sizes[l], 1)
    return parameters


def later_layers(parameters):
    """The layers 2 to L as a list of matrices [W_l b_l], of shape (n_l, n_{l-1} + 1): a bias is the weight of a 1."""
    return [np.hstack([parameters[f"W{l}"], parameters[f"b{l}"]]) for l in range(2, number_of_layers(parameters) + 1)]


def new_activations(layers, m):
    """Room for what goes into each of the layers 2 to L: A_{l-1} and below it a row of 1, shape (n_{l-1} + 1, m)."""
    return [np.ones((layer.shape[1], m)) for layer in layers]


def relu(Z, out):
    """max(0, Z), element by element, written to `out`."""
    return np.maximum(Z, 0, out=out)


def sigmoid(Z):
    """1 / (1 + exp(-Z)), element by element. Where exp(-Z) becomes infinite the result is 0, as it should be."""
    return 1 / (1 + np.exp(-Z))


def forward(Z1, layers, activations):
    """Forward propagation from Z_1 = W_1 X + b_1: A_l = ReLU(Z_l), Z_{l+1} = W_{l+1} A_l + b_{l+1}, A_L = sigmoid(Z_L).

    Layer 1 is the caller's, because it alone meets the pictures; see `gradient_descent`.

    Z1 : ndarray of shape (n_1, m)
    layers : see `later_layers`
    activations : see `new_activations`; filled with A_1, ..., A_{L-1}
    Returns A_L of shape (1, m), the probability of a car.
    """
    Z = Z1
    for layer, A in zip(layers, activations):
        relu(Z, out=A[:-1])
        Z = layer @ A
    return sigmoid(Z)


def backward(AL, Y, layers, activations, scale=1):
    """Back-propagation: the gradient of the cost with respect to the layers 2 to L, and to Z_1.

    At the output dA_L = -(Y / (A_L + 1e-5) - (1 - Y) / (1 - A_L + 1e-5)), the original experiment's formula, and
    dZ_L = dA_L A_L (1 - A_L) / m. Then dW_l = dZ_l A_{l-1}^T, db_l = sum(dZ_l), and dZ_{l-1} = W_l^T dZ_l ReLU'(Z_{l-1}).

    AL : what `forward` returned; activations : what it filled
    scale : everything is multiplied by it, at no cost; with the learning rate, it is what an update subtracts
    Returns a list of [dW_l db_l], each of the shape of its layer, and dZ_1 of shape (n_1, m).
    """
    not_AL = 1 - AL
    dZ = ((1 - Y) / (not_AL + 1e-5) - Y / (AL + 1e-5)) * AL * not_AL * (scale / Y.size)
    gradients = []
    for layer, A in zip(reversed(layers), reversed(activations)):
        gradients.append(dZ @ A.T)
        dZ = layer[:, :-1].T @ dZ
        dZ *= np.sign(A[:-1])  # ReLU': 1 where A > 0, and 0 where A is 0
    return gradients[::-1], dZ


def compute_cost(AL, Y):
    """Cross-entropy, -(1/m) sum(Y log AL + (1 - Y) log(1 - AL + 1e-5)): the original experiment's formula.

    The 1e-5 bounds the cost of a picture without a car.

    AL : ndarray of shape (1, m), or (k, m): the output in k iterations; Y : ndarray of shape (1, m)
    Returns an array of shape (1,), or (k,).
    """
    smallest = np.nextafter(0, 1)  # log(0) is kept out without changing any other value
    return -np.mean(Y * np.log(np.maximum(AL, smallest)) + (1 - Y) * np.log(1 - AL + 1e-5), axis=1)


@np.errstate(over="ignore")  # see `sigmoid`
def predict(X, parameters):
    """The probability of a car for each picture, an array of shape (1, m)."""
    layers = later_layers(parameters)
    return forward(parameters["W1"] @ X + parameters["b1"], layers, new_activations(layers, X.shape[1]))


def accuracy(AL, Y):
    """The share of pictures judged rightly, in percent: a probability above 0.5 says "car"."""
    return float(100 * np.mean((AL > 0.5) == Y))


# ------------------------------------------------------------------------------------------------ the training

COST_BLOCK = 100  # iterations whose costs are computed together


@np.errstate(all="ignore")  # see `sigmoid`; and numbers that go bad are found below
def gradient_descent(X, Y, parameters, learning_rate, iterations, masks=None, progress=None, gram=None, way=None,
                     l1=0, l2=0):
    """Full-batch gradient descent: forward, backward, update, again, by one of two ways.

    They differ in layer 1 alone, the only one that meets the pictures: `TextbookLayer` multiplies with all of them
    twice in every iteration, `SampleSpaceLayer` never. Both give the same result, to rounding.

    X : ndarray of shape (n_x, m); Y : ndarray of shape (1, m)
    masks : None, or for example {"W1": bool array of W1's shape, ...}: where it is False, a pruned connection, the
        weight stays 0 (section 3 of the paper: retrain the remaining connections); it must be 0 in `parameters`
    progress : None, or a function that is called with (iterations done, last cost) now and then
    gram : None, or the `GramMatrices` of X, which save work if they are kept from one call to the next
    way : "textbook", "sample space", or None to choose (`cheaper_way`); with L1 only the textbook's
    l1, l2 : how much the weights of all layers are held small (`penalty`); biases are not
    Returns the new parameters (the given ones are left as they were) and the costs, an array of shape (iterations,):
    costs[i] is the cost before iteration i, the penalty included. Raises InputError if the numbers go bad.
    """
    masks = masks or {}
    gram = gram or GramMatrices(X)
    W1, b1 = parameters["W1"].copy(), parameters["b1"].copy()
    if way is None:
        way = cheaper_way(gram, len(W1), masks.get("W1"), iterations, l1)
    if l1 and way != "textbook":
        raise ValueError("with L1 there is only the textbook's way")
    if learning_rate * l2 >= 1:  # a step multiplies the weights by 1 - learning_rate l2
        raise InputError(f"L2 of {l2:g} is too much for a learning rate of {learning_rate:g}: a step would turn the weights' sign")
    layer_class = {"textbook": TextbookLayer, "sample space": ShrinkingSampleSpaceLayer if l2 else SampleSpaceLayer}[way]
    first = layer_class(gram, W1, b1, masks.get("W1"))
    layers = later_layers(parameters)
    layer_masks = [mask_with_bias(masks.get(f"W{l}")) for l in range(2, len(layers) + 2)]
    activations = new_activations(layers, Y.size)

    costs = np.empty(iterations)
    penalties = np.zeros(iterations)
    outputs = np.empty((COST_BLOCK, Y.size))
    for i in range(iterations):
        AL = forward(first.Z(), layers, activations)
        steps, first_step = backward(AL, Y, layers, activations, learning_rate)
        if l1 or l2:  # the penalty's part of the step, taken first because it belongs to the weights as they were
            penalties[i] = first.penalty(l1, l2) + sum(penalty(layer[:, :-1], l1, l2) for layer in layers)
            first.shrink(learning_rate * l1, learning_rate * l2)
            for layer in layers:
                layer[:, :-1] -= penalty_gradient(layer[:, :-1], learning_rate * l1, learning_rate * l2)
        first.update(first_step)
        for layer, step, mask in zip(layers, steps, layer_masks):
            layer -= step if mask is None else step * mask

        k = i % COST_BLOCK
        outputs[k] = AL
        if k == COST_BLOCK - 1 or i == iterations - 1:
            costs[i - k:i + 1] = compute_cost(outputs[:k + 1], Y) + penalties[i - k:i + 1]
            if not np.isfinite(costs[i]):  # once it is not, it stays so
                bad = np.flatnonzero(~np.isfinite(costs[:i + 1]))[0]
                raise InputError(f"the cost is {costs[bad]} at iteration {bad}; try a smaller --learning-rate")
            if progress:
                progress(i + 1, costs[i])

    trained = dict(zip(("W1", "b1"), first.trained()))
    for l, layer in enumerate(layers, start=2):
        trained[f"W{l}"], trained[f"b{l}"] = layer[:, :-1].copy(), layer[:, -1:].copy()
    for name, value in trained.items():
        if not np.isfinite(value).all():
            raise InputError(f"{name} holds NaN or infinity after {iterations} iterations; try a smaller --learning-rate")
    return trained, costs


def penalty(W, l1, l2):
    """What regularisation adds to the cost for the weights of a layer (section 3.1): l1 sum |w| + l2/2 sum w^2."""
    return (l1 * np.abs(W).sum() if l1 else 0) + l2 / 2 * np.vdot(W, W)


def penalty_gradient(W, l1, l2):
    """The gradient of `penalty`, l1 sign(W) + l2 W: 0 where a connection is pruned."""
    return l1 * np.sign(W) + l2 * W if l1 else l2 * W


def mask_with_bias(mask):
    """The mask of [W b]: biases are never pruned. None stays None."""
    return None if mask is None else np.hstack([mask, np.ones((len(mask), 1))])


class TextbookLayer:
    """Layer 1 as the textbook has it: Z = W X + b, W <- W - D X^T, b <- b - sum(D), where D is learning_rate dZ.

    gram : the `GramMatrices` of the pictures X
    W, b, mask : ndarrays of shape (n_1, n_x), (n_1, 1) and (n_1, n_x), the mask bool or None; W and b are changed
    """

    def __init__(self, gram, W, b, mask):
        self.X, self.W, self.b, self.mask = gram.X, W, b, mask

    def Z(self):
        """Z_1 = W X + b, of shape (n_1, m)."""
        Z = self.W @ self.X
        Z += self.b
        return Z

    def update(self, D):
        """Take a step down the gradient; D is the step for Z_1, of shape (n_1, m)."""
        dW = D @ self.X.T
        if self.mask is not None:
            dW *= self.mask
        self.W -= dW
        self.b -= D.sum(axis=1, keepdims=True)

    def penalty(self, l1, l2):
        """The function `penalty`, of W."""
        return penalty(self.W, l1, l2)

    def shrink(self, l1_step, l2_step):
        """Take a step down the penalty's gradient; the steps are the penalty's factors times the learning rate."""
        self.W -= penalty_gradient(self.W, l1_step, l2_step)

    def trained(self):
        """W and b when the descent is over."""
        return self.W, self.b


class SampleSpaceLayer:
    """The same layer 1 without the pictures: what the updates do to W X + b depends on X by its inner products alone.

    Row r of W changes by -D[r] X^T, where its mask M_r lets it, and b[r] by -sum(D[r]). So Z[r] = W[r] X + b[r] changes
    by -D[r] (X^T diag(M_r) X + 1): the Gram matrix of unit r, of shape (m, m) however many pixels there are, and 1 in
    every place for the bias. W and b themselves are needed only in the end, when the sum of all D gives them at once.
    The same descent, not an approximation: only the rounding differs.
    """

    def __init__(self, gram, W, b, mask):
        self.X, self.W, self.b, self.mask = gram.X, W, b, mask
        self.G = gram.for_mask(mask)
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

    def trained(self):
        """W and b when the descent is over."""
        layer = TextbookLayer(self, self.W, self.b, self.mask)
        layer.update(self.sum_D)
        return layer.trained()


class ShrinkingSampleSpaceLayer(SampleSpaceLayer):
    """The same with L2 regularisation, W <- c W - U, where U = D X^T: so W X is multiplied by c as well, but b is not.

    So W in the end is the first W times the product of all c, less the sum of all U, each times the c of the later steps.
    The cost needs the sum of the squares of W. A step takes it to c^2 |W|^2 - 2 c W.U + U.U, and these products are
    at hand, for W.U = (W X).D and U.U = (U X).D.
    """

    def __init__(self, gram, W, b, mask):
        super().__init__(gram, W, b, mask)
        self.WX = self.current_Z - b
        self.scale = 1.0  # the product of all c
        self.squares = np.square(W).sum()

    def penalty(self, l1, l2):
        """The function `penalty`, of W; without L1, which the sample space cannot have."""
        return l2 / 2 * self.squares

    def Z(self):
        """Z_1, of shape (n_1, m)."""
        return self.WX + self.b

    def shrink(self, l1_step, l2_step):
        """Take a step down the penalty's gradient: whatever has W as a factor is multiplied by c = 1 - l2_step."""
        c = 1 - l2_step
        self.scale *= c
        self.WX *= c
        self.sum_D *= c
        self.squares *= c * c

    def update(self, D):
        """Take a step down the gradient; D is the step for Z_1, of shape (n_1, m)."""
        sums = D.sum(axis=1, keepdims=True)
        UX = self.times_G(D) - sums
        self.squares += (D * (UX - 2 * self.WX)).sum()
        self.WX -= UX
        self.b -= sums
        self.sum_D += D

    def trained(self):
        """W and b when the descent is over."""
        layer = TextbookLayer(self, self.W * self.scale, self.b.copy(), self.mask)
        layer.update(self.sum_D)
        return layer.W, self.b


class GramMatrices:
    """The inner products of the pictures, X^T diag(M_r) X + 1 for each row M_r of layer 1's mask.

    Pruning only takes inputs away, so from one step to the next the products of what was removed are subtracted: about
    5 % of the work of computing the matrices anew.
    """

    def __init__(self, X):
        self.X = X  # (n_x, m)
        self.mask = None  # the mask that G belongs to; None: all pixels
        self.G = None  # (m, m) without a mask, (n_1, m, m) with one

    def for_mask(self, mask):
        """The matrices of a mask, bool of shape (n_1, n_x), as (n_1, m, m); for None the one of all pixels, (m, m)."""
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

    def work(self, mask):
        """The multiply-adds that `for_mask` would take."""
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
        # By blocks of rows, because OpenBLAS 0.3 with two threads has been seen to crash on one product A A^T of 16,000 rows.
        rows = 4096
        if len(chosen) <= rows:
            return chosen @ chosen.T
        return np.concatenate([chosen[i:i + rows] @ chosen.T for i in range(0, len(chosen), rows)])


def cheaper_way(gram, n_1, mask, iterations, l1=0):
    """The way of `gradient_descent` that takes fewer multiply-adds in layer 1, which has nearly all of them.

    The sample space is ruled out where its matrices would take more memory than the pictures, and with L1, whose step
    has the sign of every weight and so does not follow from the inner products.
    """
    n_x, m = gram.X.shape
    matrices = 1 if mask is None else n_1
    if matrices * m > n_x or l1:
        return "textbook"
    pixels = 2 * n_1 * n_x * m  # W_1 X and dZ_1 X^T
    sample_space = gram.work(mask) + pixels + iterations * n_1 * m * m
    return "sample space" if sample_space < iterations * pixels else "textbook"


# --------------------------------------------------------------------------------------------------- the files

def load_parameters(path, n_x):
    """Read a network that `save_parameters` or `export_parameters` wrote: a dict `W1, b1, ..., WL, bL` of float64 arrays.

    n_x : the number of inputs that the data has; the network must have as many. Raises InputError.
    """
    with open(path, "rb") as file:
        exported = file.read(4) == b"PK\x03\x04"  # as every zip file begins
    stored = _load_exported(path) if exported else load_dict(path)
    parameters = {}
    size = n_x
    for l in range(1, sum(name.startswith("W") for name in stored) + 1):
        for name in (f"W{l}", f"b{l}"):
            value = stored.get(name)
            if not isinstance(value, np.ndarray) or value.ndim != 2 or value.dtype.kind not in "fiu":
                raise InputError(f"{path}: {name} is missing or is not a matrix of real numbers")
            if not np.isfinite(value).all():
                raise InputError(f"{path}: {name} holds NaN or infinity")
            parameters[name] = value.astype(float)
        rows, columns = parameters[f"W{l}"].shape
        if rows == 0 or columns != size:
            raise InputError(f"{path}: W{l} has shape {(rows, columns)}, but {size} inputs come to it")
        if parameters[f"b{l}"].shape != (rows, 1):
            raise InputError(f"{path}: b{l} has shape {parameters[f'b{l}'].shape}, not {(rows, 1)}")
        size = rows
    if not parameters or size != 1:
        raise InputError(f"{path}: not a network W1, b1, ..., WL, bL with one output")
    return parameters


def save_parameters(path, parameters, costs):
    """Write a network and its costs as the original experiment did: the dict `W1, b1, ..., WL, bL, costs`."""
    save_dict(path, {**parameters, "costs": costs})


def export_parameters(path, parameters):
    """Write what survived of a pruned network as a `.npz` of four arrays, not compressed. Returns its size in bytes.

    layers : n_x and the number of units of each layer, int64
    connections : a bit for each weight, layer by layer and row by row, 1 where it is not 0, as np.packbits packs them
    weights : those weights, float32; biases : all biases, float64

    path : where to write it; None to ask for the size alone. Raises InputError if a weight is too large for float32.
    """
    L = number_of_layers(parameters)
    weights = np.concatenate([parameters[f"W{l}"].ravel() for l in range(1, L + 1)])
    with np.errstate(over="ignore"):
        weights = weights.astype(np.float32)
    if not np.isfinite(weights).all():
        raise InputError(f"{path}: cannot be written, a weight is too large for float32")
    content = io.BytesIO()
    biases = np.concatenate([parameters[f"b{l}"].ravel() for l in range(1, L + 1)])
    np.savez(content, layers=np.array(sizes_of_layers(parameters), np.int64), connections=np.packbits(weights != 0),
             weights=weights[weights != 0], biases=biases.astype(np.float64))
    if path is not None:
        write_whole(path, lambda file: file.write(content.getbuffer()))
    return len(content.getbuffer())


def _load_exported(path):
    """Read what `export_parameters` wrote. Raises InputError.

    Not with np.load, which would make room for whatever size a damaged or lying file declares. As nothing in the file is
    compressed and each weight takes a bit, the network is at most 64 times as large as the file.
    """
    with _reading(path, "an exported network"):
        with zipfile.ZipFile(path) as archive, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NumPy's, of headers that Python 2 wrote
            if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
                raise InputError("is compressed, which an exported network is not")
            layers, connections, weights, biases = (
                _vector(archive.read(f"{name}.npy"), dtype) for name, dtype in
                (("layers", "<i8"), ("connections", "|u1"), ("weights", "<f4"), ("biases", "<f8")))
        sizes = layers.tolist()
        shapes = list(zip(sizes[1:], sizes[:-1]))
        number = sum(rows * columns for rows, columns in shapes)
        if min(sizes, default=0) < 1 or len(connections) != -(-number // 8) or len(biases) != sum(sizes[1:]):
            raise InputError(f"its connections or biases are not those of a network of layers {sizes}")
        there = np.unpackbits(connections, count=number).astype(bool)
        if there.sum() != len(weights):
            raise InputError(f"holds {len(weights)} weights for {there.sum()} connections")
        dense = np.zeros(number)
        dense[there] = weights
        parameters = {}
        for l, (rows, columns) in enumerate(shapes, start=1):
            W, dense = np.split(dense, [rows * columns])
            b, biases = np.split(biases, [rows])
            parameters[f"W{l}"], parameters[f"b{l}"] = W.reshape(rows, columns), b.reshape(rows, 1)
        return parameters


def _vector(content, dtype):
    """The array of one dimension and a given type that the bytes of a `.npy` file hold. Raises InputError, or ValueError."""
    file = io.BytesIO(content)
    np.lib.format.read_magic(file)
    shape, _, stored = np.lib.format.read_array_header_1_0(file)
    vector = np.frombuffer(content, dtype, offset=file.tell())
    if stored != np.dtype(dtype) or shape != vector.shape:
        raise InputError(f"holds an array of shape {shape} and type {stored} where {vector.shape} and {dtype} belong")
    return vector


def save_dict(path, values):
    """Write a dict as `np.save` does, whole or not at all."""
    write_whole(path, lambda file: np.save(file, np.array(values, dtype=object), allow_pickle=True))


def load_dict(path):
    """Read a dict that `np.save` wrote, without ever running code from it.

    NumPy stores a dict as a pickle: a program for a small stack machine, which may name any function and have it
    called. `_run_pickle` knows only the instructions that plain values and arrays need and only the names that NumPy
    writes for arrays, calls nothing, and notes what would have been called. `_Builder` then checks the notes and makes
    the arrays. Files of NumPy 1 and 2 are read.

    Returns the dict: keys are str, values are arrays, numbers, None, strings, and lists, tuples and dicts of them.
    Raises InputError.
    """
    with open(path, "rb") as file:
        content = io.BytesIO(file.read())
    size = len(content.getbuffer())
    with _reading(path, "a .npy file"):
        version = np.lib.format.read_magic(content)
        read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, _, dtype = read_header[version](content)
        if shape != () or dtype != object:
            raise InputError(f"holds an array of shape {shape} and type {dtype}, not a dict")
        values = _Builder(size).build(_run_pickle(content.read()), outermost=True)
        if not isinstance(values, dict):
            raise InputError(f"holds a {type(values).__name__}, not a dict")
    return values


class _Note:
    """What a pickle says of one NumPy object: its name, what it is called with, and its state."""

    def __init__(self, name, arguments=None):
        self.name, self.arguments, self.state = name, arguments, None


NUMPY_NAMES = {("numpy", "ndarray"), ("numpy", "dtype"), ("numpy.core.multiarray", "_reconstruct"),
               ("numpy.core.multiarray", "scalar"), ("_codecs", "encode")}


def _run_pickle(content):
    """Run a pickle of protocol 2 to 4 as far as plain values and notes go. Raises InputError, or whatever damage leads to."""
    stack, outer_stacks, memo = [], [], {}
    for opcode, argument, _ in pickletools.genops(content):
        match opcode.name:
            case "PROTO" | "FRAME":
                pass
            case ("BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT" | "SHORT_BINUNICODE" | "BINUNICODE"
                  | "SHORT_BINBYTES" | "BINBYTES" | "BINBYTES8"):
                stack.append(argument)
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                stack.append({"NONE": None, "NEWTRUE": True, "NEWFALSE": False}[opcode.name])
            case "EMPTY_DICT" | "EMPTY_LIST" | "EMPTY_TUPLE":
                stack.append({"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}[opcode.name]())
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                size = int(opcode.name[-1])
                stack[-size:] = [tuple(stack[-size:])]
            case "MARK":
                outer_stacks.append(stack)
                stack = []
            case "TUPLE":
                items, stack = stack, outer_stacks.pop()
                stack.append(tuple(items))
            case "APPEND":
                item = stack.pop()
                stack[-1].append(item)
            case "APPENDS":
                items, stack = stack, outer_stacks.pop()
                stack[-1].extend(items)
            case "SETITEM" | "SETITEMS":
                if opcode.name == "SETITEM":
                    items = [stack.pop(-2), stack.pop()]
                else:
                    items, stack = stack, outer_stacks.pop()
                keys = items[::2]
                if not isinstance(stack[-1], dict) or not all(isinstance(key, str) for key in keys):
                    raise InputError("a dict in it has a key that is not a str")
                stack[-1].update(zip(keys, items[1::2], strict=True))
            case "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "GLOBAL" | "STACK_GLOBAL":
                module, name = argument.split(" ", 1) if argument else (stack.pop(-2), stack.pop())
                if type(module) is not str or type(name) is not str:  # a deep tuple must not even be hashed
                    raise InputError("refused: it names something by what is not a name")
                # NumPy 2 calls the module numpy._core; protocol 2 has bytes by way of _codecs.encode.
                if (module.replace("numpy._core", "numpy.core"), name) not in NUMPY_NAMES:
                    raise InputError(f"refused: it names {f'{module}.{name}'!r}, which could run code")
                stack.append(_Note(name))
            case "REDUCE":
                arguments = stack.pop()
                stack[-1] = _Note(stack[-1].name, arguments)
            case "BUILD":
                state = stack.pop()
                stack[-1].state = state
            case "STOP":
                (value,) = stack
                return value
            case _:
                raise InputError(f"refused: it has the pickle instruction {opcode.name}, which arrays do not need")


class _Builder:
    """Turns what `_run_pickle` noted into NumPy objects. Raises InputError, or whatever a malformed note leads to.

    What a note holds is of any type and depth. It is compared, hashed or printed only after its type has been checked.
    """

    def __init__(self, size):
        self.left = size  # bytes that all arrays together may have: no more than the file
        self.built = {}  # from id to result, so that what is referred to many times is built once

    def build(self, value, outermost=False):
        """Build a value and all that it holds.

        outermost : whether it is the array of Python objects that np.save puts around a dict; no other is admitted
        """
        if value is None or isinstance(value, (bool, int, float, str, bytes)):
            return value
        if id(value) not in self.built:
            if isinstance(value, dict):
                result = {key: self.build(item) for key, item in value.items()}
            elif isinstance(value, (list, tuple)):
                result = type(value)([self.build(item) for item in value])
            elif outermost and value.name == "_reconstruct" and value.state[2].arguments[0].startswith("O"):
                (content,) = value.state[4]
                result = self.build(content)
            else:
                result = self.build_noted(value)
            self.built[id(value)] = result
        return self.built[id(value)]

    def build_noted(self, note):
        """The array, NumPy number or bytes of a note."""
        if note.name == "encode":
            text, encoding = note.arguments
            if encoding != "latin1":
                raise InputError("refused: bytes in another encoding than latin1")
            return text.encode("latin1")
        if note.name == "scalar":
            dtype, content = note.arguments
            return self.array((), dtype, content, "C")[()]
        if note.name != "_reconstruct" or note.arguments is None:
            raise InputError(f"refused: it has numpy.{note.name} where an array or a number belongs")
        _, shape, dtype, fortran_order, content = note.state
        return self.array(shape, dtype, content, "F" if fortran_order else "C")

    def array(self, shape, dtype, content, order):
        """An array of noted type and bytes: of real or complex numbers, booleans or strings."""
        code, byte_order = dtype.arguments[0], dtype.state[1]
        if dtype.name != "dtype" or not re.fullmatch("[biufcSU][1-9][0-9]*", code):
            raise InputError(f"refused: an array of type {code!r:.50}")
        if type(byte_order) is not str or not all(type(size) is int and size >= 0 for size in shape):
            raise InputError("refused: an array of impossible shape or byte order")
        if isinstance(content, _Note):
            content = self.build_noted(content)
        array = np.ndarray(shape, np.dtype(code).newbyteorder(byte_order), content, order=order)
        self.left -= array.nbytes
        if array.nbytes != len(content) or self.left < 0:
            raise InputError(f"refused: an array of shape {shape} that the file does not have the bytes for")
        return array.copy(order="K")


def write_whole(path, write):
    """Write a file whole or not at all: `write(file)` fills a temporary file beside it, which then takes its name.

    If anything fails, an earlier file of that name stays and the temporary one goes. (If the process is killed, the
    temporary file stays until the same file is written again.)
    """
    target = os.path.realpath(path)  # through a link, as a plain write would
    temporary = os.path.join(os.path.dirname(target), f".{os.path.basename(target)}.tmp")
    if os.path.exists(target) and not os.path.isfile(target):
        raise InputError(f"{path}: is not a file that could be replaced")
    try:
        with open(temporary, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException as error:
        if os.path.isfile(temporary):
            os.remove(temporary)
        if isinstance(error, OSError):
            error.filename = path  # which it lacks if the disk is full, and the user knows nothing of the temporary one
        raise


def make_folder(path):
    """Make a folder where there is none, and find out now, not after the work, whether files can be written to it."""
    os.makedirs(path, exist_ok=True)
    with tempfile.TemporaryFile(dir=path):
        pass


def pyplot(show):
    """matplotlib.pyplot, which asks for a screen only if the figure is to be shown."""
    import matplotlib

    if not show:
        matplotlib.use("Agg")
    import matplotlib.pyplot

    return matplotlib.pyplot


def save_figure(figure, path, show=False):
    """Write a matplotlib figure as a PNG file, whole or not at all, and say so; then show it in a window, too."""
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of letters in a file name that the font does not have
        figure.savefig(content, format="png")
    write_whole(path, lambda file: file.write(content.getbuffer()))
    print(f"figure: {path}")
    if show:
        pyplot(show).show()


# ------------------------------------------------------------------------------------------ the command line

class ArgumentParser(argparse.ArgumentParser):
    """argparse's, with its complaints in one line, and the defaults in the help."""

    def __init__(self, description):
        # The same name whichever way the script is run, and in `exit_status`, too; newer argparse has "python -m figure.far".
        super().__init__(os.path.basename(sys.argv[0]), description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)

    def error(self, message):
        self.exit(2, f"{self.prog}: {message}\n")


def positive_integer(text):
    """The type of an option that counts something."""
    return _option(int, text, lambda value: value >= 1, "a whole number of at least 1")


def number_from_zero(text):
    """The type of an option that may be 0, such as the factor of a penalty."""
    return _option(float, text, lambda value: 0 <= value < np.inf, "a finite number of at least 0")


def positive_number(text):
    """The type of an option such as a learning rate."""
    return _option(float, text, lambda value: 0 < value < np.inf, "a finite number above 0")


def percentage(text):
    """The type of an option in percent, of which neither 0 nor 100 makes sense."""
    return _option(float, text, lambda value: 0 < value < 100, "a number between 0 and 100")


def seed(text):
    """The type of an option that seeds numpy.random.RandomState."""
    return _option(int, text, lambda value: 0 <= value < 2**32, f"a whole number from 0 to {2**32 - 1}")


def add_penalties(parser):
    """The options of regularisation, for training and for retraining (section 3.1)."""
    parser.add_argument("--l1", type=number_from_zero, default=0.0, metavar="FACTOR",
                        help="hold weights small by this factor times the sum of their magnitudes; slow")
    parser.add_argument("--l2", type=number_from_zero, default=0.0, metavar="FACTOR",
                        help="hold weights small by half this factor times the sum of their squares")


def _option(kind, text, is_right, what):
    """The value of an option, or the error that argparse reports with the option's name."""
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not is_right(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
    return value


def exit_status(main):
    """Decorate a script's `main(argv=None)`: what the user can mend becomes one line and status 2, Ctrl-C status 130."""

    @functools.wraps(main)
    def wrapper(argv=None):
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):  # a file name may have letters that the terminal does not
                stream.reconfigure(errors="backslashreplace")
        try:
            status = main(argv)
            sys.stdout.flush()
            return status
        except BrokenPipeError:  # whoever read the output has gone, as with `| head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        except (InputError, OSError, MemoryError) as error:
            message, status = describe(error), 2
        except KeyboardInterrupt as error:
            message, status = ": ".join(["interrupted", *error.args]), 130
        print(f"{os.path.basename(sys.argv[0])}: {message}", file=sys.stderr)
        return status

    return wrapper


def describe(error):
    """What an error says, in one line that names the file."""
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split()) or type(error).__name__
