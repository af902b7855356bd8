"""Tasks that run at the same time share the threads."""

import threading

from sklearn_ebm.backends._threads import n_sharing, shared_threads
from sklearn_ebm.backends.numba._launcher import n_threads


def test_tasks_share_the_threads():
    everything = n_threads()
    with shared_threads(2):
        assert n_threads() == max(1, everything // 2)
        with shared_threads(10**6):
            assert n_threads() == 1  # not zero
        assert n_sharing() == 2
    assert n_threads() == everything


def test_other_threads_keep_theirs():
    seen = []
    with shared_threads(10**6):
        thread = threading.Thread(target=lambda: seen.append(n_sharing()))
        thread.start()
        thread.join()
    assert seen == [1]
