"""What a user hands to a script: the error for their mistakes, option types, the parser, and the exit status."""

import argparse
import contextlib
import functools
import math
import os
import shlex
import sys
import tempfile

PROJECT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OWN = "out"  # folder in the working directory, for what is not the recorded experiment
# The networks that are read from there: the option, the file that must be there, and the script that writes it.
OWN_NETWORKS = (("parameters", "parameters.npy", "nn_main.py"), ("pruned", "degree_costs.npy", "pruning.py"))
READ_OWN = {"data", "out", "parameters"}  # options with which they are read: they mean another unpruned network
# Options that do not change what comes out.
NEUTRAL = {"out", "figures", "resume", "show", "cluster", "draw", "fresh", "networks"}


class InputError(ValueError):
    """A mistake that the user can correct. Its text is one line that names the file and says what is wrong with it."""


@contextlib.contextmanager
def as_input_error(path, kind, way_on=""):
    """Turn any error of a file's reader into an InputError that names the file; kind : of file, as "a .npy file"."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error}{way_on}") from error
    except MemoryError as error:
        raise InputError(f"{path}: does not fit into memory, or is damaged ({error})") from error
    except Exception as error:  # damaged bytes can make the readers raise nearly anything
        why = f"not {kind}, or a damaged one ({describe(error)[:200]})"
        if "unable to lock file" in str(error) or "already open for write" in str(error):  # the words of HDF5
            why = "is open for writing in another program, such as a notebook, or was not closed there; close it first"
        raise InputError(f"{path}: {why}") from error


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


def check_file(path):
    """Find out before the work whether a file can be written. Raises InputError."""
    if os.path.isdir(path):
        raise InputError(f"{path}: is a folder, not a file")
    check_folder(os.path.dirname(os.path.realpath(path)))


def check_folder(path):
    """Find out before the work whether files can be written to a folder, which need not be there. Raises InputError."""
    while not os.path.lexists(path):
        path = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(path):
        raise InputError(f"{path}: is not a folder")
    try:
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise InputError(f"{path}: cannot be written to ({error.strerror}); name another folder") from error


def exit_status(main):
    """Decorate a script's `main(argv=())`: a user's mistake becomes one line and status 2, Ctrl-C status 130."""

    @functools.wraps(main)
    def wrapper(argv=()):
        status = 2
        try:
            if sys.version_info < (3, 11):  # noqa: UP036, for whoever runs it with an older one
                raise InputError(f"needs Python 3.11 or later, and this is {sys.version.split()[0]}")
            for stream in (sys.stdout, sys.stderr):
                if hasattr(stream, "reconfigure"):  # a file name may have letters that the terminal does not
                    stream.reconfigure(errors="backslashreplace")
            done = main(argv)
            sys.stdout.flush()
            return done
        except BrokenPipeError:  # the program that read the output has ended, as with `| head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python would complain when it ends
            return 1
        except (ValueError, OSError, MemoryError, FloatingPointError) as error:  # an InputError is a ValueError
            message = describe(error)
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
    """Shows the default of every option that has one: None, False and [] say nothing."""

    def _get_help_string(self, action):
        says_nothing = action.default is False or action.default in (None, [])
        return action.help if says_nothing else super()._get_help_string(action)


class ArgumentParser(argparse.ArgumentParser):
    """argparse's, with its complaints in one line, and the defaults in the help."""

    def __init__(self, description):
        super().__init__(program(), description=description, formatter_class=HelpFormatter)

    def add_path(self, option, default, metavar, text):
        """An option that names a file or a folder, of which the default is found from any working directory."""
        self.add_argument(option, type=path, default=default_path(default), metavar=metavar, help=text)

    def add_folders(self, out, figures):
        """--out, --figures and --show; out, figures : the folders of the recorded experiment."""
        self.add_path("--out", out, "DIR", f"folder for all that is written, {OWN}/ with an option that changes what "
                                           "comes out; with --data or --out, networks are read from there as well")
        self.add_path("--figures", figures, "DIR", "folder for figures, if it is another one")
        self.add_argument("--show", action="store_true", help="show the figures in a window, too")

    def error(self, message):
        self.exit(2, f"{self.prog}: {message}\n")

    def parse_args(self, argv):
        """The options; argv : texts, numbers, paths. Raises InputError if --out or --figures cannot be written to.

        With an option that changes what comes out, --out is OWN by default. Networks are read from there only with an
        option of READ_OWN.
        """
        recorded = {action.dest: action.default for action in self._actions}
        places = recorded.keys() & {"out", "figures", "parameters", "pruned"} if "figures" in recorded else set()
        options = super().parse_args([*map(str, argv)], argparse.Namespace(**dict.fromkeys(places)))
        if getattr(options, "momentum", 0) and not options.batch:
            self.error("--momentum goes with --batch only")
        changed = {name for name, value in vars(options).items() if value not in (None, [], recorded[name])}
        folder = getattr(options, "out", None) or (OWN if changed - NEUTRAL else None)
        own = {"out": folder, "figures": folder} if folder else {}
        if changed & READ_OWN:
            own.update(self._own_networks(options, folder))
        for name in sorted(places):
            if getattr(options, name) is None:
                setattr(options, name, own.get(name, recorded[name]))
            if name in ("out", "figures"):
                check_folder(getattr(options, name))
        if getattr(options, "show", False):
            self._check_screen()
        return options

    def _own_networks(self, options, folder):
        """The networks of a folder, by their options. For other data, one that is needed and not there is an error."""
        own = {}
        for name, file, script in OWN_NETWORKS:
            if os.path.exists(f"{folder}/{file}"):
                own[name] = f"{folder}/{file}" if name == "parameters" else folder
            elif (getattr(options, name, folder) is None and options.data != self.get_default("data")
                  and os.path.isfile(options.data)):
                same = " ".join(f"--{word} {shlex.quote(str(vars(options)[word]))}"
                                for word in sorted(READ_OWN) if vars(options)[word])
                self.error(f"{folder}/{file}: not there yet; python {shlex.quote(default_path(script))} {same} writes "
                           f"it, or name another with --{name} (the recorded one: {self.get_default(name)})")
        return own

    def _check_screen(self):
        """End with a line if no figure can be shown; only pyplot can tell, which may raise nearly anything."""
        try:
            from matplotlib import pyplot

            pyplot.close(pyplot.figure())
            if pyplot.get_backend().lower() == "agg":  # which it falls back on
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


