"""Threads of kernels: BLAS is limited in every piece and restored after any call."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import joblib
import numpy as np
import pytest
from threadpoolctl import ThreadpoolController, threadpool_limits

import sklearn_ebm
from sklearn_ebm.backends.numba import _blas, _launcher
from sklearn_ebm.backends.numba._launcher import map_pieces, split_rows

LIBRARIES = ThreadpoolController().select(user_api="blas").lib_controllers
SECONDS = 60  # timeout of a deadlock


def numbers():
    """Return the number of threads of each BLAS library."""
    return [library.num_threads for library in LIBRARIES]


@pytest.fixture(params=[1, 2], ids=["one thread", "two threads"])
def threads(request, monkeypatch):
    """Set the number of threads of kernels, independently of the machine."""
    monkeypatch.setattr(_launcher, "n_threads", lambda: request.param)
    return request.param


@pytest.fixture
def _two_blas_threads():
    with threadpool_limits(2, user_api="blas"):
        if not LIBRARIES or set(numbers()) != {2}:
            pytest.skip("no BLAS library here takes a number of threads")
        yield
        assert set(numbers()) == {2}


def seen(work=numbers, n_pieces=3):
    """Return the numbers that each of several pieces observes."""
    found = []
    map_pieces(lambda first, last: found.append(work()), n_pieces, 1)
    return found


def in_thread(function):
    """Return the result of a function called in another thread."""
    found = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join(SECONDS)
    return found[0]


ONE = [[1] * len(LIBRARIES)] * 3


@pytest.mark.usefixtures("_two_blas_threads", "threads")
@pytest.mark.parametrize("call", [lambda function: function(), in_thread])
def test_each_piece_has_one_blas_thread(call):
    assert call(seen) == ONE
    assert set(numbers()) == {2}
    assert call(seen) == ONE


@pytest.mark.usefixtures("_two_blas_threads")
def test_each_piece_of_a_joblib_worker_has_one_blas_thread():
    parallel = joblib.Parallel(2, backend="threading")
    assert parallel(joblib.delayed(seen)() for _ in range(4)) == [ONE] * 4


@pytest.mark.usefixtures("_two_blas_threads", "threads")
def test_a_call_that_overlaps_another_keeps_the_limit_until_both_have_ended():
    inside, go_on = threading.Event(), threading.Event()

    def first():
        inside.set()
        go_on.wait(SECONDS)
        return numbers()

    results = []
    thread = threading.Thread(target=lambda: results.append(seen(first)))
    thread.start()
    inside.wait(SECONDS)
    assert seen() == ONE  # ends before the other call
    assert set(numbers()) == {1}
    go_on.set()
    thread.join(SECONDS)
    assert results == [ONE]


@pytest.mark.usefixtures("_two_blas_threads", "threads")
def test_an_exception_in_a_piece_restores_blas_and_reaches_the_caller():
    done = []

    def work(first, last):
        done.append(first)
        raise ArithmeticError(first)

    for split in (map_pieces, split_rows):
        done.clear()
        with pytest.raises(ArithmeticError):
            split(work, 1000, 1)
        assert len(done) <= 2  # the others do not start


@pytest.mark.usefixtures("_two_blas_threads", "threads")
def test_one_piece_starts_no_thread_and_sets_no_limit():
    assert seen(lambda: (threading.current_thread(), numbers()), n_pieces=1) == [
        (threading.main_thread(), [2] * len(LIBRARIES))
    ]


@pytest.mark.usefixtures("_two_blas_threads", "threads")
def test_pieces_within_a_piece_are_computed_in_its_thread():
    def nested():
        own = threading.get_ident()
        return seen(lambda: (threading.get_ident() == own, numbers()))

    assert seen(nested) == [[(True, ONE[0])] * 3] * 3


@pytest.mark.usefixtures("threads")
def test_a_context_reaches_each_piece():
    with np.errstate(over="raise", under="ignore"):
        assert {(state["over"], state["under"]) for state in seen(np.geterr)} == {
            ("raise", "ignore")
        }


class LocalLibrary:
    """A library, like MKL, with a separate number of threads for each calling thread."""

    def __init__(self):
        self._local = threading.local()

    @property
    def num_threads(self):
        return getattr(self._local, "number", 2)

    def set_num_threads(self, number):
        self._local.number = number


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("call", [lambda function: function(), in_thread])
def test_a_library_with_a_limit_for_each_thread_is_limited_in_each(call, monkeypatch):
    library = LocalLibrary()
    monkeypatch.setattr(_blas, "_libraries", lambda: [library])
    for _ in range(3):
        assert call(lambda: seen(lambda: library.num_threads)) == [1, 1, 1]
        assert library.num_threads == 2


@pytest.mark.usefixtures("_two_blas_threads", "threads")
def test_a_number_that_is_set_meanwhile_stays():
    def set_three():
        for library in LIBRARIES:
            _blas._set_number_of_threads(library, 3)

    map_pieces(lambda first, last: set_three(), 2, 1)
    assert set(numbers()) == {3}
    for library in LIBRARIES:
        _blas._set_number_of_threads(library, 2)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.usefixtures("_two_blas_threads", "threads")
def test_a_child_that_is_forked_from_a_piece_is_not_limited():
    """The lock and the number of threads are those of the parent; the child has neither."""

    def fork():
        child = os.fork()
        if child == 0:
            own = threading.Thread(target=lambda: os._exit(0 if check() else 1))
            own.start()
            own.join(SECONDS)
            os._exit(2)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    def check():
        return set(numbers()) == {2} and seen() == ONE and set(numbers()) == {2}

    assert seen(fork, n_pieces=2) == [0, 0]


INTERRUPTED = """
import os, random, signal, threading, time
import numpy as np
from threadpoolctl import ThreadpoolController, threadpool_limits
from sklearn_ebm.backends.numba import _launcher

signal.signal(signal.SIGINT, signal.default_int_handler)  # a parent may have it ignored
_launcher.n_threads = lambda: 2
libraries = ThreadpoolController().select(user_api="blas").lib_controllers
threadpool_limits(2, user_api="blas")
before = [library.num_threads for library in libraries]
matrix, written = np.ones((50, 50)), np.zeros(8)

def work(first, last):
    matrix @ matrix
    written[first:last] += 1

def send(delay):
    time.sleep(delay)
    os.kill(os.getpid(), signal.SIGINT)

random.seed(0)
for trial in range(200):
    sender = threading.Thread(target=send, args=[random.uniform(0, 1e-3)])
    try:
        sender.start()
        while True:
            _launcher.map_pieces(work, 8, 1)
    except KeyboardInterrupt:
        left = written.copy()
    assert [library.num_threads for library in libraries] == before
    sender.join()
    assert np.array_equal(written, left)
print("restored")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="os.kill ends a process there")
def test_ctrl_c_at_any_moment_restores_blas_and_leaves_no_piece_running():
    """Run in a separate process, because an interrupt may otherwise occur between two tests."""
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=SECONDS,
        cwd=Path(sklearn_ebm.__file__).parents[1],
    )  # fmt: skip
    assert done.stdout.strip() == "restored", done.stderr


def test_helpers_end_with_the_thread_that_they_work_for(monkeypatch):
    monkeypatch.setattr(_launcher, "n_threads", lambda: 3)
    before = threading.active_count()
    in_thread(seen)
    for thread in threading.enumerate():
        if thread.name == "sklearn_ebm":
            thread.join(timeout=0.2)
    assert threading.active_count() <= before
