"""Penalty rules inside Numba kernels, resolved by type at compile time."""

from numba import njit
from numba.extending import overload

from sklearn_ebm.backends._rules import PositiveSoftThreshold, SoftThreshold
from sklearn_ebm.backends.numba._fragments import fragment
from sklearn_ebm.backends.numba._kernel_cache import cached_on_disk
from sklearn_ebm.backends.numba._simd import Vector, larger, magnitude, smaller, splat, subtract

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


def kernel(function):
    """Compile a function that Python calls, at its first call for each combination of types."""
    return cached_on_disk(njit(**OPTIONS, no_cfunc_wrapper=True)(function))


def inner(function):
    """Compile a function that other kernels call, inlined in each place."""
    return fragment(function, forceinline=True, **OPTIONS)


def routine(function):
    """Compile a function that other kernels call, with one copy for each kernel.

    This is for work on a whole matrix: a copy for each call would cost compile time, and the call
    itself costs nothing.
    """
    return fragment(function, **OPTIONS)


def dual_magnitude(rule, correlation):
    """Return the magnitude that optimality limits to the threshold for every atom."""


def shrink(rule, value):
    """Apply the proximal operator to one number."""


def scaled(rule, step_size):
    """Return the rule of the proximal operator of step_size times the penalty."""


@overload(dual_magnitude)
def _dual_magnitude(rule, correlation):
    if getattr(rule, "instance_class", None) is SoftThreshold:
        if isinstance(correlation, Vector):
            return lambda rule, correlation: magnitude(correlation)
        return lambda rule, correlation: abs(correlation)
    if getattr(rule, "instance_class", None) is PositiveSoftThreshold:
        return lambda rule, correlation: correlation


@overload(shrink)
def _shrink(rule, value):
    """Apply the operator to a number, or to each number of a `Vector`."""
    if getattr(rule, "instance_class", None) is SoftThreshold:
        if isinstance(value, Vector):
            return lambda rule, value: subtract(
                value, smaller(larger(value, splat(-rule.threshold)), splat(rule.threshold))
            )
        return lambda rule, value: value - min(max(value, -rule.threshold), rule.threshold)
    if getattr(rule, "instance_class", None) is PositiveSoftThreshold:
        if isinstance(value, Vector):
            return lambda rule, value: larger(
                subtract(value, splat(rule.threshold)), subtract(value, value)
            )
        return lambda rule, value: max(value - rule.threshold, value - value)


@overload(scaled)
def _scaled(rule, step_size):
    if getattr(rule, "instance_class", None) is SoftThreshold:
        return lambda rule, step_size: SoftThreshold(step_size * rule.threshold)
    if getattr(rule, "instance_class", None) is PositiveSoftThreshold:
        return lambda rule, step_size: PositiveSoftThreshold(step_size * rule.threshold)
