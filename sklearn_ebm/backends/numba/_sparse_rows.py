"""Sparse arrays of the rows of a matrix, in two passes over its vectors."""

import numpy as np
from scipy import sparse

from sklearn_ebm.backends._namespace import read_only
from sklearn_ebm.backends.numba._rules import kernel
from sklearn_ebm.backends.numba._simd import (
    LANES,
    lanes_that_are_on,
    load_first,
    lowest_bit,
    n_bits,
)


@kernel
def count_rows(rows, stop):
    """Compute the number of non-zeros up to the end of each row."""
    n_columns, number = rows.shape[1], 0
    for n in range(rows.shape[0]):
        for k in range(0, n_columns, LANES):
            bits = lanes_that_are_on(load_first(rows, (n, k), min(LANES, n_columns - k)))
            number += np.int64(n_bits(bits))
        stop[n] = number


@kernel
def gather_rows(rows, columns, values):
    """List the non-zeros of all rows with their columns."""
    n_columns, place = rows.shape[1], 0
    for n in range(rows.shape[0]):
        for k in range(0, n_columns, LANES):
            bits = lanes_that_are_on(load_first(rows, (n, k), min(LANES, n_columns - k)))
            while bits:
                column = k + np.int64(lowest_bit(bits))
                bits &= bits - np.uint64(1)
                columns[place] = column
                values[place] = rows[n, column]
                place += 1


def to_csr(rows):
    """Fused passes; see `sklearn_ebm.backends.to_csr`."""
    rows = read_only(np.ascontiguousarray(rows))
    stop = np.zeros(rows.shape[0] + 1, np.int64)
    count_rows(rows, stop[1:])
    columns, values = np.empty(stop[-1], np.int32), np.empty(stop[-1], rows.dtype)
    gather_rows(rows, columns, values)
    dtype = sparse.get_index_dtype(maxval=max(int(stop[-1]), rows.shape[1]))
    parts = values, columns.astype(dtype, copy=False), stop.astype(dtype)
    return sparse.csr_array(parts, shape=rows.shape)
