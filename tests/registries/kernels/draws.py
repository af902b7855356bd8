"""Random arguments of unrolled encoders and of optimizers, and common random arrays."""

import numpy as np

from sklearn_ebm.backends import numpy as reference

N_ATOMS = 37  # not a multiple of a warp or of a vector register
N_FEATURES = 53
N_STEPS = 6  # of greedy coordinate descent


def normal(rng, dtype, *shape):
    return rng.standard_normal(shape).astype(dtype)


def sparse(rng, dtype, n_rows, density=0.2):
    code = normal(rng, dtype, n_rows, N_ATOMS)
    return code * (rng.random(code.shape) < density)


def draw_adam(rng, dtype, n_rows):
    parameter, gradient, first = (normal(rng, dtype, n_rows, N_ATOMS) for _ in range(3))
    return {
        "parameter": parameter,
        "gradient": gradient,
        "first": first,
        "second": first * first,
        "rate": 0.1,
        "constants": (0.9, 0.999, 1e-8),
    }


def unit_rows(rng, dtype, n_rows):
    rows = rng.standard_normal((n_rows, N_FEATURES))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(dtype)


def draw_unrolled_step(rng, dtype, n_rows, density, rule):
    before = None
    if density:
        before = normal(rng, dtype, n_rows, N_ATOMS) * (rng.random((n_rows, N_ATOMS)) < density)
    return {
        "before": None if before is None else before.astype(dtype),
        "base": normal(rng, dtype, n_rows, N_ATOMS),
        "lateral": normal(rng, dtype, N_ATOMS, N_ATOMS) if density else None,
        "rule": rule(np.dtype(dtype).type(1), rng.uniform(0, 2, N_ATOMS).astype(dtype)),
        "code": np.full((n_rows, N_ATOMS), np.nan, dtype),
    }


def draw_unrolled_gradient(rng, dtype, n_rows):
    return {
        "code": sparse(rng, dtype, n_rows),
        "gradient": normal(rng, dtype, n_rows, N_ATOMS),
        "base_gradient": normal(rng, dtype, n_rows, N_ATOMS),
        "threshold_gradient": normal(rng, dtype, N_ATOMS),
    }


def draw_greedy_steps(rng, dtype, n_rows):
    return {
        "state": normal(rng, dtype, n_rows, N_ATOMS),
        "lateral": 0.1 * normal(rng, dtype, N_ATOMS, N_ATOMS),
        "threshold": rng.uniform(0, 1, N_ATOMS).astype(dtype),
        "code": np.full((n_rows, N_ATOMS), np.nan, dtype),
        "chosen": np.full((n_rows, N_STEPS), -1, np.int64),
        "change": np.full((n_rows, N_STEPS), np.nan, dtype),
        "sign": np.full((n_rows, N_STEPS), np.nan, dtype),
    }


def draw_greedy_gradient(rng, dtype, n_rows):
    forward = draw_greedy_steps(rng, dtype, n_rows)
    reference.greedy_steps(*forward.values())
    left = {name: forward[name] for name in ("code", "chosen", "change", "sign")}
    return {
        "gradient": normal(rng, dtype, n_rows, N_ATOMS),
        "lateral": forward["lateral"],
        **left,
        "lateral_gradient": normal(rng, dtype, N_ATOMS, N_ATOMS),
        "threshold_gradient": normal(rng, dtype, N_ATOMS),
    }


def draw_gates(rng, dtype, n_rows):
    """Draw gates with few components in common, for which the minimum is unique and well known."""
    gates = (rng.random((5, N_ATOMS)) < 0.2) * rng.uniform(0.2, 1, (5, N_ATOMS))
    gates /= np.linalg.norm(gates, axis=1, keepdims=True)
    activity = rng.exponential(2, (n_rows, N_ATOMS)) * (rng.random((n_rows, N_ATOMS)) < 0.5)
    tol = 2 * float(np.finfo(dtype).eps)
    units = np.empty((n_rows, 5), dtype)
    return {
        "activity": activity.astype(dtype),
        "gates": gates.astype(dtype),
        "units": units,
        "tol": tol,
    }
