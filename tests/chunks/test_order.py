"""The order of rows in a pass over chunks: every row once, in batches of the requested size."""

import numpy as np
import pytest
from sklearn.utils import check_random_state

from sklearn_ebm.inputs._chunked import Chunks
from sklearn_ebm.learning._distributed import ChunkedSamples
from sklearn_ebm.learning._samples import Samples

da = pytest.importorskip("dask.array")

ROWS_PER_TASK = 512  # in the tests of this folder


def samples_of(lengths, index=None):
    """Return samples whose only feature is the number of the row."""
    rows = np.arange(sum(lengths), dtype=float)[:, None]
    chunks = Chunks(da.from_array(rows, chunks=((*lengths,), 1)))
    return ChunkedSamples(chunks, lambda X: Samples(X), Samples(rows), index)


def rows_of(samples, batch):
    """Return the numbers of the rows of a batch, and the numbers of its chunks."""
    firsts = samples.chunks.firsts
    parts = [firsts[n] + np.r_[rows] for n, rows in batch.pieces]
    return np.concatenate(parts), [number for number, _ in batch.pieces]


@pytest.mark.parametrize(
    ("lengths", "size"),
    [
        ([100], 30),
        ([40, 1, 60, 0, 33], 30),
        ([700, 900, 500], 512),
        ([700, 900, 500, 800, 100], 2 * ROWS_PER_TASK),
        ([700, 900, 500, 800, 100], 10_000),
    ],
)
def test_a_pass_visits_every_row_once(lengths, size):
    samples = samples_of(lengths)
    for positions in (samples.batches(size, check_random_state(0)), samples.in_order(size)):
        seen = [rows_of(samples, samples.take(span)) for span in positions]
        assert np.array_equal(
            np.sort(np.concatenate([rows for rows, _ in seen])), range(sum(lengths))
        )
        n_chunks = max(1, size // ROWS_PER_TASK)  # rounded down in each chunk of two groups
        assert all(abs(len(rows) - size) <= 2 * n_chunks for rows, _ in seen[:-1])


def test_one_chunk_is_visited_like_an_array():
    lengths = [100]
    chunked, local = samples_of(lengths), Samples(np.arange(100.0)[:, None])
    batches = local.batches(30, check_random_state(3))
    spans = chunked.batches(30, check_random_state(3))
    for span, rows in zip(spans, batches, strict=True):
        assert np.array_equal(rows_of(chunked, chunked.take(span))[0], rows)


def test_a_batch_draws_from_a_chunk_for_each_task():
    samples = samples_of([2 * ROWS_PER_TASK] * 4)
    for n_chunks in (1, 2, 4):
        size = n_chunks * ROWS_PER_TASK
        for span in samples.batches(size, check_random_state(0)):
            rows, numbers = rows_of(samples, samples.take(span))
            assert len(numbers) == n_chunks
            assert len(rows) == size
    assert len(samples._loaded) == 4


def test_large_samples_need_fewer_rows_in_a_task(monkeypatch):
    samples = samples_of([40, 40])
    samples.like = np.zeros((1, 64, 64, 2))  # 2**13 numbers, of 2**19
    assert [len(samples.take(span).pieces) for span in samples.in_order(128)] == [2]
    monkeypatch.setattr("sklearn_ebm.learning._distributed.NUMBERS_PER_TASK", 1)
    assert [len(samples.take(span).pieces) for span in samples.in_order(2)] == [2] * 40


def test_chunks_are_released_after_use():
    samples = samples_of([ROWS_PER_TASK] * 6)
    for span in samples.batches(2 * ROWS_PER_TASK, check_random_state(0)):
        samples.take(span)
        assert len(samples._loaded) == 2


def test_orders_differ_between_passes_and_repeat_with_a_seed():
    samples, state, again = samples_of([50, 50, 50]), check_random_state(0), check_random_state(0)

    def order(random_state):
        positions = samples.batches(50, random_state)
        return np.concatenate([rows_of(samples, samples.take(span))[0] for span in positions])

    first, second = order(state), order(state)
    assert not np.array_equal(first, second)
    assert np.array_equal(order(again), first)


def test_some_rows_only():
    index = np.array([1, 2, 5, 40, 99, 130])
    samples = samples_of([50, 50, 50], index)
    for positions in (samples.batches(4, check_random_state(0)), samples.in_order(4)):
        seen = [rows_of(samples, samples.take(span))[0] for span in positions]
        assert np.array_equal(np.sort(np.concatenate(seen)), index)
