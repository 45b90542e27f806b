"""Kill pruning.py at random moments and resume it until it is done: `python -m tests.kill_and_resume`.

Every run must end with the same bytes as an undisturbed one, in every file, and with no other file. Prints how often
the runs were killed, and ends with status 1 if any differed. Options that it does not know are those of pruning.py.
"""

import argparse
import pathlib
import random
import subprocess
import sys
import tempfile
import time

from tqdm import tqdm

ROOT = pathlib.Path(__file__).resolve().parent.parent


def command(out, *options):
    return [sys.executable, str(ROOT / "pruning.py"), "--out", str(out), "--figures", str(out), *options]


def kill_until_done(arguments, longest, moments):
    """Start a command again and again, killed after up to `longest` seconds, until it ends. Returns the kills."""
    kills = 0
    while True:
        process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            _, errors = process.communicate(timeout=moments.uniform(0, longest))
        except subprocess.TimeoutExpired:
            process.kill()  # SIGKILL: it cannot tidy up
            process.communicate()
            kills += 1
            continue
        if process.returncode:
            raise SystemExit(f"{' '.join(arguments)} failed:\n{errors.decode()}")
        return kills


def contents(folder):
    """The content of every file in a folder, by its path."""
    return {path.relative_to(folder): path.read_bytes() for path in pathlib.Path(folder).rglob("*") if path.is_file()}


def kills_of_runs(runs, options, seed=0):
    """Kill and resume that many runs. Returns how often each was killed, or None where its files differ from those of
    an undisturbed run.
    """
    moments, kills = random.Random(seed), []
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        subprocess.run(command(f"{folder}/undisturbed", *options), stdout=subprocess.DEVNULL, check=True)
        longest = 1.2 * (time.perf_counter() - start)
        for run in tqdm(range(runs), unit=" runs", disable=None):
            out = f"{folder}/{run}"
            number = kill_until_done(command(out, "--resume", *options), longest, moments)
            kills.append(number if contents(out) == contents(f"{folder}/undisturbed") else None)
    return kills


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=30, help="default: 30, a few minutes")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options, rest = parser.parse_known_args()  # the rest is pruning.py's
    kills = kills_of_runs(options.runs, rest, options.seed)
    same = [number for number in kills if number is not None]
    print(f"{len(same)} of {len(kills)} runs ended with the bytes of an undisturbed run; "
          f"{sum(same)} kills, {min(same, default=0)} to {max(same, default=0)} a run")
    return 0 if len(same) == len(kills) else 1


if __name__ == "__main__":
    sys.exit(main())
