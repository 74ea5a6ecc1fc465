"""What process 0 collects and does for all."""

from collections.abc import Callable

import numpy as np
from mpi4py import MPI


def gathered(comm: MPI.Comm, array: np.ndarray) -> np.ndarray:
    """The parts of all processes, joined along their first axis on process 0; on the others an empty array."""
    parts = comm.gather(array)
    return array[:0] if parts is None else np.concatenate(parts)


def at_root(comm: MPI.Comm, action: Callable[[], None]) -> None:
    """Do something on process 0.

    Raises:
        OSError: It failed there; process 0 itself raises the error as it came.
    """
    reason = None
    try:
        if comm.rank == 0:
            action()
    except Exception as error:
        reason = str(error)
        raise
    finally:
        reason = comm.bcast(reason)
    if reason is not None:
        raise OSError(f"process 0 failed: {reason}")
