"""`train --workers N`: start N processes with torchrun's launcher, and end as they end.

torchrun's launcher gives every process its number and an address to meet at, watches them, and
ends all when one fails. Added here is the exit status of the worker that reported an error, and a
line where none of them lived to report one.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import uuid

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from tinytrain.errors import Interrupted, Lost, ReportedByAnotherWorker
from tinytrain.runs import signals


def launch(options: argparse.Namespace) -> None:
    """Run the command in `options.workers` processes. Raises what they end with.

    Where nothing says how many threads each has, they share the cores.
    """
    logging.disable()  # what torchrun says besides
    each = max((os.cpu_count() or 1) // options.workers, 1)
    os.environ.setdefault("OMP_NUM_THREADS", str(each))
    os.environ[signals.PARENT] = str(os.getpid())
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=options.workers,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="localhost",
        max_restarts=0,
    )
    try:
        elastic_launch(config, sys.executable)("-m", "tinytrain", *options.words)
    except ChildFailedError as error:
        statuses = {rank: failure.exitcode for rank, failure in error.failures.items()}
        said = [status for status in statuses.values() if status > 0]
        if not said:
            rank, status = next(iter(statuses.items()))
            if -status in signals.SIGNALS:
                raise Interrupted("interrupted before the run began", -status) from error
            raise Lost(
                f"worker {rank} was killed by signal {-status}; a run goes on from its last save "
                f"with --resume --run-dir {options.run_dir or 'RUN'}"
            ) from error
        raise ReportedByAnotherWorker(said[0]) from error
    except SignalException as error:
        raise ReportedByAnotherWorker(128 + error.sigval) from error
