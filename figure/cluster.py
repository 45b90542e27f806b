"""Jobs on a Dask cluster, whose scheduler and workers are started in the project's folder."""

import distributed

from datasets.user_input import InputError, describe

ANSWER = 10  # seconds to wait for the scheduler


def run_all(run, jobs, address, ordered):
    """Yield run(job) for each job; address : the scheduler's; others : see `studies.in_parallel`. Raises InputError."""
    try:
        client = distributed.Client(address, timeout=ANSWER, set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{address}: no Dask scheduler answers there") from error
    with client:
        futures = client.map(run, jobs, pure=False)
        try:
            ended = futures if ordered else distributed.as_completed(futures, loop=client.loop)
            yield from (future.result() for future in ended)
        except (distributed.CancelledError, distributed.KilledWorker) as error:
            raise InputError(f"{address}: the cluster has lost its scheduler, or several workers at one job "
                             f"({describe(error)})") from error
