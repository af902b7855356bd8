"""Measurements on a few rows of the data, for models with a partition function."""

import numpy as np

from sklearn_ebm.backends import array_namespace, resolve_backend
from sklearn_ebm.inputs._rows import dense_rows

SMALLEST_LOOK, LARGEST_LOOK, LOOK_SHARE = 100, 2000, 0.01  # number and share of measured rows
SURELY = 0.01  # a unit is dead if its largest probability is below this


class Monitor:
    """Measures an energy on a few rows of the data.

    Parameters
    ----------
    X : array or csr_array of shape (n_samples, n_features)
        Data.
    rows : int array
        Training rows.
    held_out : int array
        Held-out rows; may be empty.
    dtype : dtype
        Dtype of the model.
    draws : bool
        Whether entries between zero and one are drawn as zeros and ones.
    random_state : numpy.random.RandomState
        Chooses the rows and the features that are flipped.
    weights : ndarray of shape (n_samples,) or None, default=None
        Weights of the samples in all means, on the host. None means equal weights.
    """

    def __init__(self, X, rows, held_out, dtype, draws, random_state, weights=None):
        self.X, self.weight = _some_rows(X, rows, dtype, draws, random_state, weights)
        self.held_out, self.held_out_weight = _some_rows(
            X, held_out, dtype, draws, random_state, weights
        )

    def measure(self, criterion):
        """Return one entry of each curve, by name."""
        energy = criterion.energy.on(resolve_backend(criterion.backend, self.X))
        objective = reconstruction = _mean(reconstruction_error(energy, self.X), self.weight)
        if energy.visible.is_binary:
            objective = -_mean(pseudo_likelihood(energy, self.X), self.weight)
        entries = {"objective": objective, "reconstruction": reconstruction}
        if self.held_out.shape[0]:
            held_out, learned = (energy.free_energy(X) for X in (self.held_out, self.X))
            entries["gap"] = _mean(held_out, self.held_out_weight) - _mean(learned, self.weight)
        return entries

    def stuck_units(self, energy):
        """Return the numbers of hidden units that are off, and on, for all measured rows."""
        xp = array_namespace(energy.weights)
        hidden = energy.conditionals.hidden_mean(self.X)
        off = xp.count_nonzero(xp.max(hidden, axis=0) < SURELY)
        on = xp.count_nonzero(xp.min(hidden, axis=0) > 1 - SURELY)
        return int(off), int(on)


def _some_rows(X, rows, dtype, draws, random_state, weights):
    n_rows = min(len(rows), max(SMALLEST_LOOK, min(LARGEST_LOOK, int(LOOK_SHARE * len(rows)))))
    rows = np.sort(random_state.permutation(rows)[:n_rows])
    X = dense_rows(X, rows, dtype)
    if draws:
        xp = array_namespace(X)
        X = xp.astype(xp.asarray(random_state.uniform(size=X.shape)) < X, dtype)
    return X, None if weights is None else weights[rows]


def _mean(values, weight):
    """Return the weighted mean of one number per row."""
    xp = array_namespace(values)
    if weight is None:
        return float(xp.mean(values))
    return float(values @ xp.asarray(weight / weight.sum(), dtype=values.dtype))


def reconstruction_error(energy, X):
    """Return the mean squared error of each row after one encoding and decoding."""
    conditionals = energy.conditionals
    error = X - conditionals.visible_mean(conditionals.hidden_mean(X))
    return array_namespace(X).mean(error * error, axis=1)


def pseudo_likelihood(energy, X, first_row=0):
    """Return log p(v_i | the other features) of one feature i per row, in a cycle over features.

    It is log 1 / (1 + exp(F(v) - F(v'))) with v' the row with v_i flipped.
    """
    xp, backend = array_namespace(X), energy.backend_for(X)
    n_rows, n_features = X.shape
    rows = first_row + np.arange(n_rows)
    flipped = xp.asarray(rows * _stride(n_features) % n_features)
    chosen = xp.take_along_axis(X, flipped[:, None], axis=1)[:, 0]
    change = 1 - 2 * chosen
    field = energy.hidden_field(X)
    before = backend.softplus_sums(field, energy.hidden_bias)
    field += change[:, None] * xp.take(energy.weights, flipped, axis=0)
    after = backend.softplus_sums(field, energy.hidden_bias)
    rise = before - after - change * xp.take(energy.visible.bias, flipped)
    return -xp.log1p(xp.exp(-xp.abs(rise))) + xp.minimum(rise, xp.zeros_like(rise))


def _stride(n_features):
    """Return a step that visits all features and keeps successive ones far apart."""
    stride = max(1, round(0.618 * n_features))
    while np.gcd(stride, n_features) > 1:
        stride += 1
    return stride