def integer(low=1, high=10**9):
    """The type of an option that is a whole number from `low` to `high`."""
    return _option_type(int, lambda value: low <= value <= high, f"a whole number from {low} to {high}")


def real(above=None, at_least=None, below=math.inf):
    """The type of an option that is a number: above or at least one bound, and below another."""
    low, kind = (above, "above") if at_least is None else (at_least, "of at least")
    expected = f"a number {kind} {low:g}" + (f" and below {below:g}" if below < math.inf else "")
    return _option_type(float, lambda value: low <= value < below and value != above, expected)


seed = integer(0, 2**32 - 1)  # the type of an option that seeds numpy.random.RandomState
path = _option_type(str, bool, "the name of a file or a folder")  # "" would make "/" of paths that begin with it


def add_descent_options(parser, learning_rate, iterations, what, fewest=1):
    """The options of gradient descent; what : "training" or "each retraining"; fewest : of the iterations."""
    parser.add_argument("--learning-rate", type=real(above=0), default=learning_rate, metavar="RATE",
                        help=f"step size of {what}")
    parser.add_argument("--iterations", type=integer(fewest), default=iterations, metavar="N",
                        help=f"iterations of {what}")
    parser.add_argument("--l1", type=real(at_least=0), default=0.0, metavar="FACTOR",
                        help="penalty on large weights (section 3.1), slow: this factor times the sum of magnitudes")
    parser.add_argument("--l2", type=real(at_least=0), default=0.0, metavar="FACTOR",
                        help="penalty on large weights (section 3.1): half this factor times the sum of squares")
    parser.add_argument("--batch", type=integer(), metavar="N",
                        help="stochastic gradient descent, with N pictures at an iteration, for data sets that are too "
                             "large for all at once (default: all)")
    parser.add_argument("--momentum", type=real(at_least=0, below=1), default=0.0, metavar="FRACTION",
                        help="with --batch: the fraction of the last update that is added to the next")
