"""All kernels, with random arguments. A new kernel is one entry of `CASES`."""

from typing import Any, NamedTuple

import numpy as np

from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends._certificate import lasso_gap, relative_gap
from sklearn_ebm.backends._groups import GroupSoftThreshold, JointSoftThreshold
from sklearn_ebm.backends._inhibition import InhibitionRule, stationarity
from sklearn_ebm.backends._limits import NormLimit, SquareLimit
from sklearn_ebm.backends._problems import Lasso, SupportRule
from sklearn_ebm.backends._rules import (
    PositiveSoftThreshold,
    SoftThreshold,
    WeightedPositiveSoftThreshold,
    WeightedSoftThreshold,
)
from sklearn_ebm.factors import pools_of_groups, pools_of_map
from sklearn_ebm.factors.penalties import L1
from sklearn_ebm.factors.penalties._group import GroupMajorant
from sklearn_ebm.factors.penalties._l1 import SampleWeightedL1
from sklearn_ebm.factors.penalties._pools import pools_around
from tests.registries.kernels import convolutions, layers, maps, pooling
from tests.registries.kernels.draws import (
    N_ATOMS,
    N_FEATURES,
    draw_adam,
    draw_gates,
    draw_greedy_gradient,
    draw_greedy_steps,
    draw_unrolled_gradient,
    draw_unrolled_step,
    normal,
    sparse,
    unit_rows,
)

N_ROWS = 9
N_JOINT = 3  # samples that share a support
GROUP_SIZES = [1, 9, 3, 1, 12, 4, 7]  # of all atoms together; below, at and above multiples of four


def limited_certificate(lasso, code):
    """Return the gap of each row under a constraint, and the smallest curvature of the energy."""
    residual_correlation = lasso.correlation - code @ lasso.gram
    explained = np.sum(code * (lasso.correlation + residual_correlation), axis=1)
    misfit = np.maximum(lasso.half_norm - explained / 2, 0)
    gap = lasso.rule.gap(misfit, lasso.half_norm, code, residual_correlation)
    return gap, np.linalg.eigvalsh(lasso.gram)[0]


def dense_certificate(lasso, code):
    """Return the relative gap of each row, and the smallest curvature of the energy."""
    return lasso_gap(lasso, code), np.linalg.eigvalsh(lasso.gram)[0]


def inhibited_certificate(lasso, code):
    """Return the stationarity of each row, and the smallest curvature of the energy.

    The energy is the maximum of the quadratic functions with the Hessians H + S * s s', over all
    signs s, and therefore convex if S is small. With stationarity g, the distance from the minimum
    is at most sqrt(n_components) g max|c| / curvature, which is below what tests allow for a gap.
    """
    curvature = np.linalg.eigvalsh(lasso.gram)[0] - np.linalg.norm(lasso.rule.strength, 2)
    assert curvature > 0
    return stationarity(lasso, code), curvature


def joint_certificate(lasso, code):
    """Return the relative gap of each group of samples, and the smallest curvature."""
    shape = len(code), N_JOINT, N_ATOMS
    q = lasso.correlation - (code.reshape(shape) @ lasso.gram).reshape(code.shape)
    gap = relative_gap(lasso.rule, lasso.correlation, lasso.half_norm, code, q)
    return gap, np.linalg.eigvalsh(lasso.gram)[0]


class Case(NamedTuple):
    """A kernel, a function that draws its arguments, and the arguments that it replaces."""

    kernel: str
    draw: Any  # (rng, dtype, n_rows, **options) -> dict, in the order of the signature
    replaced: tuple
    options: Any = {}
    smallest: int = 0  # number of rows
    certificate: Any = dense_certificate  # (lasso, code) -> (gap, curvature), of a minimizer


