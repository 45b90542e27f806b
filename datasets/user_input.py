"""What a user hands to a script: the error for their mistakes, option types, the parser, and the exit status."""

import argparse
import contextlib
import functools
import math
import os
import sys

PROJECT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LARGEST_INTEGER = 10**9  # of an option that counts something; with two of them, a size in bytes still is an int64
OWN = "out"  # folder in the working directory, for what is not the recorded experiment
# The networks that are read from there: the option, the file that must be there, and the script that writes it.
OWN_NETWORKS = (("parameters", "parameters.npy", "nn_main.py"), ("pruned", "degree_costs.npy", "pruning.py"))
# Options that do not change what comes out.
NEUTRAL = {"out", "figures", "resume", "show", "cache", "cluster", "draw", "fresh", "networks"}


class InputError(Exception):
    """A mistake that the user can correct. Its text is one line that names the file and says what is wrong with it."""


@contextlib.contextmanager
def as_input_error(path, kind):
    """Turn any error in reading a file into an InputError that names it; kind : what it should be, as "a .npy file"."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except MemoryError as error:
        raise InputError(f"{path}: does not fit into memory, or is damaged ({error})") from error
    except Exception as error:  # damaged bytes can make the readers raise nearly anything
        if "unable to lock file" in str(error) or "already open for write" in str(error):  # the words of HDF5
            raise InputError(f"{path}: is open for writing in another program, such as a notebook, or was not closed "
                             "there; close it first") from error
        raise InputError(f"{path}: not {kind}, or a damaged one ({describe(error)[:200]})") from error


def describe(error):
    """An error's message, in one line that names the file."""
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split()) or type(error).__name__


def program():
    """The script's name as messages show it: the same whether it is run by its path or with `python -m`."""
    return os.path.basename(sys.argv[0])


def default_path(path):
    """A file or folder of the project, given from its root: the same from there, the whole path from elsewhere."""
    return path if os.getcwd() == PROJECT else os.path.join(PROJECT, path)


def exit_status(main):
    """Decorate a script's `main(argv=())`: a user's mistake becomes one line and status 2, Ctrl-C status 130."""

    @functools.wraps(main)
    def wrapper(argv=()):
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):  # a file name may have letters that the terminal does not
                stream.reconfigure(errors="backslashreplace")
        try:
            status = main(argv)
            sys.stdout.flush()
            return status
        except BrokenPipeError:  # the program that read the output has ended, as with `| head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python would complain when it ends
            return 1
        except (InputError, OSError, MemoryError, FloatingPointError) as error:
            message, status = describe(error), 2
            if isinstance(error, MemoryError) and "--batch" not in str(argv):
                message += "; for many pictures, nn_main.py and pruning.py need less memory with --batch N"
        except KeyboardInterrupt:
            message, status = "interrupted", 130
        except SystemExit as end:  # of argparse, which has said why
            return end.code
        print(f"{program()}: {message}", file=sys.stderr)
        return status

    return wrapper


# --------------------------------------------------------------------------------------------- the command line

