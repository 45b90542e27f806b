"""The network that the scripts share, written by hand.

A fully connected network that says whether a picture shows a car: ReLU in the hidden layers, a sigmoid at the end.
Layers are numbered 1 to L. Columns are pictures: X has shape (n_x, m), Y has shape (1, m), 1 = car. The parameters
are a dict `W1, b1, ..., WL, bL`, where W{l} has shape (n_l, n_{l-1}) and b{l} has shape (n_l, 1).

In order: the data, the network, its training, and the files. The paper is Han et al., "Learning both Weights and
Connections for Efficient Neural Networks", arXiv 1506.02626v3.
"""

import argparse
import functools
import io
import os
import pickle
import re
import sys
import warnings

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

    Returns X_train of shape (n_x, m), Y_train (1, m), X_test (n_x, m_test) and Y_test (1, m_test), all float64: pixels
    divided by 255, so from 0 to 1, and labels 0 or 1. Labels stored as (m,), (m, 1) or (1, m) are all read.
    Raises InputError.
    """
    arrays = []
    with _open_data(path) as file:
        for part in ("train", "test"):
            shape = _stored(file, f"X_{part}", path).shape
            if len(shape) != 4 or shape[3] != 3 or 0 in shape or shape[1:] != file["X_train"].shape[1:]:
                raise InputError(f"{path}: X_{part} has shape {shape}; pictures of one size, "
                                 "(number, height, width, 3), were expected")
            pictures = file[f"X_{part}"][()]
            labels = _stored(file, f"y_{part}", path)[()]
            if pictures.dtype != np.uint8:
                raise InputError(f"{path}: X_{part} holds {pictures.dtype}, not uint8")
            if labels.shape not in ((shape[0],), (shape[0], 1), (1, shape[0])):
                raise InputError(f"{path}: y_{part} has shape {labels.shape} for {shape[0]} pictures")
            if not np.isin(labels, (0, 1)).all():
                raise InputError(f"{path}: y_{part} holds other values than 0 and 1")
            arrays += [scale_pictures(pictures), labels.reshape(1, -1).astype(float)]
    return tuple(arrays)


def picture_shape(path):
    """The shape of one picture of a data set, (height, width, 3) in pixels. Raises InputError."""
    with _open_data(path) as file:
        shape = _stored(file, "X_train", path).shape
    if len(shape) != 4 or shape[3] != 3 or 0 in shape:
        raise InputError(f"{path}: X_train has shape {shape}; (number, height, width, 3) was expected")
    return shape[1:]


def scale_pictures(pictures):
    """Turn pictures, uint8 of shape (m, height, width, 3), into the network's input X of shape (n_x, m), from 0 to 1."""
    return pictures.reshape(len(pictures), np.prod(pictures.shape[1:])).T / 255


def read_picture(path, shape):
    """Read one picture file, of any mode and size, as uint8 of `shape` = (height, width, 3).

    Training pictures and photos both come through here, so that they are treated alike: first frame, turned upright
    by its EXIF orientation, transparency laid on white, resized without regard to its proportions (bicubic).
    Raises InputError.
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
    1, 255 and 65535 that no pixel exceeds.
    """
    values = np.asarray(picture, float)
    white = 65535 if picture.mode.startswith("I;16") else next(w for w in (1, 255, 65535, np.inf) if values.max() <= w)
    if not np.isfinite(white):
        white = values.max()
    return Image.fromarray(np.clip(values / white * 255, 0, 255).round().astype(np.uint8))


def list_pictures(folder):
    """The paths of the pictures in a folder, by their endings, in natural order: 2.jpg before 10.jpg."""
    names = [name for name in os.listdir(folder)
             if name.lower().endswith(PICTURE_ENDINGS) and not name.startswith(".")]
    return [os.path.join(folder, name) for name in sorted(names, key=natural_order)]


