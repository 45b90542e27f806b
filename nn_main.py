"""Train the network and save it: the first of the paper's three steps (section 3), learning which connections matter.

Writes parameters.npy and data.npy, and draws the cost curve.
"""

import sys
import time

import numpy as np
import threadpoolctl
from tqdm import tqdm

import nn_functions as nn
from datasets import files, networks, npy, pictures, user_input
from figure import drawing

DATA = "datasets/carvnocar.h5"
LAYERS = [5, 4, 3, 2]  # units of the hidden layers; the output is one unit more
LEARNING_RATE = 0.0035  # the original's was 0.035, at which rounding decides the result: see README.md
ITERATIONS = 40000  # the original's: 4000
SEED = 1
INIT = "original"  # see `nn_functions.initialize_parameters`
OUT = "datasets"
FIGURES = "figure"
ONE_THREAD = 1000  # pictures in an iteration, up to which BLAS is given one thread


def limit_blas(pictures_at_a_time):
    """A context in which BLAS has one thread, if there are few pictures in an iteration.

    Two are no faster for products that small, much slower beside other work, and they round differently: with one, the
    result does not depend on the number of cores.
    """
    return threadpoolctl.threadpool_limits(1 if pictures_at_a_time <= ONE_THREAD else None, user_api="blas")


def choose_descent(options):
    """The function that descends, full-batch or with --batch, and its arguments that the command line gives."""
    if options.batch:
        return nn.minibatch_descent, {"batch": options.batch, "momentum": options.momentum, "l1": options.l1,
                                      "l2": options.l2}
    return nn.gradient_descent, {"l1": options.l1, "l2": options.l2}


def train(X, Y, parameters, learning_rate, iterations, descent=nn.gradient_descent, **settings):
    """Train a network, with a progress bar.

    parameters : to start from
    learning_rate, iterations, settings : arguments of `descent`, `nn_functions.gradient_descent` or
        `nn_functions.minibatch_descent`
    Returns the parameters, the costs, and the time that it took in seconds.
    """
    start = time.perf_counter()
    with tqdm(total=iterations, unit=" iterations", disable=None) as bar:

        def show(iterations_done, cost):
            bar.set_postfix_str(f"cost {cost:.6f}", refresh=False)
            bar.update(iterations_done)

        parameters, costs = descent(X, Y, parameters, learning_rate, iterations, progress=show, **settings)
    return parameters, costs, time.perf_counter() - start


def print_accuracies(data, parameters):
    """Print a network's accuracies, what they are worth, and the mistakes that they are made of.

    Raises FloatingPointError, see `nn_functions.evaluate`.
    """
    _, *accuracies = nn.evaluate(data, parameters)
    always, *commoner = pictures.commoner_label(data)
    for part, accuracy, share, X, Y in zip(("train", "test"), accuracies, commoner, (data.X_train, data.X_test),
                                           (data.Y_train, data.Y_test)):
        said, car = nn.predict(X, parameters) > 0.5, Y == 1
        false = (said & ~car).sum()
        print(f"{part} accuracy: {accuracy:.2f} % ({always}: {share:.2f} %); cars: {(said & car).sum()} found, "
              f"{(~said & car).sum()} missed; {false} false alarm{'' if false == 1 else 's'}")


def judges_all_alike(X, Y, parameters):
    """Whether a network gives every picture the same verdict, though their labels differ; X : (n_x, m), Y : (1, m)."""
    return len(np.unique(nn.predict(X, parameters) > 0.5)) < len(np.unique(Y))


def why_nothing_learned(X, Y, parameters, start=None, init=None):
    """Why a network gives every picture the same verdict, and what would have helped. None where it does not.

    X : ndarray of shape (n_x, m); Y : ndarray of shape (1, m), of which not all are alike
    start, init : the parameters before training, and how they were drawn; None where that is not known. A start without
        `init` is a network that was trained on
    """
    if not judges_all_alike(X, Y, parameters):
        return None
    *hidden, AL = nn.activations(X, parameters)
    if AL[Y == 1].max() < 1e-5 or AL[Y == 0].min() > 1 - 1e-5:
        return ("every car is given a probability below 1e-5, or every other picture one above 1 - 1e-5,\n"
                "where the cost's gradient vanishes; train again with a smaller --learning-rate")
    he = "" if init == "he" or start and not init else ", or with --init he"
    off = next((l for l, A in enumerate(hidden, start=1) if not A.any()), None)
    if not off:
        return ("the cost has not left its first plateau; train for more --iterations"
                + (he or ", or with a larger --learning-rate"))
    if start is None:
        what = f"train with another --seed{he}, or with a smaller --learning-rate"
    elif nn.activations(X, start)[off - 1].any():
        what = "training switched them off; train again with a smaller --learning-rate"
    else:
        what = f"they were at the start; train {f'with another --seed{he}' if init else 'on from another network'}"
    return f"all units of layer {off} are off for every picture, so their gradient is 0 for ever;\n{what}"


