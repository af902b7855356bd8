"""Limit of BLAS to one thread while several threads run kernels.

Idle BLAS threads spin and take processor time from the threads that run kernels.
"""

import functools
import os
import threading

from sklearn_ebm._sklearn import _get_threadpool_controller


class SerialBlas:
    """A context with one BLAS thread. The last thread that exits restores the previous number.

    The number of threads belongs to the process in some libraries (OpenBLAS with its own threads)
    and to each calling thread in others (MKL, OpenBLAS with OpenMP), so every thread that enters
    sets it. Only the launcher's helper threads may enter: a limit that remains in one of them is
    harmless, and no signal interrupts them, because Python runs signal handlers in the main thread.
    """

    def __init__(self):
        self._begin()

    def _begin(self):
        self._lock = threading.Lock()
        self._n_inside = 0
        self._n_entries = 0
        self._former = {}

    def is_needed(self):
        """Return whether BLAS may use several threads in the calling thread.

        Without a lock, which a signal in the main thread could leave locked: a number that is one
        because of a thread inside counts, even if this thread has entered or left meanwhile.
        """
        n_entries = self._n_entries
        return (
            self._n_inside > 0
            or any(_number_of_threads(each) > 1 for each in _libraries())
            or self._n_entries != n_entries
        )

    def __enter__(self):
        with self._lock:
            self._n_entries += 1
            self._n_inside += 1
            for library in _libraries():
                number = _number_of_threads(library)
                if number > 1:
                    self._former[library] = number
                    _set_number_of_threads(library, 1)

    def __exit__(self, *exception):
        with self._lock:
            if self._n_inside == 1:
                self._restore()
            self._n_inside -= 1  # afterwards, so that no thread takes the limit for the user's

    def _restore(self):
        while self._former:
            library, number = self._former.popitem()
            if _number_of_threads(library) == 1:  # otherwise the user has changed the number
                _set_number_of_threads(library, number)

    def after_fork(self):
        """Restore the previous numbers in a forked child, which has no threads in this context."""
        former = self._former
        self._begin()
        self._former = former
        self._restore()


@functools.cache
def _libraries():
    return _get_threadpool_controller().select(user_api="blas").lib_controllers


def _number_of_threads(library):
    return library.num_threads or 1  # None if the library does not report it


def _set_number_of_threads(library, number):
    """Set the number of threads even if threadpoolctl lets another thread control the library.

    Recent versions of threadpoolctl silently ignore all threads but the one that first set a number
    for OpenBLAS, until that thread releases its control or ends.
    """
    release = getattr(library, "clear_controlling_thread", lambda force: None)
    release(force=True)
    library.set_num_threads(number)
    release(force=True)


serial_blas = SerialBlas()
if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=serial_blas.after_fork)