def draw_step(rng, dtype, n_rows, accelerated, positive, n_atoms=N_ATOMS, has_weights=False):
    shape = (n_rows, n_atoms)
    penalty = L1(np.float64(0.7), positive)  # a grid's np.float64 must not promote
    if has_weights:
        penalty = SampleWeightedL1(np.float64(0.7), rng.uniform(0.5, 2, shape), positive)
    product, correlation, code = (normal(rng, dtype, *shape) for _ in range(3))
    ahead = np.where(np.arange(n_rows) % 2, 1, -1).astype(dtype)  # half are beyond the minimum
    return {
        "product": product,
        "correlation": correlation,
        "code": code,
        "extrapolated": code + ahead[:, None] * (product - correlation),
        "momentum": rng.uniform(1, 5, n_rows).astype(dtype) if accelerated else None,
        "step_size": 0.3,
        "penalty": penalty,
    }


def draw_majorized_step(rng, dtype, n_rows, pools, **how):
    arguments = draw_step(rng, dtype, n_rows, n_atoms=pools.n_components, **how)
    width = rng.uniform(0.1, 1, (n_rows, 1)).astype(dtype)  # some pools are narrower, some wider
    touch = arguments["extrapolated"].copy()
    arguments["penalty"] = GroupMajorant(np.float64(0.7), pools, touch, width, how["positive"])
    return arguments


def draw_lasso(rng, dtype, n_rows, rule, **settings):
    if isinstance(rule, type):  # of a rule with weights for each sample
        rule = rule(1.0, rng.uniform(0.5, 2, (n_rows, N_ATOMS)).astype(dtype))
    dictionary = unit_rows(rng, dtype, N_ATOMS)
    X = 5 * normal(rng, dtype, n_rows, N_FEATURES)
    lasso = Lasso(dictionary @ dictionary.T, X @ dictionary.T, (X * X).sum(axis=1) / 2, rule)
    code = normal(rng, dtype, n_rows, N_ATOMS) * (rng.random((n_rows, N_ATOMS)) < 0.2)
    tol = 100 * np.finfo(dtype).eps  # the gap is a sum of rounded terms as well
    return {
        "lasso": lasso,
        "code": np.abs(code).astype(dtype),
        "tol": float(tol),
        "max_iter": 1000,
        **settings,
    }


def draw_inhibited(rng, dtype, n_rows, positive):
    strength = np.triu(rng.random((N_ATOMS, N_ATOMS)) < 0.5, 1)
    strength = (strength + strength.T).astype(dtype)
    arguments = draw_lasso(rng, dtype, n_rows, InhibitionRule(strength, positive))
    least = np.linalg.eigvalsh(arguments["lasso"].gram)[0]
    strength *= dtype.type(0.5 * least / np.linalg.norm(strength, 2))  # the energy is convex
    return arguments


def draw_joint(rng, dtype, n_rows, rule):
    """Groups of samples, each a row."""
    arguments = draw_lasso(rng, dtype, N_JOINT * n_rows, rule)
    arguments["lasso"] = _joined(arguments["lasso"], n_rows)
    arguments["code"] = arguments["code"].reshape(n_rows, N_JOINT * N_ATOMS)
    return arguments


def draw_joint_thresholds(rng, dtype, n_rows, positive):
    threshold = rng.uniform(2, 5, N_ATOMS).astype(dtype)
    return draw_joint(rng, dtype, n_rows, JointSoftThreshold(threshold, positive))


def _joined(lasso, n_rows):
    correlation = lasso.correlation.reshape(n_rows, N_JOINT * N_ATOMS)
    half_norm = lasso.half_norm.reshape(n_rows, N_JOINT).sum(axis=1)
    return lasso._replace(correlation=correlation, half_norm=half_norm)


def draw_pursuit(rng, dtype, n_rows, rule, most, draw=draw_lasso):
    arguments = draw(rng, dtype, n_rows, rule)
    return {"lasso": arguments["lasso"], "code": arguments["code"], "most": most}


def draw_svd(rng, dtype, n_rows, n_steps):
    """Atoms to fit: each in some rows, one in none."""
    dictionary = unit_rows(rng, dtype, n_rows)
    code = sparse(rng, dtype, 80, 0.3)[:, :n_rows]
    code[:, 2:3] = 0
    X = code @ dictionary + normal(rng, dtype, 80, N_FEATURES)
    return {
        "dictionary": unit_rows(rng, dtype, n_rows),
        "residual": X,
        "code": code,
        "weight": rng.uniform(0.5, 2, 80).astype(dtype),
        "n_steps": n_steps,
    }


