"""The one place that decides how many threads a kernel's rows are split over.

Kernels are serial and release the interpreter's lock. They run side by side in plain Python
threads, which survive a fork, may be entered from several threads at once and wait for nobody when
the machine is busy.
"""

import functools
import os
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, nullcontext
from itertools import pairwise

from joblib.parallel import get_active_backend
from numba import get_num_threads

from sklearn_ebm._sklearn import _get_threadpool_controller, _openmp_effective_n_threads

PIECES = 4  # per thread, so that one slow piece does not keep the others waiting

_inside = threading.local()


def n_threads():
    """Threads that a kernel may use: Numba's and OpenMP's limit, one inside a joblib worker."""
    joblib_backend, _ = get_active_backend()
    if (joblib_backend.nesting_level or 0) > 0 or getattr(_inside, "piece", False):
        return 1
    return max(1, min(get_num_threads(), _openmp_effective_n_threads()))


@functools.lru_cache(maxsize=4)
def _pool(size, process):
    return ThreadPoolExecutor(size, thread_name_prefix="sklearn_ebm")


class _SerialBlas:
    """One BLAS thread while any caller is inside; the last one out restores the former number.

    BLAS threads that wait for work spin, and take the processor from the kernels' threads.
    """

    def __init__(self):
        self._lock = threading.Lock()
        self._depth = 0
        self._limit = None

    @contextmanager
    def __call__(self):
        with self._lock:
            if self._depth == 0:
                controller = _get_threadpool_controller()
                self._limit = controller.limit(limits=1, user_api="blas")
            self._depth += 1
        try:
            yield
        finally:
            with self._lock:
                self._depth -= 1
                if self._depth == 0:
                    self._limit.restore_original_limits()


_serial_blas = _SerialBlas()


def _take_pieces(work, pieces):
    """Work on one piece after another until none is left."""
    _inside.piece = True
    try:
        while pieces:
            try:
                first, last = pieces.popleft()
            except IndexError:  # another thread took the last one
                return
            work(first, last)
    finally:
        _inside.piece = False


def _run(work, bounds, threads):
    """Share the pieces among the caller and `threads - 1` others."""
    pieces = deque(pairwise(bounds))
    pool = _pool(threads - 1, os.getpid())
    tasks = [pool.submit(_take_pieces, work, pieces) for _ in range(threads - 1)]
    try:
        _take_pieces(work, pieces)
        for task in tasks:
            if not task.cancel():  # one that never began has nothing left to do
                task.result()
    finally:
        pieces.clear()
        for task in tasks:
            task.cancel()
        wait(tasks)


def work_together(work, most):
    """Call work() in as many threads as may be, at most `most`; each takes what others left."""
    threads = min(n_threads(), most)
    if threads <= 1:
        work()
        return
    _run(lambda first, last: work(), range(threads + 1), threads)


def split_rows(work, n_rows, smallest):
    """Call work(first, last) on consecutive pieces of the rows, each of at least `smallest` rows.

    An exception in the caller, Ctrl-C included, leaves only when no piece writes any more.
    """
    most = n_rows // max(1, smallest)
    threads = min(n_threads(), most) if most > 1 else 1  # to ask takes microseconds
    if threads <= 1:
        work(0, n_rows)
        return
    pieces = min(PIECES, most // threads) * threads  # as many for each
    _run(work, [n_rows * piece // pieces for piece in range(pieces + 1)], threads)


def map_pieces(work, n_rows, piece):
    """Call work(first, last) on every `piece` rows, with one BLAS thread in each.

    Where the pieces begin does not depend on the number of threads, so neither do the results.
    """
    bounds = [*range(0, n_rows, piece), n_rows]
    n_pieces = len(bounds) - 1
    threads = min(n_threads(), n_pieces) if n_pieces > 1 else 1
    # One thread of kernels limits BLAS as well: on some machines two BLAS threads sum otherwise.
    with _serial_blas() if n_pieces > 1 else nullcontext():
        if threads > 1:
            _run(work, bounds, threads)
            return
        for first, last in pairwise(bounds):
            work(first, last)
