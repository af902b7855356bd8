"""Memory of pieces, and of the threads that process them."""

import gc
import pickle
import threading
import weakref

import numpy as np
import pytest

from sklearn_ebm.learning._memory import Memory, ThreadMemory

SINGLE, DOUBLE = np.zeros(1, np.float32), np.zeros(1)


@pytest.mark.parametrize("second", [(3, 5), (2, 5), (4, 5), (3, 6)])
@pytest.mark.parametrize("like", [SINGLE, DOUBLE])
def test_matrices_have_the_shape_and_the_dtype_of_each_call(second, like):
    memory = Memory()
    memory.matrix("x", (3, 5), DOUBLE)[...] = 1
    matrix = memory.matrix("x", second, like)
    assert matrix.shape == second
    assert matrix.dtype == like.dtype
    assert matrix.strides[0] % 128 == 64  # an odd number of cache lines


def test_smaller_matrices_are_the_first_rows_of_larger_ones():
    memory = Memory()
    large = memory.matrix("x", (4, 5), DOUBLE)
    assert np.shares_memory(memory.matrix("x", (3, 5), DOUBLE), large)
    assert np.shares_memory(memory.matrix("x", (4, 5), DOUBLE), large)


def in_thread(function):
    """Return the result of a call in a new thread."""
    results = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()
    thread.join()
    return results[0]


def test_objects_of_a_name_share_the_memory_of_a_thread():
    first, second, other = (ThreadMemory(name) for name in ("one", "one", "other"))
    assert first.of_thread() is first.of_thread() is second.of_thread()
    assert first.of_thread() is not other.of_thread()


def test_threads_have_their_own_memory():
    held = ThreadMemory("one")
    memory = held.of_thread()
    assert in_thread(lambda: held.of_thread() is memory) is False


def test_memory_is_released_with_the_last_of_its_objects():
    first, second = ThreadMemory("one"), ThreadMemory("one")
    memory = weakref.ref(first.of_thread())
    second.of_thread()
    del first
    gc.collect()
    assert memory() is not None
    del second
    gc.collect()
    assert memory() is None


def test_memory_is_released_with_its_thread():
    held = ThreadMemory("one")
    memory = in_thread(lambda: weakref.ref(held.of_thread()))
    gc.collect()
    assert memory() is None


def test_a_pickled_object_has_the_name_only():
    held = ThreadMemory("one")
    held.of_thread().array("x", (10_000,), DOUBLE)
    pickled = pickle.dumps(held)
    assert len(pickled) < 200
    assert pickle.loads(pickled).of_thread() is held.of_thread()