def draw_path(rng, dtype, n_rows, rule, ridge=0.0):
    """Draw a path; ridges are `ridge` times the thresholds."""
    arguments = draw_lasso(rng, dtype, n_rows, rule)
    thresholds = [8.0, 4.0, 2.0, 1.0, 0.7, 0.6, 0.55, 0.5, 0.45]  # more than one for a refresh
    code = np.full((len(thresholds), n_rows, N_ATOMS), np.nan, dtype)
    return {
        "lasso": arguments["lasso"],
        "thresholds": thresholds,
        "ridges": [ridge * threshold for threshold in thresholds],
        "code": code,
        "tol": arguments["tol"],
        "max_iter": arguments["max_iter"],
    }


def draw_groups(rng, dtype, n_rows, positive):
    sizes = np.array(GROUP_SIZES)
    members = rng.permutation(N_ATOMS)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    membership = np.zeros((len(sizes), N_ATOMS), dtype)
    membership[np.repeat(np.arange(len(sizes)), sizes), members] = 1
    threshold = (rng.uniform(1, 2.2, len(sizes)) * np.sqrt(sizes)).astype(dtype)
    rule = GroupSoftThreshold(threshold, membership, members, starts, positive)
    return draw_lasso(rng, dtype, n_rows, rule)


def draw_descent(rng, dtype, n_rows, rule, accelerated):
    arguments = draw_lasso(rng, dtype, n_rows, rule)
    lipschitz = float(np.linalg.norm(arguments["lasso"].gram, 2))
    steps = {"max_iter": 100_000, "lipschitz": lipschitz, "accelerated": accelerated}
    return {**arguments, **steps}


def draw_atoms(rng, dtype, n_rows, **options):
    dictionary = unit_rows(rng, dtype, n_rows)
    code = normal(rng, dtype, 500, n_rows)
    code[:, 1::7] = 0  # unused atoms are unchanged
    X = code @ dictionary + normal(rng, dtype, 500, N_FEATURES)
    return {
        "dictionary": unit_rows(rng, dtype, n_rows),
        "code_moment": code.T @ code,
        "cross_moment": code.T @ X,
        **options,
    }


def shortened(atoms):
    """Return the closest atoms in the unit ball."""
    return atoms / np.maximum(np.linalg.norm(atoms, axis=1, keepdims=True), 1)


def draw_moments(rng, dtype, n_rows, density):
    code = sparse(rng, dtype, n_rows, density)
    return {
        "code_moment": normal(rng, dtype, N_ATOMS, N_ATOMS),
        "cross_moment": normal(rng, dtype, N_ATOMS, N_FEATURES),
        "code": code,
        "X": normal(rng, dtype, n_rows, N_FEATURES),
        "weight": rng.uniform(0, 2, n_rows).astype(dtype),
    }


def draw_residuals(rng, dtype, n_rows, density):
    return {
        "X": normal(rng, dtype, n_rows, N_FEATURES),
        "code": sparse(rng, dtype, n_rows, density),
        "dictionary": unit_rows(rng, dtype, N_ATOMS),
    }


def draw_quadratic(rng, dtype, n_rows, density):
    atoms = unit_rows(rng, dtype, N_ATOMS)
    correlation = normal(rng, dtype, n_rows, N_ATOMS)
    return {
        "gram": atoms @ atoms.T,
        "correlation": correlation,
        "code": sparse(rng, dtype, n_rows, density),
    }


def draw_gaps(rng, dtype, n_rows):
    return {
        "code": sparse(rng, dtype, n_rows, 0.3),
        "gap": normal(rng, dtype, n_rows),
        "unit": normal(rng, dtype, n_rows) ** 2 + dtype.type(0.1),
        "roundings": 1e-3,
        "largest_atom": 0.9,
        "dual_norm": 2.5,
    }


