"""What a user hands to a script: the error for their mistakes, option types, the parser, and the exit status."""

import argparse
import contextlib
import functools
import math
import os
import sys

from datasets import ctrl_c

PROJECT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LARGEST_INTEGER = 10**9  # of an option that counts something; with two of them, a size in bytes still is an int64


class InputError(Exception):
    """A mistake that the user can correct. Its text is one line that names the file and says what is wrong with it."""


@contextlib.contextmanager
def as_input_error(path, kind):
    """Turn any error in reading a file into an InputError that names it; kind : what it should be, as "a .npy file"."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except Exception as error:  # damaged bytes can make the readers raise nearly anything
        raise InputError(f"{path}: not {kind}, or a damaged one ({describe(error)})") from error


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
    with contextlib.suppress(OSError):  # where the working directory has been removed
        if os.path.samefile(os.getcwd(), PROJECT):
            return path
    return os.path.join(PROJECT, path)


def exit_status(main):
    """Decorate a script's `main(argv=None, ...)`: a user's mistake becomes one line and status 2, Ctrl-C status 130."""

    @functools.wraps(main)
    def wrapper(argv=None, **settings):
        ctrl_c.raise_interrupt()
        _prepare_streams()
        try:
            status = main(argv, **settings)
            sys.stdout.flush()
            return status
        except BrokenPipeError:  # the program that read the output has ended, as with `| head`
            _discard_output()
            return 1
        except (InputError, OSError, MemoryError, FloatingPointError) as error:
            message, status = describe(error), 2
        except KeyboardInterrupt:
            message, status = "interrupted", 130
        try:
            sys.stdout.flush()
        except OSError:  # that the disk is full is said once, and not again when Python ends
            _discard_output()
        print(f"{program()}: {one_line(message)}", file=sys.stderr)
        return status

    return wrapper


def one_line(message):
    """A message without line breaks, which the name of a file may have."""
    return "\\n".join(message.splitlines())


def _prepare_streams():
    """Let every message be printed: of any letters, and where a stream is closed, as by `>&-`."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, for as long as the process
        elif hasattr(stream, "reconfigure"):  # a file name may have letters that the terminal does not
            stream.reconfigure(errors="backslashreplace")


def _discard_output():
    """Let nothing more be written to standard output, also when Python flushes it at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


# --------------------------------------------------------------------------------------------- the command line

class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Shows the default of every option that has one: None and False say nothing."""

    def _get_help_string(self, action):
        return action.help if action.default in (None, False) else super()._get_help_string(action)


class ArgumentParser(argparse.ArgumentParser):
    """argparse's, with its complaints in one line, and the defaults in the help."""

    def __init__(self, description):
        super().__init__(program(), description=description, formatter_class=HelpFormatter)

    def add_path(self, option, default, metavar, help):
        """An option that names a file or a folder, of which the default is found from any working directory."""
        self.add_argument(option, type=path, default=default_path(default), metavar=metavar, help=help)

    def error(self, message):
        self.exit(2, f"{self.prog}: {one_line(message)}\n")


def positive_integer(text):
    """The type of an option that counts something."""
    return _option(int, text, lambda value: 1 <= value <= LARGEST_INTEGER,
                   f"a whole number from 1 to {LARGEST_INTEGER}")


def number_of_runs(text):
    """The type of an option that counts the runs of a study, each of which waits in memory for its turn."""
    return _option(int, text, lambda value: 1 <= value <= 100_000, "a whole number from 1 to 100000")


def address(text):
    """The type of an option that names a server: "", as of a variable that is not set, would mean none."""
    return _option(str, text, bool, "the address of a server")


def pixels(text):
    """The type of the height or width of pictures; JPEG files, too, have no more."""
    return _option(int, text, lambda value: 1 <= value <= 65500, "a whole number from 1 to 65500")


def nonnegative_number(text):
    """The type of an option that may be 0, such as the factor of a penalty."""
    return _option(float, text, lambda value: 0 <= value < math.inf, "a finite number of at least 0")


def seconds(text):
    """The type of an option that is a time to wait: operating systems cannot wait for ever longer."""
    return _option(float, text, lambda value: 0 < value <= 1e6, "a number of seconds above 0, at most 1000000")


def positive_number(text):
    """The type of an option such as a learning rate."""
    return _option(float, text, lambda value: 0 < value < math.inf, "a finite number above 0")


def percentage(text):
    """The type of an option in percent for which neither 0 nor 100 makes sense."""
    return _option(float, text, lambda value: 0 < value < 100, "a number between 0 and 100")


def probability(text):
    """The type of an option such as the probability from which on a verdict holds."""
    return _option(float, text, lambda value: 0 < value < 1, "a number between 0 and 1")


def fraction(text):
    """The type of an option such as momentum, at which 1 would never forget."""
    return _option(float, text, lambda value: 0 <= value < 1, "a number from 0 to below 1")


def seed(text):
    """The type of an option that seeds numpy.random.RandomState."""
    return _option(int, text, lambda value: 0 <= value < 2**32, f"a whole number from 0 to {2**32 - 1}")


def path(text):
    """The type of an option that names a file or a folder: "" would make "/" of the paths that begin with it."""
    return _option(str, text, bool, "the name of a file or a folder")


def _option(kind, text, is_valid, expected):
    """The value of an option, or the error that argparse reports with the option's name."""
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not is_valid(value):
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not {expected}")
    return value


def add_descent_options(parser, learning_rate, iterations, what):
    """The options of gradient descent, with their defaults; what : "training" or "each retraining"."""
    parser.add_argument("--learning-rate", type=positive_number, default=learning_rate, metavar="RATE",
                        help=f"step size of {what}")
    parser.add_argument("--iterations", type=positive_integer, default=iterations, metavar="N",
                        help=f"iterations of {what}")
    parser.add_argument("--l1", type=nonnegative_number, default=0.0, metavar="FACTOR",
                        help="penalty on large weights (section 3.1), slow: this factor times the sum of magnitudes")
    parser.add_argument("--l2", type=nonnegative_number, default=0.0, metavar="FACTOR",
                        help="penalty on large weights (section 3.1): half this factor times the sum of squares")
    parser.add_argument("--batch", type=positive_integer, metavar="N",
                        help="stochastic gradient descent, with N pictures at an iteration, for data sets that are too "
                             "large for all at once (default: all)")
    parser.add_argument("--momentum", type=fraction, default=0.0, metavar="SHARE",
                        help="with --batch: the share of the last update that is added to the next")


def check_descent_options(parser, options):
    """Refuse options that do not go together: such as an --l2 for which a step would change the sign of the weights."""
    if options.momentum and not options.batch:
        parser.error("--momentum goes with --batch only")
    if options.learning_rate * options.l2 >= 1:
        parser.error(f"--l2 {options.l2:g} is too large for --learning-rate {options.learning_rate:g}: "
                     "their product must be below 1")
