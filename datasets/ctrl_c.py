"""Ctrl-C while a script's modules are imported, which takes some tenths of a second.

There is nothing to tidy up yet, so the process ends at once, with status 130 and without a traceback.
"""

import os
import signal


def end_process():
    """Let Ctrl-C end the process. A shell makes what it runs in the background ignore Ctrl-C; that stays so."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def raise_interrupt():
    """Let Ctrl-C raise KeyboardInterrupt again, as ever in Python."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(*_):
    os._exit(130)
