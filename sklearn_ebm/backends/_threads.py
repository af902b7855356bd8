"""The share of the threads that one task may use if several tasks run at the same time."""

import threading
from contextlib import contextmanager

_local = threading.local()


def n_sharing():
    """Return the number of tasks that share the threads with the task of the calling thread."""
    return getattr(_local, "n_tasks", 1)


@contextmanager
def shared_threads(n_tasks):
    """Limit kernels that the calling thread starts to their share of the threads.

    Parameters
    ----------
    n_tasks : int
        Number of tasks that may run at the same time.
    """
    before = n_sharing()
    _local.n_tasks = n_tasks
    try:
        yield
    finally:
        _local.n_tasks = before