def natural_order(name):
    """A sort key that reads the digits in a name as numbers."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)], name


def _open_data(path):
    """Open an HDF5 file to read. Raises InputError, or OSError if there is no such file."""
    open(path, "rb").close()  # h5py's own message for a missing file is several lines long
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise InputError(f"{path}: not an HDF5 file, or a damaged one") from error


def _stored(file, name, path):
    """The data set `name` of an open HDF5 file. Raises InputError."""
    if not isinstance(file.get(name), h5py.Dataset):
        raise InputError(f"{path}: has no {name}")
    return file[name]


# ------------------------------------------------------------------------------------------------- the network

def number_of_layers(parameters):
    """L, the number of layers: the parameters are a W and a b for each."""
    return len(parameters) // 2


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


@np.errstate(over="ignore")  # see `sigmoid`
def gradient_descent(X, Y, parameters, learning_rate, iterations, masks=None, progress=None, gram=None, way=None):
    """Full-batch gradient descent: forward, backward, update, again, by one of two ways.

    They differ in layer 1 alone, the only one that meets the pictures: `TextbookLayer` multiplies with all of them
    twice in every iteration, `SampleSpaceLayer` never. Both give the same result, to rounding.

    X : ndarray of shape (n_x, m); Y : ndarray of shape (1, m)
    masks : None, or for example {"W1": bool array of W1's shape, ...}: where it is False, a pruned connection, the
        weight stays 0 (section 3 of the paper: retrain the remaining connections); it must be 0 in `parameters`
    progress : None, or a function that is called with (iterations done, last cost) now and then
    gram : None, or the `GramMatrices` of X, which save work if they are kept from one call to the next
    way : "textbook", "sample space", or None to choose (`cheaper_way`)
    Returns the new parameters (the given ones are left as they were) and the costs, an array of shape (iterations,):
    costs[i] is the cost before iteration i.
    """
    masks = masks or {}
    gram = gram or GramMatrices(X)
    W1, b1 = parameters["W1"].copy(), parameters["b1"].copy()
    if way is None:
        way = cheaper_way(gram, len(W1), masks.get("W1"), iterations)
    first = {"textbook": TextbookLayer, "sample space": SampleSpaceLayer}[way](gram, W1, b1, masks.get("W1"))
    layers = later_layers(parameters)
    layer_masks = [mask_with_bias(masks.get(f"W{l}")) for l in range(2, len(layers) + 2)]
    activations = new_activations(layers, Y.size)

    costs = np.empty(iterations)
    outputs = np.empty((COST_BLOCK, Y.size))
    for i in range(iterations):
        AL = forward(first.Z(), layers, activations)
        steps, first_step = backward(AL, Y, layers, activations, learning_rate)
        first.update(first_step)
        for layer, step, mask in zip(layers, steps, layer_masks):
            layer -= step if mask is None else step * mask

        k = i % COST_BLOCK
        outputs[k] = AL
        if k == COST_BLOCK - 1 or i == iterations - 1:
            costs[i - k:i + 1] = compute_cost(outputs[:k + 1], Y)
            if progress:
                progress(i + 1, costs[i])

    trained = dict(zip(("W1", "b1"), first.parameters()))
    for l, layer in enumerate(layers, start=2):
        trained[f"W{l}"], trained[f"b{l}"] = layer[:, :-1].copy(), layer[:, -1:].copy()
    return trained, costs


def mask_with_bias(mask):
    """The mask of [W b]: biases are never pruned. None stays None."""
    return None if mask is None else np.hstack([mask, np.ones((len(mask), 1))])


class TextbookLayer:
    """Layer 1 as the textbook has it: Z = W X + b, W <- W - D X^T, b <- b - sum(D), where D is learning_rate dZ."""

    def __init__(self, gram, W, b, mask):
        self.X, self.W, self.b, self.mask = gram.X, W, b, mask

    def Z(self):
        Z = self.W @ self.X
        Z += self.b
        return Z

    def update(self, D):
        dW = D @ self.X.T
        if self.mask is not None:
            dW *= self.mask
        self.W -= dW
        self.b -= D.sum(axis=1, keepdims=True)

    def parameters(self):
        return self.W, self.b


class SampleSpaceLayer:
    """The same layer 1 without the pictures: what the updates do to W X + b depends on X by its inner products alone.

    Row r of W changes by -D[r] X^T, where its mask M_r lets it, and b[r] by -sum(D[r]). So Z[r] = W[r] X + b[r] changes
    by -D[r] (X^T diag(M_r) X + 1): the Gram matrix of unit r, of shape (m, m) however many pixels there are, and 1 in
    every place for the bias. W and b themselves are needed only in the end, when the sum of all D gives them at once.
    """

    def __init__(self, gram, W, b, mask):
        self.X, self.W, self.b, self.mask = gram.X, W, b, mask
        self.G = gram.for_mask(mask)
        self.current_Z = W @ self.X + b
        self.sum_D = np.zeros_like(self.current_Z)

    def Z(self):
        return self.current_Z

    def update(self, D):
        # Without a mask one matrix serves all units; with masks each unit has its own.
        self.current_Z -= D @ self.G if self.G.ndim == 2 else (D[:, None] @ self.G)[:, 0]
        self.sum_D += D

    def parameters(self):
        layer = TextbookLayer(self, self.W, self.b, self.mask)
        layer.update(self.sum_D)
        return layer.parameters()


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
        return chosen @ chosen.T


def cheaper_way(gram, n_1, mask, iterations):
    """The way of `gradient_descent` that takes fewer multiply-adds in layer 1, which has nearly all of them.

    The sample space is ruled out where its matrices would take more memory than the pictures.
    """
    n_x, m = gram.X.shape
    matrices = 1 if mask is None else n_1
    if matrices * m > n_x:
        return "textbook"
    pixels = 2 * n_1 * n_x * m  # W_1 X and dZ_1 X^T
    sample_space = gram.work(mask) + pixels + iterations * n_1 * m * m
    return "sample space" if sample_space < iterations * pixels else "textbook"


# --------------------------------------------------------------------------------------------------- the files

def load_parameters(path, n_x):
    """Read a network from a `.npy` file: the parameters, a dict `W1, b1, ..., WL, bL` of float64 arrays.

    n_x : the number of inputs that the data has; the network must have as many. Raises InputError.
    """
    stored = load_dict(path)
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


def save_dict(path, values):
    """Write a dict as `np.save` does, whole or not at all."""
    write_whole(path, lambda file: np.save(file, np.array(values, dtype=object), allow_pickle=True))


def load_dict(path):
    """Read a dict that `np.save` wrote, without ever running code from it.

    NumPy stores a dict as a pickle, and a pickle may name any function and have it called. Here only the names that
    NumPy itself writes for arrays and numbers are let in, and even those are not called: what they would have made is
    noted (`_Note`), and built and checked afterwards (`_build`). Files of NumPy 1 and 2 are read.

    Returns the dict: keys are str, values are arrays, numbers, None, strings, and lists, tuples and dicts of them.
    Raises InputError.
    """
    with open(path, "rb") as file:
        content = io.BytesIO(file.read())
    try:
        version = np.lib.format.read_magic(content)
        read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, _, dtype = read_header[version](content)
        if shape != () or dtype != object:
            raise InputError(f"holds an array of shape {shape} and type {dtype}, not a dict")
        values = _build(_Unpickler(content).load(), object_array=True)
        if not isinstance(values, dict):
            raise InputError(f"holds a {type(values).__name__}, not a dict")
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise InputError(f"{path}: not a .npy file, or a damaged one ({describe(error)})") from error
    return values


class _Note:
    """What a pickle says of one NumPy object: a name, what it was called with, and its state. It does nothing."""

    def __init__(self, name, arguments=None):
        self.name, self.arguments, self.state = name, arguments, None

    def __call__(self, *arguments):
        return _Note(self.name, arguments)

    def __setstate__(self, state):
        self.state = state


class _Unpickler(pickle.Unpickler):
    ADMITTED = {("numpy", "ndarray"), ("numpy", "dtype"), ("numpy.core.multiarray", "_reconstruct"),
                ("numpy.core.multiarray", "scalar"), ("_codecs", "encode")}

    def find_class(self, module, name):
        """Note a name instead of importing it; any name but those of `ADMITTED` raises InputError."""
        # NumPy 2 calls the module numpy._core; before Python 3, bytes were written by way of _codecs.encode.
        if (module.replace("numpy._core", "numpy.core"), name) not in self.ADMITTED:
            raise InputError(f"refused: it names {module}.{name}, which could run code")
        return _Note(name)


def _build(value, object_array=False):
    """Turn what the unpickler noted into NumPy objects. Raises InputError, or whatever a malformed note leads to.

    object_array : whether an array of Python objects is admitted here; only the one that np.save puts around a dict is
    """
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise InputError("a dict in it has a key that is not a str")
        return {key: _build(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_build(item) for item in value)
    if value is None or isinstance(value, (bool, int, float, str, bytes)):
        return value
    if not isinstance(value, _Note) or value.arguments is None:
        raise InputError(f"refused: it holds a {type(value).__name__}")
    if value.name == "encode":
        text, encoding = value.arguments
        if encoding != "latin1":
            raise InputError(f"refused: bytes encoded as {encoding}")
        return text.encode("latin1")
    if value.name == "scalar":
        dtype, content = value.arguments
        return _array((), _dtype(dtype), _build(content), "C")[()]
    if value.name == "_reconstruct":
        _, shape, dtype, fortran_order, content = value.state
        if object_array and dtype.arguments[0].startswith("O"):
            (content,) = content
            return _build(content)
        return _array(shape, _dtype(dtype), _build(content), "F" if fortran_order else "C")
    raise InputError(f"refused: it makes a numpy.{value.name} where an array or a number belongs")


def _array(shape, dtype, content, order):
    """An array made of bytes, which must be neither too few nor too many."""
    array = np.ndarray(shape, dtype, content, order=order).copy()
    if array.nbytes != len(content):
        raise InputError(f"an array of shape {shape} in it has {len(content)} bytes, not {array.nbytes}")
    return array


def _dtype(note):
    """The NumPy type of a note: real or complex numbers, booleans, strings."""
    code, byte_order = note.arguments[0], note.state[1]
    if note.name != "dtype" or not re.fullmatch("[biufcSU][0-9]+", code):
        raise InputError(f"refused: an array of type {code}")
    return np.dtype(code).newbyteorder(byte_order)


def write_whole(path, write):
    """Write a file whole or not at all: `write(file)` fills a temporary file beside it, which then takes its name.

    If anything fails, an earlier file of that name stays and the temporary one goes.
    """
    path = os.path.realpath(path)  # through a link, as a plain write would
    temporary = path + ".tmp"
    try:
        with open(temporary, "w+b") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.remove(temporary)
        raise


def pyplot(show):
    """matplotlib.pyplot, which asks for a screen only if the figure is to be shown."""
    import matplotlib

    if not show:
        matplotlib.use("Agg")
    import matplotlib.pyplot

    return matplotlib.pyplot


def save_figure(figure, path):
    """Write a matplotlib figure as a PNG file, whole or not at all, and say so."""
    write_whole(path, lambda file: figure.savefig(file, format="png"))
    print(f"figure: {path}")


# ------------------------------------------------------------------------------------------ the command line

class ArgumentParser(argparse.ArgumentParser):
    """argparse's, with its complaints in one line, and the defaults in the help."""

    def __init__(self, description):
        super().__init__(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)

    def error(self, message):
        self.exit(2, f"{self.prog}: {message}\n")


def exit_status(main):
    """Decorate a script's `main(argv=None)`: what the user can mend becomes one line and status 2, Ctrl-C status 130."""

    @functools.wraps(main)
    def wrapper(argv=None):
        try:
            status = main(argv)
            sys.stdout.flush()
            return status
        except BrokenPipeError:  # whoever read the output has gone, as with `| head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        except (InputError, OSError) as error:
            message, status = describe(error), 2
        except KeyboardInterrupt:
            message, status = "interrupted", 130
        print(f"{os.path.basename(sys.argv[0])}: {message}", file=sys.stderr)
        return status

    return wrapper


def describe(error):
    """What an error says, in one line that names the file."""
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split()) or type(error).__name__