class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Shows the default of every option that has one: None and False say nothing."""

    def _get_help_string(self, action):
        return action.help if action.default is None or action.default is False else super()._get_help_string(action)


class ArgumentParser(argparse.ArgumentParser):
    """argparse's, with its complaints in one line, and the defaults in the help."""

    def __init__(self, description):
        super().__init__(program(), description=description, formatter_class=HelpFormatter)

    def add_path(self, option, default, metavar, text):
        """An option that names a file or a folder, of which the default is found from any working directory."""
        self.add_argument(option, type=path, default=default_path(default), metavar=metavar, help=text)

    def add_folders(self, out, figures):
        """--out and --figures; out, figures : those of the recorded experiment."""
        self.add_path("--out", out, "DIR", "folder for all that is written, and of the network that is read, if one is "
                                           f"there; with an option that changes what comes out it is {OWN}/")
        self.add_path("--figures", figures, "DIR", "folder for figures, if it is another one")

    def error(self, message):
        self.exit(2, f"{self.prog}: {message}\n")

    def parse_args(self, argv):
        """The options; argv : texts, numbers, paths. The recorded files and folders are the defaults, or one's own.

        With an option that changes what comes out, everything is written to --out, which then is OWN by default. A
        network is read from there, too, if there is one, or if --data is not what the recorded network was trained on.
        """
        defaults = {action.dest: action.default for action in self._actions}
        own = defaults.keys() & {"out", "figures", "parameters", "pruned"} if "figures" in defaults else ()
        options = super().parse_args([*map(str, argv)], argparse.Namespace(**dict.fromkeys(own)))
        changed = {name for name, value in vars(options).items() if value not in (None, [], defaults[name])} - NEUTRAL
        folder = getattr(options, "out", None) or (OWN if changed else None)
        missing = {name for name in own if getattr(options, name) is None}
        if folder:
            defaults.update(out=folder, figures=folder)
            for name, file, script in OWN_NETWORKS:
                if os.path.exists(f"{folder}/{file}"):
                    defaults[name] = f"{folder}/{file}" if name == "parameters" else folder
                elif name in missing and "data" in changed and os.path.exists(options.data):
                    self.error(f"{folder}/{file}: not there yet; {script} with the same --data writes it, or name "
                               f"another with --{name}")
        for name in missing:
            setattr(options, name, defaults[name])
        if getattr(options, "show", False):
            self._check_screen()
        return options

    def _check_screen(self):
        """End with a line if no figure can be shown; only pyplot can tell, which may raise nearly anything."""
        try:
            from matplotlib import pyplot

            pyplot.close(pyplot.figure())
            if pyplot.get_backend().lower() in ("agg", "cairo", "pdf", "pgf", "ps", "svg", "template"):
                raise ImportError("there is no screen, or no GUI toolkit such as tkinter")
        except Exception as error:
            self.error(f"--show: cannot show a figure here: {describe(error)}")


def _option_type(kind, is_valid, expected):
    """A function from an option's text to its value; argparse reports its error with the option's name."""

    def value_of(text):
        with contextlib.suppress(ValueError):
            if is_valid(value := kind(text)):
                return value
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not {expected}")

    return value_of


def integer(low=1, high=LARGEST_INTEGER):
    """The type of an option that is a whole number from `low` to `high`."""
    return _option_type(int, lambda value: low <= value <= high, f"a whole number from {low} to {high}")


def real(above=None, at_least=None, below=math.inf):
    """The type of an option that is a number: above or at least one bound, and below another."""
    low, kind = (above, "above") if at_least is None else (at_least, "of at least")
    expected = f"a number {kind} {low:g}" + (f" and below {below:g}" if below < math.inf else "")
    return _option_type(float, lambda value: low <= value < below and value != above, expected)


seed = integer(0, 2**32 - 1)  # the type of an option that seeds numpy.random.RandomState


def path(text):
    """The type of an option that names a file or a folder: "" would make "/" of the paths that begin with it."""
    return _option_type(str, bool, "the name of a file or a folder")(text)


def add_descent_options(parser, learning_rate, iterations, what):
    """The options of gradient descent, with their defaults; what : "training" or "each retraining"."""
    parser.add_argument("--learning-rate", type=real(above=0), default=learning_rate, metavar="RATE",
                        help=f"step size of {what}")
    parser.add_argument("--iterations", type=integer(), default=iterations, metavar="N",
                        help=f"iterations of {what}")
    parser.add_argument("--l1", type=real(at_least=0), default=0.0, metavar="FACTOR",
                        help="penalty on large weights (section 3.1), slow: this factor times the sum of magnitudes")
    parser.add_argument("--l2", type=real(at_least=0), default=0.0, metavar="FACTOR",
                        help="penalty on large weights (section 3.1): half this factor times the sum of squares")
    parser.add_argument("--batch", type=integer(), metavar="N",
                        help="stochastic gradient descent, with N pictures at an iteration, for data sets that are too "
                             "large for all at once (default: all)")
    parser.add_argument("--momentum", type=real(at_least=0, below=1), default=0.0, metavar="SHARE",
                        help="with --batch: the share of the last update that is added to the next")


def check_descent_options(parser, options):
    """Refuse options that do not go together: such as an --l2 for which a step would change the sign of the weights."""
    if options.momentum and not options.batch:
        parser.error("--momentum goes with --batch only")
    if options.learning_rate * options.l2 >= 1:
        parser.error(f"--l2 {options.l2:g} is too large for --learning-rate {options.learning_rate:g}: "
                     "their product must be below 1")
