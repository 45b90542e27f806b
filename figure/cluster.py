"""Runs on a Dask cluster, of which the scheduler and the workers are started in the project's folder.

joblib has a backend for Dask, but it waits for ever for a job that is given up, or that the cluster cannot read.
"""

import asyncio
import concurrent.futures
import logging
import platform

import distributed

from datasets.user_input import InputError, describe

ANSWER = 10  # seconds to wait for an answer


def run_all(run, jobs, address):
    """Yield run(job) for each job, in their order. A job whose worker is lost is done by another. Raises InputError.

    address : the scheduler's
    """
    for name in ("distributed", "distributed.client"):  # this program says itself what is wrong, in one line
        logging.getLogger(name).setLevel(logging.CRITICAL)
    check_versions(address)
    try:
        with distributed.Client(address, timeout=ANSWER, set_as_default=False) as client:
            check_imports(client, address)
            yield from (future.result() for future in client.map(run, jobs, pure=False))
    except distributed.KilledWorker:
        raise InputError(f"{address}: a job was given up, because several workers were lost at it") from None
    except (concurrent.futures.CancelledError, distributed.comm.CommClosedError, TimeoutError) as error:
        raise InputError(f"{address}: this Dask scheduler does not answer any more") from error


def check_versions(address):
    """Raise InputError where nobody answers, there are no workers, or Python or Dask is of another version there."""

    async def ask():  # in a message that all versions understand
        async with distributed.rpc(address) as scheduler:
            workers = await scheduler.broadcast(msg={"op": "versions"})
            return [await scheduler.versions(), *workers.values()]

    try:
        answers = asyncio.run(asyncio.wait_for(ask(), ANSWER))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{address}: no Dask scheduler answers there") from error
    if len(answers) == 1:
        raise InputError(f"{address}: this Dask cluster has no workers")
    for name, here in (("python", platform.python_version()), ("distributed", distributed.__version__)):
        for there in (answer["packages"][name] for answer in answers):
            if there.split(".")[:2] != here.split(".")[:2]:
                raise InputError(f"{address}: has {name} {there}, and here is {here}")


def check_imports(client, address):
    """Raise InputError where the scheduler or a worker does not find the project; it would try again for ever."""
    try:
        client.run(exec, "import figure.studies")
        client.run_on_scheduler(exec, "import figure.studies")
    except Exception as error:  # of no special kind
        raise InputError(f"{address}: was not started in this project's folder, or not with its packages "
                         f"({describe(error)})") from error