def draw_preactivation(rng, dtype, n_rows, parameters):
    preactivation = 3 * normal(rng, dtype, n_rows, N_ATOMS)
    return {
        "preactivation": preactivation,
        "bias": normal(rng, dtype, N_ATOMS),
        **{name: rng.uniform(*ends, N_ATOMS).astype(dtype) for name, ends in parameters.items()},
    }


def draw_slopes(rng, dtype, n_rows, parameters, forward=None):
    """Some units are off, and one preactivation of each unit is zero."""
    arguments = draw_preactivation(rng, dtype, n_rows, parameters)
    product, *parameters = arguments.values()
    product[:1] = -parameters[0]
    code = sparse(rng, dtype, n_rows, 0.6)
    if forward is not None:
        code = getattr(reference, forward)(product.copy(), *parameters)
    return {
        "product": None if forward is None else product,
        "code": code,
        "gradient": normal(rng, dtype, n_rows, N_ATOMS),
        "parameters": tuple(parameters),
        "result": np.full_like(code, np.nan),
        "sums": np.full((len(parameters), N_ATOMS), np.nan, dtype),
    }


def _step_case(accelerated, positive, **how):
    replaced = ("code", "extrapolated", *(("momentum",) if accelerated else ()))
    options = {"accelerated": accelerated, "positive": positive, **how}
    return Case("proximal_step", draw_step, replaced, options)


def _majorized_case(pools, accelerated=True, positive=False):
    replaced = ("code", "extrapolated", *(("momentum",) if accelerated else ()))
    options = {"pools": pools, "accelerated": accelerated, "positive": positive}
    return Case("proximal_step", draw_majorized_step, replaced, options)


def _pool_cases(name, pools):
    options = {"pools": pools}
    slopes = "slopes", "gram_slopes"
    return {
        f"norms, {name}": Case("pool_norms", pooling.draw_codes, ("result",), options),
        f"spread, {name}": Case("pool_spread", pooling.draw_values, ("result",), options),
        f"lengths, {name}": Case("pool_lengths", pooling.draw_lengths, ("result",), options),
        f"slopes of lengths, {name}": Case(
            "pool_length_slopes", pooling.draw_slopes, slopes, options
        ),
    }


def _encoder_case(kernel, **parameters):
    return Case(kernel, draw_preactivation, ("preactivation",), {"parameters": parameters})


def _slopes_case(kernel, forward=None, **parameters):
    options = {"parameters": parameters, "forward": forward}
    return Case(kernel, draw_slopes, ("result", "sums"), options)


def _descent_case(rule, accelerated):
    options = {"rule": rule, "accelerated": accelerated}
    return Case("proximal_gradient", draw_descent, ("code",), options)


def _ascent_case(density, replaced=("weights", "velocity"), **options):
    return Case("ascend", layers.draw_ascent, replaced, {"density": density, **options})


def _flip_slopes_case(**options):
    return Case("flip_slopes", layers.draw_flip_slopes, ("slopes", "field_slopes"), options)


