"""Measurements on a few rows of the data, for models with a partition function."""

import numpy as np

from sklearn_ebm.backends import array_namespace, resolve_backend

SMALLEST_LOOK, LARGEST_LOOK, LOOK_SHARE = 100, 2000, 0.01  # number and share of measured rows
SURELY = 0.01  # a unit is dead if its largest probability is below this


class Monitor:
    """Measures an energy on a few rows of the data.

    Parameters
    ----------
    samples : Samples
        Data, with masks and weights.
    rows : int array
        Training rows.
    held_out : int array
        Held-out rows; may be empty.
    draws : bool
        Whether entries between zero and one are drawn as zeros and ones.
    random_state : numpy.random.RandomState
        Chooses the rows.
    """

    def __init__(self, samples, rows, held_out, draws, random_state):
        self.learned = _some_rows(samples, rows, draws, random_state)
        self.held_out = _some_rows(samples, held_out, draws, random_state)

    def measure(self, criterion):
        """Return one entry of each curve, by name."""
        X, _, observed, *_ = learned = self.learned
        energy = criterion.energy.on(resolve_backend(criterion.backend, X))
        errors = reconstruction_error(energy, X, observed)
        objective = reconstruction = _mean(errors, learned)
        if energy.visible.is_discrete:
            objective = -_mean(pseudo_likelihood(energy, X, observed=observed), learned)
        entries = {"objective": objective, "reconstruction": reconstruction}
        if self.held_out.n_samples:
            held_out, own = (
                _mean(energy.free_energy(batch.X, batch.mask), batch)
                for batch in (self.held_out, learned)
            )
            entries["gap"] = held_out - own
        return entries

    def stuck_units(self, energy):
        """Return the numbers of hidden units that are off, and on, for all measured rows."""
        xp = array_namespace(energy.weights)
        hidden = energy.conditionals.hidden_mean(self.learned.X)
        off = xp.count_nonzero(xp.max(hidden, axis=0) < SURELY)
        on = xp.count_nonzero(xp.min(hidden, axis=0) > 1 - SURELY)
        return int(off), int(on)


def _some_rows(samples, rows, draws, random_state):
    n_rows = min(len(rows), max(SMALLEST_LOOK, min(LARGEST_LOOK, int(LOOK_SHARE * len(rows)))))
    rows = np.sort(random_state.permutation(rows)[:n_rows])
    batch = samples.fetch(rows)
    if not draws:
        return batch
    xp, X = array_namespace(batch.X), batch.X
    drawn = xp.astype(xp.asarray(random_state.uniform(size=X.shape)) < X, X.dtype)
    return batch._replace(X=drawn if batch.mask is None else xp.where(batch.mask != 0, drawn, X))


def _mean(values, batch):
    """Return the weighted mean of one number per row."""
    xp, weight = array_namespace(values), batch.weight
    if weight is None:
        return float(xp.mean(values))
    return float(values @ xp.asarray(weight / weight.sum(), dtype=values.dtype))


def reconstruction_error(energy, X, observed=None):
    """Return the mean squared error of each row after one encoding and decoding."""
    conditionals, xp = energy.conditionals, array_namespace(X)
    error = X - conditionals.visible_mean(conditionals.hidden_mean(X))
    if observed is None:
        return xp.mean(error * error, axis=1)
    return xp.sum(error * error * observed, axis=1) / xp.sum(observed, axis=1)


def pseudo_likelihood(energy, X, first_row=0, observed=None):
    """Return log p(v_i | the other features) of one feature i per row, in a cycle over features.

    For binary units, it is log 1 / (1 + exp(F(v) - F(v'))) with v' the row with v_i flipped. If v_i
    is missing, the next observed feature takes its place.
    """
    if energy.visible.categories is not None:
        return _categorical_pseudo_likelihood(energy, X, first_row, observed)
    xp, backend = array_namespace(X), energy.backend_for(X)
    flipped = _features_in_turn(X, X.shape[1], first_row, observed)
    chosen = xp.take_along_axis(X, flipped[:, None], axis=1)[:, 0]
    change = 1 - 2 * chosen
    field = energy.hidden_field(X)
    before = backend.softplus_sums(field, energy.hidden_bias)
    field += change[:, None] * xp.take(energy.weights, flipped, axis=0)
    after = backend.softplus_sums(field, energy.hidden_bias)
    rise = before - after - change * xp.take(energy.visible.bias, flipped)
    return -xp.log1p(xp.exp(-xp.abs(rise))) + xp.minimum(rise, xp.zeros_like(rise))


def _categorical_pseudo_likelihood(energy, X, first_row, observed):
    """Return log p(v_i | the other features), a softmax over the categories of the feature."""
    xp, backend, categories = array_namespace(X), energy.backend_for(X), energy.visible.categories
    starts, sizes = xp.asarray(categories.starts), xp.asarray(np.asarray(categories.sizes))
    if observed is not None:
        observed = xp.take(observed, starts, axis=1)
    features = _features_in_turn(X, len(categories.sizes), first_row, observed)
    levels = xp.arange(max(categories.sizes))
    exists = levels[None, :] < xp.take(sizes, features)[:, None]
    columns = xp.take(starts, features)[:, None] + xp.where(exists, levels[None, :], 0)
    chosen = xp.where(exists, xp.take_along_axis(X, columns, axis=1), xp.zeros_like(X[:1, :1]))
    field, scores = energy.hidden_field(X), []
    for level in range(columns.shape[1]):
        rows = xp.take(energy.weights, columns[:, level], axis=0)
        field -= chosen[:, level : level + 1] * rows
    for level in range(columns.shape[1]):
        column = columns[:, level]
        own = field + xp.take(energy.weights, column, axis=0)
        sums = backend.softplus_sums(own, energy.hidden_bias)
        scores.append(sums + xp.take(energy.visible.bias, column))
    scores = xp.where(exists, xp.stack(scores, axis=1), xp.full_like(field[:1, :1], -xp.inf))
    largest = xp.max(scores, axis=1, keepdims=True)
    scores = scores - largest
    of_chosen = xp.sum(chosen * xp.where(exists, scores, xp.zeros_like(scores)), axis=1)
    return of_chosen - xp.log(xp.sum(xp.exp(scores), axis=1))


def _features_in_turn(X, n_features, first_row, observed):
    """Return one feature of each row, in a cycle over the features."""
    xp, rows = array_namespace(X), first_row + np.arange(X.shape[0])
    features = xp.asarray(rows * _stride(n_features) % n_features)
    return features if observed is None else _next_observed(features, observed)


def _next_observed(features, observed):
    """Return the first observed feature of each row, in a cycle that starts at a given feature."""
    xp = array_namespace(observed)
    distance = (xp.arange(observed.shape[1])[None, :] - features[:, None]) % observed.shape[1]
    return xp.argmin(xp.where(observed != 0, distance, observed.shape[1]), axis=1)


def _stride(n_features):
    """Return a step that visits all features and keeps successive ones far apart."""
    stride = max(1, round(0.618 * n_features))
    while np.gcd(stride, n_features) > 1:
        stride += 1
    return stride
