"""Masks: which connections and which neurons stay, and how many are pruned.

A mask is a bool array of the shape of a weight matrix, True where the connection stays. The masks of a network are a
dict {"W1": mask, ...} for every layer but the last, which is never pruned; neither are biases. The paper (Han et al.,
arXiv 1506.02626v3) has the rule in section 3: connections whose weight is below a threshold are removed.

Run as a script it prints a worked example of the rule.
"""

import sys
import warnings

import numpy as np

import nn_functions as nn
from datasets import user_input

CRITERIA = ("percentile", "std", "global")  # see `thresholds`

EXAMPLE_SHAPE = (4, 5)
EXAMPLE_PERCENT = 20
EXAMPLE_ROUNDS = 9


def threshold(W, percent):
    """The magnitude up to which weights are pruned: a percentile of the magnitudes of the weights that are not 0.

    Where W has more than one zero, a single 0 is counted with them, as in the original experiment. (That is why a layer
    of few weights is no longer pruned at the end: the percentile then lies between that 0 and the smallest weight.)

    W : ndarray; percent : from 0 to 100; the percentile is NumPy's, which interpolates linearly
    """
    magnitudes = np.abs(W[W != 0])
    if W.size - magnitudes.size > 1:
        magnitudes = np.append(magnitudes, 0)
    return np.percentile(magnitudes, percent) if magnitudes.size else 0.0


def pruned_layers(parameters):
    """The names of the weights that are pruned, ["W1", ...]: all but the last layer's."""
    return [f"W{l}" for l in range(1, nn.number_of_layers(parameters))]


def thresholds(parameters, amount, criterion="percentile", unpruned=None):
    """The threshold of each layer that is pruned, a dict {"W1": float, ...}.

    criterion : one of
        "percentile", the original experiment's: each layer has a threshold, which prunes `amount` percent of its
        weights that are left;
        "global": all layers have one threshold, which prunes `amount` percent of all weights that are left;
        "std", the paper's (section 4): each layer's threshold is `amount`, called quality parameter there, times the
        standard deviation of the layer's weights in `unpruned`, the parameters of the network before it was pruned
    Raises ValueError for another criterion or amount, and for weights that are NaN.
    """
    if criterion not in CRITERIA:
        raise ValueError(f"{criterion!r} is none of the criteria {', '.join(CRITERIA)}")
    if criterion == "std" and unpruned is None:
        raise ValueError("the criterion std needs the unpruned network")
    names = pruned_layers(parameters)
    if not amount >= 0 or any(np.isnan(parameters[name]).any() for name in names):
        raise ValueError(f"the amount is {amount}, or a weight is NaN")
    if criterion == "percentile":
        return {name: threshold(parameters[name], amount) for name in names}
    if criterion == "global":
        all_weights = np.concatenate([np.zeros(0), *(parameters[name].ravel() for name in names)])
        return dict.fromkeys(names, threshold(all_weights, amount))
    with np.errstate(over="ignore"):
        return {name: amount * unpruned[name].std() for name in names}


def make_masks(parameters, amount, criterion="percentile", unpruned=None, report=warnings.warn):
    """The masks of one pruning, a dict {"W1": mask, ...}: True where |W| is above the layer's threshold.

    What is 0 already, pruned earlier, stays pruned. A layer that would be emptied keeps its strongest connection;
    otherwise no picture could reach the output.

    amount, criterion, unpruned : see `thresholds`
    report : is called with a line where a layer would be emptied; and where equal weights at the threshold, as in
        a network that was quantised, make more than twice the amount be pruned
    """
    limits, masks = thresholds(parameters, amount, criterion, unpruned), {}
    for name, limit in limits.items():
        magnitudes = np.abs(parameters[name])
        masks[name] = magnitudes > limit
        if magnitudes.any() and not masks[name].any():
            masks[name].flat[magnitudes.argmax()] = True
            if np.count_nonzero(magnitudes) > 1:
                report(f"{name} would be emptied: its last connection is kept")
    if criterion != "std":
        for names in [limits] if criterion == "global" else [[name] for name in limits]:
            left = sum(np.count_nonzero(parameters[name]) for name in names)
            pruned = left - sum(np.count_nonzero(masks[name]) for name in names)
            ties = sum(np.count_nonzero(np.abs(parameters[name]) == limits[name]) for name in names if limits[name])
            if ties > 1 and pruned > 2 * amount / 100 * left:
                report(f"{', '.join(names)}: {pruned} of {left} weights are pruned, not {amount:g} %, because {ties} "
                       "are equal to the threshold")
    return masks


def keep_largest(scores, number, among=None):
    """The mask of so many connections of largest score, a bool array; of equal scores the first ones are kept.

    scores : ndarray of a layer's shape, for example np.abs(W); larger is more important, whatever the sign
    among : None, or a mask: only these connections are kept. W != 0 keeps pruned what was pruned earlier
    Raises ValueError for scores that are NaN, and for a number that is not there.
    """
    scores = np.asarray(scores)
    among = np.ones(scores.shape, bool) if among is None else nn.checked_masks({"W": scores}, {"W": among})["W"]
    if np.isnan(scores[among]).any():
        raise ValueError(f"{np.isnan(scores[among]).sum()} of the scores are NaN")
    places = np.flatnonzero(among)
    if not 0 < number <= len(places) or number != int(number):
        raise ValueError(f"there are {len(places)} connections, of which {number} cannot be kept")
    values = scores.flat[places]
    limit = np.partition(values, -int(number))[-int(number)]
    kept = values > limit
    kept[np.flatnonzero(values == limit)[:int(number) - np.count_nonzero(kept)]] = True
    mask = np.zeros(scores.shape, bool)
    mask.flat[places[kept]] = True
    return mask


