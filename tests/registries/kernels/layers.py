"""Random arguments of the kernels of two layers of units: states, fields and weights."""

import numpy as np

from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends._ascent import Ascent
from sklearn_ebm.backends._random import Key
from sklearn_ebm.inputs._categories import Categories

N_VISIBLE, N_HIDDEN = 150, 83  # of two layers; larger than a panel, a vector, and a group of draws
KEYS = Key((7, 0xDEADBEEF), 5, 3), Key((7, 0xDEADBEEF), (1 << 32) + 6, 3)  # in both words


def normal(rng, dtype, *shape):
    return rng.standard_normal(shape).astype(dtype)


def draw_fields(rng, dtype, n_rows, n_units=N_HIDDEN, **more):
    """Include logits of some tens, for which exp(-logit) is negligible."""
    field, bias = 10 * normal(rng, dtype, n_rows, n_units), normal(rng, dtype, n_units)
    if "mean" in more:
        more["mean"] = np.full_like(field, np.nan)
    return {"field": field, "bias": bias, **more}


def draw_categories(rng, dtype, n_rows, sizes):
    """Include logits of some tens, for which other categories are negligible."""
    field, bias = 10 * normal(rng, dtype, n_rows, sum(sizes)), normal(rng, dtype, sum(sizes))
    return {
        "field": field,
        "bias": bias,
        "scale": 0.3,
        "key": KEYS[0],
        "categories": Categories(sizes),
    }


def draw_flips(rng, dtype, n_rows, scale=1.0, n_hidden=N_HIDDEN):
    """Include logits and weights of some tens."""
    field = scale * normal(rng, dtype, n_rows, n_hidden)
    weights = scale * normal(rng, dtype, N_VISIBLE, n_hidden)
    factors = reference.flip_factors(field, normal(rng, dtype, n_hidden), weights)
    return {"states": _states(rng, dtype, n_rows, N_VISIBLE, 0.3), "factors": factors}


def draw_flip_slopes(rng, dtype, n_rows, scale):
    """Include flips without a share."""
    share = normal(rng, dtype, n_rows, N_VISIBLE) * _states(rng, dtype, n_rows, N_VISIBLE, 0.7)
    return {
        **draw_flips(rng, dtype, n_rows, scale),
        "share": share,
        "slopes": np.full((N_VISIBLE, N_HIDDEN), np.nan, dtype),
        "field_slopes": np.full((n_rows, N_HIDDEN), np.nan, dtype),
    }


def draw_sweep(rng, dtype, n_rows):
    """Include logits of some tens."""
    drawn = normal(rng, dtype, N_VISIBLE, N_VISIBLE)
    couplings = (drawn + drawn.T) * (1 - np.eye(N_VISIBLE, dtype=dtype))
    return {
        "states": _states(rng, dtype, n_rows, N_VISIBLE, 0.5),
        "couplings": couplings,
        "bias": normal(rng, dtype, N_VISIBLE),
        "key": KEYS[1],
    }


def draw_uniform(rng, dtype, n_rows):
    return {"result": np.full((n_rows, N_VISIBLE), np.nan, dtype), "key": KEYS[1]}


def draw_normal(rng, dtype, n_rows, n_columns=N_VISIBLE):
    deviation = rng.uniform(0.5, 2, n_columns).astype(dtype)
    return {"mean": normal(rng, dtype, n_rows, n_columns), "deviation": deviation, "key": KEYS[0]}


def _states(rng, dtype, n_rows, n_units, density):
    return (rng.random((n_rows, n_units)) < density).astype(dtype)


def draw_projection(rng, dtype, n_rows, density):
    states = _states(rng, dtype, n_rows, N_VISIBLE, density) * rng.random((n_rows, N_VISIBLE))
    weights = normal(rng, dtype, N_VISIBLE, N_HIDDEN)
    result = np.full((n_rows, N_HIDDEN), np.nan, dtype)
    return {"states": states.astype(dtype), "weights": weights, "result": result}


def draw_ascent(rng, dtype, n_rows, density, momentum=0.0, decay=0.0, result=None):
    left, right = (_states(rng, dtype, n_rows, n, density) for n in (N_VISIBLE, N_HIDDEN))
    share = normal(rng, dtype, n_rows)
    weights, velocity = (normal(rng, dtype, N_VISIBLE, N_HIDDEN) for _ in range(2))
    return {
        "weights": weights,
        "velocity": velocity,
        "states": Ascent(left, right * dtype.type(0.7), share, np.float64(0.1), momentum, decay),
        "result": None if result is None else np.full_like(weights, result),
    }


def draw_gibbs_step(rng, dtype, n_rows, mean=None):
    return {
        "hidden": _states(rng, dtype, n_rows, N_HIDDEN, 0.3),
        "visible": np.full((n_rows, N_VISIBLE), np.nan, dtype),
        "weights": 0.5 * normal(rng, dtype, N_VISIBLE, N_HIDDEN),
        "biases": (normal(rng, dtype, N_VISIBLE) - 1, normal(rng, dtype, N_HIDDEN)),
        "keys": KEYS,
        "mean": None if mean is None else np.full((n_rows, N_HIDDEN), mean, dtype),
    }
