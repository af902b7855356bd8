"""Distribution of rows over threads; no other module decides on their number.

Kernels are serial and release the interpreter's lock. They run in parallel in plain Python threads.
Each calling thread owns its helper threads, so that calls from several threads do not wait for each
other, and a forked child starts new ones.
"""

import contextvars
import os
import threading
from collections import deque
from contextlib import nullcontext, suppress
from itertools import pairwise
from queue import Empty, SimpleQueue

from joblib.parallel import get_active_backend
from numba import get_num_threads

from sklearn_ebm._sklearn import _openmp_effective_n_threads
from sklearn_ebm.backends._threads import n_sharing
from sklearn_ebm.backends.numba._blas import serial_blas

PIECES = 4  # per thread, so that one slow piece does not keep the others waiting
SECONDS = 0.1  # timeout of a wait that is repeated: Ctrl-C cannot end a wait on Windows

_inside = threading.local()


def n_threads():
    """Return the limit of Numba and OpenMP on threads; one inside a joblib worker.

    If several tasks run at the same time, each may use its share of the threads.
    """
    if getattr(_inside, "piece", False):
        return 1
    joblib_backend, _ = get_active_backend()
    if (joblib_backend.nesting_level or 0) > 0:
        return 1
    return max(1, min(get_num_threads(), _openmp_effective_n_threads()) // n_sharing())


class _Helpers:
    """Threads that execute the tasks of their owner thread, and end with it.

    All synchronisation uses locks and queues that are implemented in C. Ctrl-C can interrupt locks
    that are implemented in Python, such as those of `concurrent.futures`, after they are acquired
    and before the block that releases them is entered.
    """

    def __init__(self):
        self.process = os.getpid()
        self._tasks = SimpleQueue()
        self._n_threads = 0

    def do(self, tasks):
        """Start each task in its own thread."""
        for number, task in enumerate(tasks, 1):
            if number > self._n_threads:
                threading.Thread(
                    target=self._serve, args=(self._tasks,), name="sklearn_ebm", daemon=True
                ).start()
                self._n_threads = number  # Ctrl-C may leave one thread uncounted
            self._tasks.put(task)

    @staticmethod
    def _serve(tasks):
        while (task := tasks.get()) is not None:
            task()
            del task  # releases the arrays of the task

    def __del__(self):
        for _ in range(self._n_threads):
            self._tasks.put(None)


def _own_helpers():
    """Return the helpers of the calling thread."""
    helpers = getattr(_inside, "helpers", None)
    if helpers is None or helpers.process != os.getpid():  # after a fork, the threads do not exist
        helpers = _inside.helpers = _Helpers()
    return helpers


def _take_pieces(work, pieces):
    """Process pieces until none is left."""
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


class _Part:
    """The task of one helper: process pieces until none is left.

    Parameters
    ----------
    work : callable
        Called with the first and last row of each piece.
    pieces : deque
        Pieces that are left, shared by all threads.
    limit : context manager
        Active while the helper processes pieces.
    ended : SimpleQueue
        Receives the exception that ended the task, or None.
    """

    def __init__(self, work, pieces, limit, ended):
        self.work = work
        self.pieces = pieces
        self.limit = limit
        self.ended = ended
        self.context = contextvars.copy_context()
        self.gate = threading.Lock()  # locked while the helper may write

    def __call__(self):
        with self.gate:
            try:
                if self.pieces:
                    with self.limit:
                        self.context.run(_take_pieces, self.work, self.pieces)
                self.ended.put(None)
            except BaseException as error:
                self.pieces.clear()  # stops the other threads
                self.ended.put(error)


def _share(work, bounds, n_helpers, limit=None):
    """Share the pieces among helpers and, unless BLAS is limited, the caller.

    An exception in the caller, including Ctrl-C, is raised only when no thread writes any more.
    Ctrl-C can interrupt the main thread at any point, so only helpers set and remove the BLAS
    limit.
    """
    pieces, ended = deque(pairwise(bounds)), SimpleQueue()
    parts = [_Part(work, pieces, limit or nullcontext(), ended) for _ in range(n_helpers)]
    error = None
    try:
        _own_helpers().do(parts)
        if limit is None:
            _take_pieces(work, pieces)
        else:
            error = _first(ended)  # when a helper has ended, no piece is left
    finally:
        pieces.clear()
        _wait_for(parts)
    while error is None and not ended.empty():
        error = ended.get()
    if error is not None:
        try:
            raise error
        finally:
            error = None  # breaks the reference cycle with its traceback


def _first(queue):
    while True:
        with suppress(Empty):
            return queue.get(timeout=SECONDS)


def _wait_for(parts):
    """Wait until no helper writes any more, even if Ctrl-C is pressed again."""
    try:
        for part in parts:
            with part.gate:
                pass
    except KeyboardInterrupt:
        _wait_for(parts)
        raise


def work_together(work, most):
    """Call work() in several threads, at most `most`; they share the pieces."""
    threads = min(n_threads(), most)
    if threads <= 1:
        work()
        return
    _share(lambda first, last: work(), range(threads + 1), threads - 1)


def split_rows(work, n_rows, smallest):
    """Call work(first, last) on consecutive pieces of the rows, each of at least `smallest` rows.

    An exception in the caller, including Ctrl-C, is raised only when no piece writes any more.
    """
    most = n_rows // max(1, smallest)
    threads = min(n_threads(), most) if most > 1 else 1  # the call of n_threads takes microseconds
    if threads <= 1:
        work(0, n_rows)
        return
    pieces = min(PIECES, most // threads) * threads  # the same number for each thread
    _share(work, [n_rows * piece // pieces for piece in range(pieces + 1)], threads - 1)


def map_pieces(work, n_rows, piece):
    """Call work(first, last) for pieces of `piece` rows, with one BLAS thread in each.

    The bounds and thus the results do not depend on the number of threads.
    """
    bounds = [*range(0, n_rows, piece), n_rows]
    if len(bounds) > 2 and not getattr(_inside, "piece", False):
        threads = min(n_threads(), len(bounds) - 1)
        # A single thread limits BLAS as well, since two BLAS threads may sum in another order.
        if threads > 1 or serial_blas.is_needed():
            _share(work, bounds, threads, serial_blas)
            return
    for first, last in pairwise(bounds):
        work(first, last)
