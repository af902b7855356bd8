"""Sums of pieces are merged in the order of the rows, in memory that the pieces reuse."""

import itertools
import threading

import numpy as np
import pytest

from sklearn_ebm.learning._memory import Memory
from sklearn_ebm.learning._merging import Merger

BOUNDS = [(0, 2), (2, 4), (4, 6), (6, 7)]
TERMS = np.array([1e16, 1.0, -1e16, 1.0])  # whose sum in double precision depends on the order


@pytest.mark.parametrize("order", [*itertools.permutations(range(4))])
def test_sums_do_not_depend_on_the_order_in_which_pieces_end(order):
    merger = Merger({}.get)
    ends = [threading.Event() for _ in BOUNDS]

    def contribute(number):
        ends[number].wait()
        return {"terms": np.array([TERMS[number]])}

    def start(number):
        return threading.Thread(
            target=merger.add, args=(*BOUNDS[number], lambda memory: contribute(number))
        )

    threads = [start(number) for number in range(4)]
    for thread in threads:
        thread.start()
    for number in order:
        ends[number].set()
        threads[number].join()
    assert merger.sums["terms"] == ((TERMS[0] + TERMS[1]) + TERMS[2]) + TERMS[3]


def test_pieces_reuse_memory_whose_sums_are_merged():
    memory = Memory()
    parts, merger = [], Merger(memory.part)

    def contribute(part):
        parts.append(part)
        room = part.array("ones", (3,), TERMS)
        room[...] = 1
        return {"ones": room}

    for bounds in BOUNDS:
        merger.add(*bounds, contribute)
    first, *others = parts
    assert {*map(id, others)} == {id(others[0])} != {id(first)}
    np.testing.assert_array_equal(merger.sums["ones"], np.full(3, 4.0))


def test_sums_of_a_single_piece_only_are_kept_while_its_memory_is_reused():
    memory = Memory()
    merger = Merger(memory.part)

    def contribute(name):
        def work(part):
            room = part.array("room", (1,), TERMS)
            room[...] = len(name)
            return {name: room}

        return work

    for bounds, name in zip(BOUNDS, ("a", "bb", "ccc", "bb"), strict=True):
        merger.add(*bounds, contribute(name))
    assert merger.sums == {"a": 1, "bb": 4, "ccc": 3}