LAYERS = {  # kernels of two layers of units
    "mean": Case("bernoulli_mean", layers.draw_fields, ("field",)),
    "mean, scaled": Case("bernoulli_mean", layers.draw_fields, ("field",), {"scale": 0.3}),
    "draws": Case(
        "bernoulli_sample", layers.draw_fields, ("field",), {"scale": 1.0, "key": layers.KEYS[0]}
    ),
    "draws, and means": Case(
        "bernoulli_sample",
        layers.draw_fields,
        ("field", "mean"),
        {"scale": 0.3, "key": layers.KEYS[1], "mean": True},
    ),
    "draws of categories": Case(
        "categorical_sample", layers.draw_categories, ("field",), {"sizes": (2, 5, 1, 3, 17, 5, 4)}
    ),
    "draws of a single feature": Case(
        "categorical_sample", layers.draw_categories, ("field",), {"sizes": (70,)}
    ),
    "softplus": Case("softplus_sums", layers.draw_fields, ()),
    "softplus, scaled": Case("softplus_sums", layers.draw_fields, (), {"scale": 0.3}),
    "softplus, long rows": Case("softplus_sums", layers.draw_fields, (), {"n_units": 1100}),
    "flips": Case("flip_sums", layers.draw_flips, ()),
    "flips, some hidden units": Case("flip_sums", layers.draw_flips, (), {"n_hidden": 7}),
    "flips, large weights": Case("flip_sums", layers.draw_flips, (), {"scale": 30.0}),
    "slopes of flips": _flip_slopes_case(scale=1.0),
    "slopes of flips, large weights": _flip_slopes_case(scale=30.0),
    "sweep": Case("ising_sweep", layers.draw_sweep, ("states",)),
    "uniform": Case("uniform", layers.draw_uniform, ("result",)),
    "normal": Case("add_normal", layers.draw_normal, ("mean",)),
    "normal, odd": Case("add_normal", layers.draw_normal, ("mean",), {"n_columns": 67}),
    "project, few on": Case("project", layers.draw_projection, ("result",), {"density": 0.1}),
    "project, most on": Case("project", layers.draw_projection, ("result",), {"density": 0.9}),
    "ascend, few on": _ascent_case(0.1),
    "ascend, few on, momentum, decay": _ascent_case(0.1, momentum=0.9, decay=0.5),
    "ascend, most on": _ascent_case(0.9, momentum=0.9, decay=0.5),
    "ascend elsewhere": _ascent_case(0.1, ("velocity", "result"), momentum=0.95, result=np.nan),
    "Gibbs": Case("gibbs_step", layers.draw_gibbs_step, ("visible", "hidden")),
    "Gibbs, and means": Case(
        "gibbs_step", layers.draw_gibbs_step, ("visible", "hidden", "mean"), {"mean": np.nan}
    ),
}

IMAGES = {name: Case(*parts) for name, parts in {**maps.CASES, **convolutions.CASES}.items()}
CONVOLUTIONAL_MINIMIZERS = {
    name: Case(*parts, certificate=convolutions.certificate)
    for name, parts in convolutions.MINIMIZERS.items()
}

# Numbers of rows and columns that are multiples of vectors or of four rows, and others.
SMALL_TORUS = ((5, 7), (3, 2))
LONG_TORUS = ((4, 20), (2, 6), (2, 3), "uniform")
AROUND = pools_around((9, 21), 1.0)  # most of their weights are zero
CUT_MAP = ((9, 6), (4, 4), (2, 1), "gaussian", False)

