"""Categorical features: codes 0, 1, 2, ..., and their one-hot states.

A feature with K categories has K adjacent columns in the states. One of them is 1, the others are
0. Functions of the columns of a feature, such as the softmax, are computed for all features with
the same number of categories at once.
"""

import functools
from typing import Any, NamedTuple

import numpy as np

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace, to_host

LARGEST_CODE = 65535  # larger values are no categories; their columns would exhaust the memory


class Block(NamedTuple):
    """Features with the same number of categories.

    Attributes
    ----------
    size : int
        Number of categories.
    features : array of int of shape (n_block_features,)
        Features of the block.
    columns : array of int of shape (size * n_block_features,)
        Columns of these features: all first categories, then all second categories, and so on.
        NumPy reduces an axis fast only if it is not the last one.
    """

    size: int
    features: Any
    columns: Any


@functools.lru_cache
def _blocks(sizes):
    """Return the blocks, and the positions of columns and of features in their concatenation."""
    counts = np.asarray(sizes)
    starts = np.cumsum(counts) - counts
    blocks = []
    for size in np.unique(counts):
        features = np.flatnonzero(counts == size)
        columns = (starts[features] + np.arange(size)[:, None]).ravel()
        blocks.append(Block(int(size), features, columns))
    _, features, columns = zip(*blocks, strict=True)
    return blocks, *(np.argsort(np.concatenate(each)) for each in (columns, features))


@stored
class Categories:
    """Numbers of categories of the features.

    Parameters
    ----------
    sizes : tuple of int
        Number of categories of each feature.
    """

    def __init__(self, sizes):
        self.sizes = sizes

    @classmethod
    def of(cls, X, observed, n_categories):
        """Return the categories of checked codes.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Codes in a floating-point dtype.
        observed : array of shape (n_samples, n_features) or None
            1 for observed values, otherwise 0.
        n_categories : "auto", int or array-like of shape (n_features,)
            Numbers of categories. "auto" is the largest code of each feature plus one.

        Raises
        ------
        ValueError
            If `n_categories` does not match X.
        """
        xp, n_features = array_namespace(X), X.shape[1]
        if isinstance(n_categories, str):
            codes = X if observed is None else xp.where(observed != 0, X, xp.zeros_like(X))
            largest = to_host(xp.max(codes, axis=0))
            return cls(tuple((1 + largest.astype(int)).tolist()))
        sizes = np.asarray(n_categories)
        is_valid = sizes.dtype.kind in "iu" and sizes.shape in ((), (n_features,))
        if not is_valid or np.any(sizes < 1):
            raise ValueError(
                "n_categories must be 'auto', a positive integer, or an array of one positive "
                f"integer for each of the {n_features} features of X, got {n_categories!r}."
            )
        if np.any(sizes > LARGEST_CODE + 1):
            raise ValueError(
                f"n_categories must be at most {LARGEST_CODE + 1}, got {int(sizes.max())}."
            )
        return cls(tuple(np.broadcast_to(sizes, n_features).tolist()))

    @property
    def starts(self):
        """First column of each feature."""
        return np.cumsum(self.sizes) - self.sizes

    @property
    def owners(self):
        """Feature of each column."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    @property
    def levels(self):
        """Code of each column."""
        return np.arange(sum(self.sizes)) - np.repeat(self.starts, self.sizes)

    def encode(self, X, observed=None):
        """Return the one-hot states of codes, and the mask of the columns.

        Columns of codes that are not observed have any values.

        Raises
        ------
        ValueError
            If an observed code exceeds the number of categories.
        """
        xp = array_namespace(X)
        codes = X if observed is None else xp.where(observed != 0, X, xp.zeros_like(X))
        self._require_known(codes)
        owners, levels = xp.asarray(self.owners), xp.asarray(self.levels)
        states = xp.take(codes, owners, axis=1) == xp.astype(levels, codes.dtype)
        if observed is not None:
            observed = xp.take(observed, owners, axis=1)
        return xp.astype(states, X.dtype), observed

    def _require_known(self, codes):
        xp = array_namespace(codes)
        unknown = codes >= xp.asarray(np.asarray(self.sizes), dtype=codes.dtype)
        if not bool(xp.any(unknown)):
            return
        feature = int(xp.argmax(xp.astype(xp.any(unknown, axis=0), xp.int8)))
        code = int(xp.max(codes[:, feature]))
        raise ValueError(
            f"X must contain codes below the number of categories of each feature, got the code "
            f"{code} for feature {feature} with {self.sizes[feature]} categories. Set n_categories "
            "to include categories that are not in the training data, and call fit."
        )

    def decode(self, states):
        """Return the code of the largest column of each feature."""
        return self.map(_position_of_largest, states, of_features=True)

    def map(self, function, states, *by_feature, of_features=False):
        """Return a function of the columns of each feature.

        Parameters
        ----------
        function : callable
            Maps an array of shape (n_rows, size, n_block_features) to an array of that shape, or of
            shape (n_rows, n_block_features) with `of_features`.
        states : array of shape (n_rows, n_columns)
            States or fields.
        *by_feature : arrays of shape (n_rows, n_features)
            Further arguments of the function, with a second axis of length one.
        of_features : bool, default=False
            Whether the result has one column for each feature.

        Returns
        -------
        array of shape (n_rows, n_columns) or (n_rows, n_features)
        """
        xp, n_rows = array_namespace(states), states.shape[0]
        blocks, of_columns, in_features = _blocks(self.sizes)
        results = []
        for block in blocks:
            own = xp.take(states, xp.asarray(block.columns), axis=1)
            own = xp.reshape(own, (n_rows, block.size, len(block.features)))
            features = xp.asarray(block.features)
            result = function(
                own, *(xp.take(each, features, axis=1)[:, None, :] for each in by_feature)
            )
            width = len(block.features) if of_features else len(block.columns)
            results.append(xp.reshape(result, (n_rows, width)))
        order = xp.asarray(in_features if of_features else of_columns)
        return xp.take(xp.concat(results, axis=1), order, axis=1)


def require_codes(X, observed, name):
    """Refuse values that are not non-negative integers.

    Raises
    ------
    ValueError
        If an observed value is negative, not an integer, or too large.
    """
    xp = array_namespace(X)
    codes = X if observed is None else xp.where(observed != 0, X, xp.zeros_like(X))
    words = "visible='categorical' requires the codes 0, 1, 2, ... of categories"
    remedy = "Encode the categories, for example with OrdinalEncoder."
    if bool(xp.any(codes < 0)):
        raise ValueError(f"Negative values in data passed to {name} (input X). {words}. {remedy}")
    wrong = codes != xp.floor(codes)
    if bool(xp.any(wrong)):
        value = float(xp.max(xp.where(wrong, codes, xp.zeros_like(codes))))
        raise ValueError(f"X must contain integers, got {value:.6g}. {words}. {remedy}")
    largest = float(xp.max(codes))
    if largest > LARGEST_CODE:
        raise ValueError(
            f"X must contain codes up to {LARGEST_CODE}, got {largest:.6g}. {words}. {remedy}"
        )


def _position_of_largest(values):
    xp = array_namespace(values)
    return xp.astype(xp.argmax(values, axis=1), values.dtype)
