"""The one place that decides how many threads a kernel's rows are split over.

Kernels are serial and release the interpreter's lock. They run side by side in plain Python threads,
which survive a fork, may be entered from several threads at once and wait for nobody when the machine
is busy.
"""

import functools
import os
from concurrent.futures import ThreadPoolExecutor, wait

from joblib.parallel import get_active_backend
from numba import get_num_threads

from sklearn_ebm._sklearn import _openmp_effective_n_threads

PIECES = 4  # per thread, so that one slow piece does not keep the others waiting


def n_threads():
    """Threads that a kernel may use: Numba's and OpenMP's limit, one inside a joblib worker."""
    joblib_backend, _ = get_active_backend()
    if (joblib_backend.nesting_level or 0) > 0:
        return 1
    return max(1, min(get_num_threads(), _openmp_effective_n_threads()))


@functools.lru_cache(maxsize=4)
def _pool(size, process):
    return ThreadPoolExecutor(size, thread_name_prefix="sklearn_ebm")


def split_rows(work, n_rows, smallest):
    """Call work(first, last) on consecutive pieces of the rows, each of at least `smallest` rows.

    An exception in the caller, Ctrl-C included, leaves only when no piece writes any more.
    """
    threads = min(n_threads(), n_rows // max(1, smallest))
    if threads <= 1:
        work(0, n_rows)
        return
    pieces = min(PIECES * threads, n_rows // smallest)
    bounds = [n_rows * piece // pieces for piece in range(pieces + 1)]
    pool = _pool(threads, os.getpid())
    tasks = [
        pool.submit(work, first, last) for first, last in zip(bounds[:-1], bounds[1:], strict=True)
    ]
    try:
        for task in tasks:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        wait(tasks)