def print_if_nothing_learned(name, data, parameters, start=None, init=None):
    """If nothing was learned, print that and the reason. Returns whether it is so.

    name : of the network; others : see `why_nothing_learned`
    """
    reason = why_nothing_learned(data.X_train, data.Y_train, parameters, start, init)
    if reason:
        print(f"{name}: nothing was learned, every training picture gets the same verdict:\n{reason}")
    return reason is not None


def draw_costs(costs, learning_rate, name, path, show=False):
    """Draw the cost against the iteration; name : what the cost is made of."""
    plt = drawing.pyplot(show)
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    axes.plot(costs)
    axes.set(title=f"Training, learning rate {learning_rate:g}", xlabel="iteration", ylabel=f"cost ({name})",
             xlim=(0, len(costs)), ylim=(0, None))
    axes.grid(alpha=0.3)
    drawing.save_figure(figure, path, show)


def parse_options(argv):
    """The command line."""
    parser = user_input.ArgumentParser("Train the network, save it and draw its cost curve.")
    parser.add_path("--data", DATA, "FILE", "the pictures, HDF5")
    parser.add_argument("--layers", type=user_input.integer(), nargs="+", metavar="UNITS",
                        help=f"units of each hidden layer (default: {' '.join(map(str, LAYERS))})")
    user_input.add_descent_options(parser, LEARNING_RATE, ITERATIONS, "training")
    parser.add_argument("--init", choices=("original", "he"),
                        help="how the first weights are drawn: original: W = 0.098 randn, b = randn; he: W = "
                             f"sqrt(2 / inputs) randn, b = 0, which learns more often (default: {INIT})")
    parser.add_argument("--seed", type=user_input.seed, help=f"of the first weights (default: {SEED})")
    parser.add_argument("--start", type=user_input.path, metavar="FILE",
                        help="train on from this network; connections that were pruned come back")
    parser.add_folders(OUT, FIGURES)
    options = parser.parse_args(argv)
    if options.start and (options.layers, options.init, options.seed) != (None, None, None):
        parser.error("--layers, --init and --seed do not go with --start, a network that is drawn already")
    if not options.start:
        options.layers = options.layers or LAYERS
        options.init = options.init or INIT
        options.seed = SEED if options.seed is None else options.seed
    return options


@user_input.exit_status
def main(argv=()):
    options = parse_options(argv)

    data = pictures.load_data(options.data, scale=not options.batch)
    height, width, colours = pictures.picture_shape(options.data)
    n_x = len(data.X_train)
    start = (networks.load_parameters(options.start, n_x) if options.start else
             nn.initialize_parameters((n_x, *options.layers, 1), options.seed, options.init))
    files.check_folder(options.out)
    files.check_folder(options.figures)

    for note in data.notes:
        print(note)
    print(f"training pictures: {data.Y_train.size}, of which {data.Y_train.sum():.0f} show a car")
    print(f"test pictures: {data.Y_test.size}, of which {data.Y_test.sum():.0f} show a car")
    print(f"inputs: {height} x {width} pixels x {colours} colours = {n_x}")
    print(f"network: {' -> '.join(map(str, nn.layer_sizes(start)))}")
    descent, settings = choose_descent(options)
    with limit_blas(options.batch or data.Y_train.size):
        parameters, costs, seconds = train(data.X_train, data.Y_train, start, options.learning_rate, options.iterations,
                                           descent, **settings)

    penalty = " and penalty" if options.l1 or options.l2 else ""
    print(f"cost{penalty}: {costs[0]:.8f} at first, {costs[-1]:.8f} at last")
    print_accuracies(data, parameters)
    print(f"time: {seconds:.1f} s for {options.iterations} iterations")
    print_if_nothing_learned(f"{options.out}/parameters.npy", data, parameters, start, options.init)

    networks.save_parameters(f"{options.out}/parameters.npy", parameters, costs)
    npy.save_dict(f"{options.out}/data.npy", {
        "learning_rate": options.learning_rate, "times": seconds, "costs": costs, "init": options.init,
        "seed": options.seed, "layers": nn.layer_sizes(start)[1:-1], "data": files.sha256(options.data)})
    print(f"network saved: {options.out}/parameters.npy")
    draw_costs(costs, options.learning_rate, f"cross-entropy{penalty}", f"{options.figures}/cost.png", options.show)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
