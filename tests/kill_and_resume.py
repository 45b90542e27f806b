"""Kill pruning.py at random moments and resume it until it is done: `python -m tests.kill_and_resume`.

Every run must end with the same bytes as an undisturbed one, in every file, and with no other file. Says beforehand
how long it will take, prints how often each run was killed, and ends with status 1 if any differed. --log FILE shows
the progress in a file, too.
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
SLOWER = 2.5  # times as long as an undisturbed run does a killed one take, in the mean of many


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


def kills_of_runs(runs, options, seed=0, report=lambda line: None):
    """Kill and resume that many runs, and compare each with an undisturbed one.

    report : a function that is called with a line beforehand, and after every run
    Returns how often each was killed, or None for one that differs from the undisturbed run.
    """
    moments = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        subprocess.run(command(f"{folder}/undisturbed", *options), stdout=subprocess.DEVNULL, check=True)
        seconds = time.perf_counter() - start
        longest = 1.2 * seconds
        report(f"an undisturbed run took {seconds:.1f} s; {runs} killed ones will take about "
               f"{runs * SLOWER * seconds / 60:.1f} minutes")
        expected = contents(f"{folder}/undisturbed")
        kills = []
        for run in tqdm(range(runs), unit=" runs", disable=None):
            out = f"{folder}/{run}"
            number = kill_until_done(command(out, "--resume", *options), longest, moments)
            kills.append(number if contents(out) == expected else None)
            report(f"run {run + 1} of {runs}: {number} kills, "
                   f"{'the same bytes' if kills[-1] is not None else 'OTHER BYTES'}")
    return kills


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0],
                                     formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--log", metavar="FILE", help="append a line for every run to this file")
    options, rest = parser.parse_known_args()  # the rest is pruning.py's

    def report(line):
        print(line, flush=True)
        if options.log:
            with open(options.log, "a", encoding="utf-8") as file:
                file.write(f"{line}\n")

    kills = kills_of_runs(options.runs, rest, options.seed, report)
    same = [number for number in kills if number is not None]
    print(f"{len(same)} of {len(kills)} runs ended with the bytes of an undisturbed run; "
          f"{sum(same)} kills, {min(same, default=0)} to {max(same, default=0)} a run")
    return 0 if len(same) == len(kills) else 1


if __name__ == "__main__":
    sys.exit(main())
