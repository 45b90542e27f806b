"""Train the network and save it: the first of the paper's three steps (section 3), learning which connections matter.

Writes parameters.npy and data.npy, and draws the cost curve.
"""

import sys
import time

from tqdm import tqdm

import nn_functions as nn

DATA = "datasets/carvnocar.h5"
LAYERS = [5, 4, 3, 2]  # units of the hidden layers; the output is one unit more
LEARNING_RATE = 0.0035  # the original's was 0.035, at which rounding decides what comes out: see README.md
ITERATIONS = 40000  # the original's: 4000
SEED = 1
OUT = "datasets"
FIGURES = "figure"


def train(X, Y, layer_sizes, learning_rate, iterations, seed, l1=0, l2=0):
    """Train a new network with a progress bar; for l1 and l2 see `nn_functions.gradient_descent`.

    Returns the parameters, the costs and the seconds it took.
    """
    start = time.perf_counter()
    with tqdm(total=iterations, unit=" iterations", disable=None) as bar:

        def show(done, cost):
            bar.set_postfix_str(f"cost {cost:.6f}", refresh=False)
            bar.update(done - bar.n)

        parameters = nn.initialize_parameters(layer_sizes, seed)
        parameters, costs = nn.gradient_descent(X, Y, parameters, learning_rate, iterations, progress=show, l1=l1, l2=l2)
    return parameters, costs, time.perf_counter() - start


def draw_costs(costs, learning_rate, path, show=False, penalty=""):
    """Draw the cost against the iteration; penalty: what is said of it if regularisation adds to it."""
    plt = nn.pyplot(show)
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    axes.plot(costs)
    axes.set(title=f"Training, learning rate {learning_rate:g}", xlabel="iteration", ylabel=f"cost (cross-entropy{penalty})",
             xlim=(0, len(costs)), ylim=(0, None))
    axes.grid(alpha=0.3)
    nn.save_figure(figure, path, show)


@nn.exit_status
def main(argv=None):
    parser = nn.ArgumentParser("Train the network, save it and draw its cost curve.")
    parser.add_argument("--data", default=DATA, metavar="FILE", help="the pictures, HDF5")
    parser.add_argument("--layers", type=nn.positive_integer, nargs="+", default=LAYERS, metavar="UNITS",
                        help="units of each hidden layer")
    parser.add_argument("--learning-rate", type=nn.positive_number, default=LEARNING_RATE, metavar="RATE", help="step size")
    parser.add_argument("--iterations", type=nn.positive_integer, default=ITERATIONS, metavar="N", help="iterations of training")
    nn.add_penalties(parser)
    parser.add_argument("--seed", type=nn.seed, default=SEED, help="of the first weights")
    parser.add_argument("--out", default=OUT, metavar="DIR", help="folder for parameters.npy and data.npy")
    parser.add_argument("--figures", default=FIGURES, metavar="DIR", help="folder for cost.png")
    parser.add_argument("--show", action="store_true", help="show the figure in a window, too")
    options = parser.parse_args(argv)

    X_train, Y_train, X_test, Y_test = nn.load_data(options.data)
    height, width, colours = nn.picture_shape(options.data)
    nn.make_folder(options.out)
    nn.make_folder(options.figures)

    layer_sizes = [len(X_train), *options.layers, 1]
    print(f"training pictures: {Y_train.size}, of which {Y_train.sum():.0f} show a car")
    print(f"test pictures: {Y_test.size}, of which {Y_test.sum():.0f} show a car")
    print(f"inputs: {height} x {width} pixels x {colours} colours = {len(X_train)}")
    print(f"network: {' -> '.join(map(str, layer_sizes))}")

    parameters, costs, seconds = train(X_train, Y_train, layer_sizes, options.learning_rate, options.iterations,
                                       options.seed, options.l1, options.l2)
    nn.save_parameters(f"{options.out}/parameters.npy", parameters, costs)
    nn.save_dict(f"{options.out}/data.npy", {"learning_rate": options.learning_rate, "times": seconds})

    penalty = " and penalty" if options.l1 or options.l2 else ""
    print(f"cost{penalty}: {costs[0]:.8f} at first, {costs[-1]:.8f} at last")
    print(f"train accuracy: {nn.accuracy(nn.predict(X_train, parameters), Y_train):.2f} %")
    print(f"test accuracy: {nn.accuracy(nn.predict(X_test, parameters), Y_test):.2f} %")
    print(f"time: {seconds:.1f} s for {options.iterations} iterations")
    print(f"network saved: {options.out}/parameters.npy")
    draw_costs(costs, options.learning_rate, f"{options.figures}/cost.png", options.show, penalty)
    return 0


if __name__ == "__main__":
    sys.exit(main())