CASES = {
    "gate_units": Case("gate_units", draw_gates, ("units",)),
    "FISTA, windows": _majorized_case(pools_of_map(*SMALL_TORUS)),
    "FISTA, positive, windows": _majorized_case(pools_of_map(*LONG_TORUS), positive=True),
    "ISTA, cut windows": _majorized_case(pools_of_map(*CUT_MAP), accelerated=False),
    **_pool_cases("windows", pools_of_map(*SMALL_TORUS)),
    **_pool_cases("long windows", pools_of_map(*LONG_TORUS)),
    **_pool_cases("cut windows", pools_of_map(*CUT_MAP)),
    "FISTA, windows around units": _majorized_case(AROUND),
    **_pool_cases("windows around units", AROUND),
    **_pool_cases("groups", pools_of_groups([[0, 1], [2, 1, 3], [4]], 5, np.array([1, 0.5, 2]))),
    "ISTA": _step_case(accelerated=False, positive=False),
    "ISTA, positive": _step_case(accelerated=False, positive=True),
    "FISTA": _step_case(accelerated=True, positive=False),
    "FISTA, positive": _step_case(accelerated=True, positive=True),
    "ISTA, weights": _step_case(accelerated=False, positive=False, has_weights=True),
    "FISTA, weights, positive": _step_case(accelerated=True, positive=True, has_weights=True),
    "add_moments": Case(
        "add_moments", draw_moments, ("code_moment", "cross_moment"), {"density": 0.1}
    ),
    "add_moments, most on": Case(
        "add_moments", draw_moments, ("code_moment", "cross_moment"), {"density": 0.9}
    ),
    "residuals": Case("residuals", draw_residuals, (), {"density": 0.1}),
    "residuals, most on": Case("residuals", draw_residuals, (), {"density": 0.9}),
    "quadratic": Case("quadratic", draw_quadratic, (), {"density": 0.1}),
    "quadratic, most on": Case("quadratic", draw_quadratic, (), {"density": 0.9}),
    "gap with rounding": Case("gap_with_rounding", draw_gaps, ()),
    "update_atoms, positive": Case(
        "update_atoms", draw_atoms, ("dictionary",), {"is_positive": True}, smallest=1
    ),
    "update_atoms": Case("update_atoms", draw_atoms, ("dictionary",), smallest=1),
    "update_projected_atoms": Case(
        "update_projected_atoms", draw_atoms, ("dictionary",), {"project": shortened}, smallest=1
    ),
    "matching pursuit": Case(
        "pursue", draw_pursuit, ("code",), {"rule": SupportRule(N_ATOMS, 0.0, False), "most": 7}
    ),
    "matching pursuit, optimized": Case(
        "pursue", draw_pursuit, ("code",), {"rule": SupportRule(N_ATOMS, 0.0, True), "most": 7}
    ),
    "matching pursuit, to an error": Case(
        "pursue",
        draw_pursuit,
        ("code",),
        {"rule": SupportRule(N_ATOMS, 400.0, False), "most": N_ATOMS},
    ),
    "matching pursuit of groups": Case(
        "pursue",
        draw_pursuit,
        ("code",),
        {"rule": SupportRule(N_ATOMS, 0.0, False), "most": 7, "draw": draw_joint},
    ),
    "matching pursuit of groups, optimized, to an error": Case(
        "pursue",
        draw_pursuit,
        ("code",),
        {"rule": SupportRule(N_ATOMS, 1200.0, True), "most": N_ATOMS, "draw": draw_joint},
    ),
    "atoms by power iterations": Case(
        "update_atoms_by_svd", draw_svd, ("dictionary", "residual", "code"), {"n_steps": 5}, 1
    ),
    "adam": Case("adam_step", draw_adam, ("parameter", "first", "second")),
    **{
        f"unrolled step{kind}, {share}": Case(
            "unrolled_step", draw_unrolled_step, ("code",), {"density": density, "rule": rule}
        )
        for share, density in (("first", 0), ("few on", 0.1), ("most on", 0.9))
        for kind, rule in (
            ("", WeightedSoftThreshold),
            (", positive", WeightedPositiveSoftThreshold),
        )
    },
    "unrolled step, backward": Case(
        "unrolled_step_backward",
        draw_unrolled_gradient,
        ("gradient", "base_gradient", "threshold_gradient"),
    ),
    "greedy steps": Case(
        "greedy_steps", draw_greedy_steps, ("state", "code", "chosen", "change", "sign")
    ),
    "greedy steps, backward": Case(
        "greedy_steps_backward",
        draw_greedy_gradient,
        ("gradient", "lateral_gradient", "threshold_gradient"),
    ),
    "shrink": _encoder_case("shrink_preactivation", threshold=(0, 2)),
    "tanh": _encoder_case("tanh_preactivation", gain=(0.5, 2)),
    "smooth_shrink": _encoder_case("smooth_shrink_preactivation", slope=(1, 20), location=(0, 1)),
    "shrink, backward": _slopes_case("shrink_backward", threshold=(0, 2)),
    "tanh, backward": _slopes_case("tanh_backward", "tanh_preactivation", gain=(0.5, 2)),
    "logistic, backward": _slopes_case("logistic_backward"),
    "smooth_shrink, backward": _slopes_case(
        "smooth_shrink_backward", "smooth_shrink_preactivation", slope=(1, 20), location=(0, 1)
    ),
    **LAYERS,
    **IMAGES,
}
PATHS = {  # minimizers for several thresholds
    "active_set_path": Case("active_set_path", draw_path, ("code",), {"rule": SoftThreshold(1.0)}),
    "active_set_path, positive": Case(
        "active_set_path", draw_path, ("code",), {"rule": PositiveSoftThreshold(1.0)}
    ),
    "active_set_path, weights": Case(
        "active_set_path", draw_path, ("code",), {"rule": WeightedSoftThreshold}
    ),
    "active_set_path, ridges": Case(
        "active_set_path", draw_path, ("code",), {"rule": SoftThreshold(1.0), "ridge": 0.5}
    ),
}
MINIMIZERS = {  # results are defined by the problem, but iterations are not
    "coordinate_descent": Case(
        "coordinate_descent", draw_lasso, ("code",), {"rule": SoftThreshold(1.0)}
    ),
    "coordinate_descent, positive": Case(
        "coordinate_descent", draw_lasso, ("code",), {"rule": PositiveSoftThreshold(1.0)}
    ),
    "active_set": Case("active_set", draw_lasso, ("code",), {"rule": SoftThreshold(1.0)}),
    "active_set, positive": Case(
        "active_set", draw_lasso, ("code",), {"rule": PositiveSoftThreshold(1.0)}
    ),
    "constrained_codes, norm": Case(
        "constrained_codes",
        draw_lasso,
        ("code",),
        {"rule": NormLimit(20.0, False)},
        certificate=limited_certificate,
    ),
    "constrained_codes, norm, positive": Case(
        "constrained_codes",
        draw_lasso,
        ("code",),
        {"rule": NormLimit(12.0, True)},
        certificate=limited_certificate,
    ),
    "constrained_codes, error": Case(
        "constrained_codes",
        draw_lasso,
        ("code",),
        {"rule": SquareLimit(900.0, False)},
        certificate=limited_certificate,
    ),
    "constrained_codes, error, positive": Case(
        "constrained_codes",
        draw_lasso,
        ("code",),
        {"rule": SquareLimit(1150.0, True)},
        certificate=limited_certificate,
    ),
    "feature_sign": Case("feature_sign", draw_lasso, ("code",), {"rule": SoftThreshold(1.0)}),
    "feature_sign, positive": Case(
        "feature_sign", draw_lasso, ("code",), {"rule": PositiveSoftThreshold(1.0)}
    ),
    "ISTA": _descent_case(SoftThreshold(1.0), accelerated=False),
    "FISTA": _descent_case(SoftThreshold(1.0), accelerated=True),
    "FISTA, positive": _descent_case(PositiveSoftThreshold(1.0), accelerated=True),
    "active_set, cold": Case(
        "active_set", draw_lasso, ("code",), {"rule": SoftThreshold(1.0), "warm": False}
    ),
    "FISTA, weights": _descent_case(WeightedSoftThreshold, accelerated=True),
    "ISTA, weights, positive": _descent_case(WeightedPositiveSoftThreshold, accelerated=False),
    **{
        f"{kernel}, {words}": Case(kernel, draw_lasso, ("code",), {"rule": rule})
        for kernel in ("active_set", "coordinate_descent", "feature_sign")
        for words, rule in {
            "weights": WeightedSoftThreshold,
            "weights, positive": WeightedPositiveSoftThreshold,
        }.items()
    },
    "joint_descent": Case(
        "joint_descent",
        draw_joint_thresholds,
        ("code",),
        {"positive": False},
        certificate=joint_certificate,
    ),
    "joint_descent, positive": Case(
        "joint_descent",
        draw_joint_thresholds,
        ("code",),
        {"positive": True},
        certificate=joint_certificate,
    ),
    "inhibited_descent": Case(
        "inhibited_descent",
        draw_inhibited,
        ("code",),
        {"positive": False},
        certificate=inhibited_certificate,
    ),
    "inhibited_descent, positive": Case(
        "inhibited_descent",
        draw_inhibited,
        ("code",),
        {"positive": True},
        certificate=inhibited_certificate,
    ),
    "block_descent": Case("block_descent", draw_groups, ("code",), {"positive": False}),
    "block_descent, positive": Case("block_descent", draw_groups, ("code",), {"positive": True}),
    **CONVOLUTIONAL_MINIMIZERS,
}
