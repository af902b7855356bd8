"""Penalty rules inside Numba kernels, resolved by type at compile time."""

from numba import njit
from numba.extending import overload

from sklearn_ebm.backends._rules import (
    PositiveSoftThreshold,
    SoftThreshold,
    WeightedPositiveSoftThreshold,
    WeightedSoftThreshold,
)
from sklearn_ebm.backends.numba._fragments import fragment
from sklearn_ebm.backends.numba._kernel_cache import cached_on_disk
from sklearn_ebm.backends.numba._simd import (
    Vector,
    divide,
    larger,
    load,
    magnitude,
    multiply,
    smaller,
    splat,
    subtract,
)

# Validation excludes NaN and infinities; sums may be reordered.
FAST_MATH = {"nnan", "ninf", "nsz", "contract", "reassoc"}

# Without Numba's runtime: no kernel allocates, and reference counts of array arguments took three
# quarters of an active set's time.
OPTIONS = {
    "nogil": True,
    "fastmath": FAST_MATH,
    "error_model": "numpy",
    "_nrt": False,
}
OPTIONS_WITH_NAN = {**OPTIONS, "fastmath": FAST_MATH - {"nnan", "ninf"}}


def kernel(function):
    """Compile a function that Python calls, at its first call for each combination of types."""
    return cached_on_disk(njit(**OPTIONS, no_cfunc_wrapper=True)(function))


def inner(function):
    """Compile a function that other kernels call, inlined in each place."""
    return fragment(function, forceinline=True, **OPTIONS)


def guard(function):
    """Compile a function that other kernels call to detect NaN, for instance after divergence.

    Without NaN, compilers may replace `not a <= b` by `a > b`, which is false for NaN. The function
    must read the numbers from arrays, because results of other functions are assumed to be finite.
    """
    return fragment(function, forceinline=True, **OPTIONS_WITH_NAN)


def routine(function):
    """Compile a function that other kernels call, with one copy for each kernel.

    This is for work on a whole matrix: a copy for each call would cost compile time, and the call
    itself costs nothing.
    """
    return fragment(function, **OPTIONS)


def dual_magnitude(rule, correlation, place=0):
    """Return the magnitude that optimality limits to the threshold for every atom."""


def shrink(rule, value, place=0):
    """Apply the proximal operator to one number."""


def weighted(rule, value, place=0):
    """Multiply by the weight of an atom, or of the atoms from `place` on if `value` is a vector."""


def unweighted(rule, value, place=0):
    """Divide by the weight of an atom, or of the atoms from `place` on if `value` is a vector."""


def scaled(rule, step_size):
    """Return the rule of the proximal operator of step_size times the penalty."""


def row_of(rule, n):
    """Return the rule of one sample."""


SIGNED = SoftThreshold, WeightedSoftThreshold
POSITIVE = PositiveSoftThreshold, WeightedPositiveSoftThreshold
WEIGHTED = WeightedSoftThreshold, WeightedPositiveSoftThreshold


def _class_of(rule):
    return getattr(rule, "instance_class", None)


@overload(dual_magnitude)
def _dual_magnitude(rule, correlation, place=0):
    if _class_of(rule) in POSITIVE:
        return lambda rule, correlation, place=0: unweighted(rule, correlation, place)
    if _class_of(rule) in SIGNED:
        if isinstance(correlation, Vector):
            return lambda rule, correlation, place=0: unweighted(
                rule, magnitude(correlation), place
            )
        return lambda rule, correlation, place=0: unweighted(rule, abs(correlation), place)


@overload(shrink)
def _shrink(rule, value, place=0):
    """Apply the operator to a number, or to each number of a `Vector`."""
    if isinstance(value, Vector):
        return _shrink_vector(rule)
    if _class_of(rule) in SIGNED:

        def shrink_number(rule, value, place=0):
            threshold = weighted(rule, rule.threshold, place)
            return value - min(max(value, -threshold), threshold)

        return shrink_number
    if _class_of(rule) in POSITIVE:
        return lambda rule, value, place=0: max(
            value - weighted(rule, rule.threshold, place), value - value
        )


def _shrink_vector(rule):
    if _class_of(rule) in SIGNED:

        def shrink_vector(rule, value, place=0):
            threshold = weighted(rule, splat(rule.threshold), place)
            lowest = weighted(rule, splat(-rule.threshold), place)
            return subtract(value, smaller(larger(value, lowest), threshold))

        return shrink_vector
    if _class_of(rule) in POSITIVE:
        return lambda rule, value, place=0: larger(
            subtract(value, weighted(rule, splat(rule.threshold), place)), subtract(value, value)
        )


@overload(weighted)
def _weighted(rule, value, place=0):
    if _class_of(rule) not in WEIGHTED:
        return lambda rule, value, place=0: value
    if isinstance(value, Vector):
        return lambda rule, value, place=0: multiply(value, load(rule.weights, place))
    return lambda rule, value, place=0: value * rule.weights[place]


@overload(unweighted)
def _unweighted(rule, value, place=0):
    if _class_of(rule) not in WEIGHTED:
        return lambda rule, value, place=0: value
    if isinstance(value, Vector):
        return lambda rule, value, place=0: divide(value, load(rule.weights, place))
    return lambda rule, value, place=0: value / rule.weights[place]


@overload(scaled)
def _scaled(rule, step_size):
    if _class_of(rule) is SoftThreshold:
        return lambda rule, step_size: SoftThreshold(step_size * rule.threshold)
    if _class_of(rule) is PositiveSoftThreshold:
        return lambda rule, step_size: PositiveSoftThreshold(step_size * rule.threshold)
    if _class_of(rule) is WeightedSoftThreshold:
        return lambda rule, step_size: WeightedSoftThreshold(
            step_size * rule.threshold, rule.weights
        )
    if _class_of(rule) is WeightedPositiveSoftThreshold:
        return lambda rule, step_size: WeightedPositiveSoftThreshold(
            step_size * rule.threshold, rule.weights
        )


@overload(row_of)
def _row_of(rule, n):
    if _class_of(rule) is WeightedSoftThreshold:
        return lambda rule, n: WeightedSoftThreshold(rule.threshold, rule.weights[n])
    if _class_of(rule) is WeightedPositiveSoftThreshold:
        return lambda rule, n: WeightedPositiveSoftThreshold(rule.threshold, rule.weights[n])
    return lambda rule, n: rule