def without_dead_neurons(masks):
    """The masks of a network without the connections of dead neurons (section 3.5 of the paper).

    A hidden unit without outputs does nothing, so its inputs can go. One without inputs is constant, and what it adds
    to the next layer's units their biases can learn, so its outputs can go.

    masks : a dict {"W1": mask, ...} for every layer, the last one, too. A unit may have several columns of the next
        layer's mask, side by side, as the filter of a convolution has
    """
    masks = {name: mask.copy() for name, mask in masks.items()}
    # Views of the masks from W2 on, of shape (n_l, n_{l-1}, columns of a unit).
    outputs = [masks[f"W{l + 1}"].reshape(len(masks[f"W{l + 1}"]), len(masks[f"W{l}"]), -1)
               for l in range(1, len(masks))]
    for l, of_units in enumerate(outputs, start=1):
        of_units[:, ~masks[f"W{l}"].any(axis=1)] = False
    for l, of_units in reversed([*enumerate(outputs, start=1)]):
        masks[f"W{l}"][~of_units.any(axis=(0, 2))] = False
    return masks


def apply_masks(parameters, masks):
    """A copy of the parameters in which the weights outside the masks are 0; masks : see `nn_functions.checked_masks`.
    """
    masks = nn.checked_masks(parameters, masks)
    return {name: np.where(masks[name], value, 0) if name in masks else value.copy()
            for name, value in parameters.items()}


def degree(parameters):
    """The pruning degree in percent: zeros / weights * 100, over the layers that are pruned."""
    weights = [parameters[name] for name in pruned_layers(parameters)]
    total = sum(W.size for W in weights)
    return sum(int((W == 0).sum()) for W in weights) / total * 100 if total else 0.0


def compact(parameters):
    """Remove the neurons that do not reach the output any more (section 3.5 of the paper), and their biases.

    A hidden unit without inputs is constant, ReLU(b), and is added to the biases of the next layer. A unit or pixel
    without outputs is removed. The result is a smaller network with the same outputs, to rounding.

    Returns the indices of the pixels (colour values) that are left, and the parameters of the smaller network:
    predict(X[pixels], smaller) is predict(X, parameters).
    """
    small = {name: value.copy() for name, value in parameters.items()}
    L = nn.number_of_layers(parameters)

    def keep_units(l, kept):  # of layer l; 0 is the pixels
        if l:
            small[f"W{l}"], small[f"b{l}"] = small[f"W{l}"][kept], small[f"b{l}"][kept]
        small[f"W{l + 1}"] = small[f"W{l + 1}"][:, kept]

    for l in range(1, L):  # forwards, because without a constant unit those of the next layer may have no input left
        alive = small[f"W{l}"].any(axis=1)
        constants = nn.relu(small[f"b{l}"][~alive])
        small[f"b{l + 1}"] += small[f"W{l + 1}"][:, ~alive] @ constants
        keep_units(l, alive)
    for l in range(L - 1, 0, -1):  # backwards, because without a unit those of the layer before may have no output left
        keep_units(l, small[f"W{l + 1}"].any(axis=0))
    pixels = np.flatnonzero(small["W1"].any(axis=0))
    keep_units(0, pixels)
    return pixels, small


@user_input.exit_status
def main(argv=()):
    user_input.ArgumentParser("Print a worked example of the mask rule on a small matrix.").parse_args(argv)

    W = np.random.RandomState(1).randn(*EXAMPLE_SHAPE).round(3)
    print(f"A matrix of {W.size} weights. One step prunes {EXAMPLE_PERCENT} % of them, those of smallest magnitude.\n")
    print(W)

    print("\nPruned once, the threshold being the percentile of all magnitudes, zeros counted:")
    limit = np.percentile(np.abs(W), EXAMPLE_PERCENT)
    once = np.where(np.abs(W) > limit, W, 0)
    print(f"threshold {limit:.3f}, {(once == 0).sum()} of {W.size} weights are 0\n{once}")

    print("\nPruned again in the same way, nothing changes:")
    limit = np.percentile(np.abs(once), EXAMPLE_PERCENT)
    twice = np.where(np.abs(once) > limit, once, 0)
    smallest = np.abs(once[once != 0]).min()
    print(f"threshold {limit:.3f}, {(twice == 0).sum()} of {W.size} weights are 0")
    print(f"The zeros are the smallest {EXAMPLE_PERCENT} % now, so the threshold falls below the smallest weight that "
          f"is left,\n{smallest:.3f}, however often it is done.")

    print(f"\nWith the zeros left out (a single one is counted), {EXAMPLE_ROUNDS} times:")
    print("round  threshold  weights that are 0")
    for i in range(1, EXAMPLE_ROUNDS + 1):
        limit = threshold(W, EXAMPLE_PERCENT)
        W = np.where(np.abs(W) > limit, W, 0)
        print(f"{i:5}  {limit:9.3f}  {(W == 0).sum():2} of {W.size}")
    print(f"\n{W}")
    print("Each round prunes a fraction of what is left. Only a fraction of less than one weight prunes nothing:\n"
          f"the next threshold, {threshold(W, EXAMPLE_PERCENT):.3f}, falls between the single 0 and the smallest "
          f"weight, {np.abs(W[W != 0]).min():.3f},\nand the layer stays as it is.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
