"""The output of each kind of module, as a formula for any library of arrays.

`FORMULAS` maps classes of modules to functions ``formula(ops, module, parameters, x)``. `ops` has
the operations of a library; `sklearn_ebm.export._onnx.Graph` and `sklearn_ebm.export._torch.Ops`
implement them. Values support arithmetic and have `shape` and `ndim`. `parameters` has the trained
arrays of the module as values. Images have the shape (n_samples, height, width, channels).
"""

import math

import numpy as np

from sklearn_ebm.backends import to_host
from sklearn_ebm.backends._border import BORDERS
from sklearn_ebm.backends._gaussian import gaussian_window
from sklearn_ebm.backends.numpy._local_contrast import ROUNDINGS
from sklearn_ebm.factors import Filled, FixedMap, LinearHead, OneHot, PooledFeatures
from sklearn_ebm.factors.encoders import (
    GreedyEncoder,
    MomentumEncoder,
    PositiveEncoder,
    UnrolledEncoder,
)
from sklearn_ebm.factors.encoders._affine import AffineEncoder
from sklearn_ebm.factors.encoders._convolutional import ConvolutionalEncoder
from sklearn_ebm.factors.encoders._logistic import Logistic
from sklearn_ebm.factors.encoders._piecewise_linear import Linear, Relu, SaturatedLinear
from sklearn_ebm.factors.encoders._shrinkage import Shrinkage
from sklearn_ebm.factors.encoders._smooth_shrinkage import SmoothShrinkage
from sklearn_ebm.factors.encoders._tanh import Tanh
from sklearn_ebm.factors.encoders._unrolled import layer as own_of
from sklearn_ebm.inputs._images import shape_of_rows
from sklearn_ebm.layers import (
    Dropout,
    Flattener,
    LocalContrastNormalizer,
    Pooler,
    Rectifier,
    ZCAWhitener,
)
from sklearn_ebm.layers._layer import Layer

FORMULAS: dict = {}
ACTIVATIONS: dict = {}


def output_of(ops, modules, parameters, x):
    """Return the output of a chain of modules.

    Parameters
    ----------
    ops : object
        Operations of a library.
    modules : list of Module
        The chain.
    parameters : list of dict
        Trained parameters of each module as values of the library.
    x : value
        Rows or images. Grey images may lack the axis of channels.

    Returns
    -------
    value
        Features in the form of x.
    """
    is_grey = x.ndim == 3
    if is_grey:
        x = ops.reshape(x, (*x.shape[1:], 1))
    for module, own in zip(modules, parameters, strict=True):
        x = _formula_of(module)(ops, module, own, x)
    is_map = is_grey and x.ndim == 4 and x.shape[3] == 1 and isinstance(modules[-1], Layer)
    return ops.reshape(x, x.shape[1:3]) if is_map else x


def _formula_of(module):
    for kind in type(module).__mro__:
        if kind in FORMULAS:
            return FORMULAS[kind]
    raise ValueError(
        f"{type(module).__name__} cannot be exported, because its formula is not known."
    )


def _registered(table, *kinds):
    def register(function):
        table.update(dict.fromkeys(kinds, function))
        return function

    return register


# ----------------------------------------------------------------------------------------- encoders
def _soft_threshold(ops, u, threshold):
    return ops.relu(u - threshold) - ops.relu(-u - threshold)


@_registered(ACTIVATIONS, Shrinkage)
def _shrinkage(ops, parameters, u):
    return _soft_threshold(ops, u, parameters["threshold"])


@_registered(ACTIVATIONS, Linear)
def _linear(ops, parameters, u):
    return u


@_registered(ACTIVATIONS, Relu)
def _relu(ops, parameters, u):
    return ops.relu(u)


@_registered(ACTIVATIONS, SaturatedLinear)
def _saturated_linear(ops, parameters, u):
    return ops.relu(u) - ops.relu(u - 1.0)


@_registered(ACTIVATIONS, Tanh)
def _tanh(ops, parameters, u):
    return ops.tanh(u) * parameters["gain"]


@_registered(ACTIVATIONS, Logistic)
def _logistic(ops, parameters, u):
    return ops.sigmoid(u)


@_registered(ACTIVATIONS, SmoothShrinkage)
def _smooth_shrinkage(ops, parameters, u):
    """See `sklearn_ebm.backends.numpy._encoders`."""
    slope, location, size = parameters["slope"], parameters["location"], ops.abs(u)
    larger = location + ops.relu(size - location)
    excess = ops.exp(-(slope * ops.abs(size - location))) - ops.exp(-(slope * larger))
    return ops.sign(u) * (larger + ops.log(excess + 1.0) / slope - location)


@_registered(FORMULAS, AffineEncoder)
def _affine(ops, encoder, parameters, x):
    u = x @ parameters["weights"] + parameters["bias"]
    return ACTIVATIONS[type(encoder.activation)](ops, parameters, u)


@_registered(FORMULAS, ConvolutionalEncoder)
def _convolutional(ops, encoder, parameters, x):
    images, filters = x, encoder.parameters["weights"].shape
    if x.ndim == 2:
        shape = encoder.settings["image_shape"]
        if shape is None or len(shape) != 2:
            shape = shape_of_rows(x.shape[1], shape)[:2]
        images = ops.reshape(x, (*shape, filters[3]))
    canvas = _extended(ops, images, filters[1:3], encoder.settings["border"])
    u = ops.correlate(canvas, parameters["weights"]) + parameters["bias"]
    code = ACTIVATIONS[type(encoder.activation)](ops, parameters, u)
    return code if x.ndim == 4 else _flat(ops, code)


def _extended(ops, images, kernel_shape, border):
    """Return all pixels that a filter can cover; see `Border.extend`."""
    border = BORDERS[border](kernel_shape)
    if not border.circular:
        return ops.pad(images, border.before, border.after)
    for axis, size in zip((1, 2), kernel_shape, strict=True):
        images = ops.concat([images, ops.cut(images, axis, slice(0, size - 1))], axis)
    return images


@_registered(FORMULAS, UnrolledEncoder, MomentumEncoder, PositiveEncoder)
def _unrolled(ops, encoder, parameters, x):
    code = before = None
    is_positive = isinstance(encoder, PositiveEncoder)
    for k in range(encoder.n_steps + 1):
        u = x @ own_of(encoder, parameters, "weights", k)
        if k > 0:
            start = code
            if "momentum" in parameters:
                start = code + (code if k == 1 else code - before) * parameters["momentum"][k - 1]
            u = u + start @ own_of(encoder, parameters, "lateral", k)
        threshold, before = own_of(encoder, parameters, "threshold", k), code
        code = ops.relu(u - threshold) if is_positive else _soft_threshold(ops, u, threshold)
    return code


@_registered(FORMULAS, GreedyEncoder)
def _greedy(ops, encoder, parameters, x):
    threshold = parameters["threshold"]
    state = x @ parameters["weights"]
    reached = state * 0.0
    for _ in range(encoder.n_steps):
        change = _soft_threshold(ops, state, threshold) - reached
        change = change * ops.mark_largest(ops.abs(change))
        reached = reached + change
        state = state + change @ parameters["lateral"]
    return _soft_threshold(ops, state, threshold)


# --------------------------------------------------------------------------- other parts of models
@_registered(FORMULAS, Filled)
def _filled(ops, module, parameters, x):
    value = 0.0 if module.values is None else ops.constant(to_host(module.values), x)
    return ops.where(ops.equals(x, module.missing_values), value, x)


@_registered(FORMULAS, OneHot)
def _one_hot(ops, module, parameters, x):
    """Subtract the code of each column from the code of its feature, which gives 0 in one column.

    A missing feature has the code -1, so that none of its columns is 0.
    """
    categories = module.categories
    owners = categories.owners[None, :] == np.arange(len(categories.sizes))[:, None]
    owners = ops.constant(owners.astype(float), x)
    levels = ops.constant(categories.levels.astype(float), x)
    missing = None
    if module.missing_values is not None:
        missing = ops.equals(x, module.missing_values)
        x = ops.where(missing, -1.0, x)
    one, zero = (ops.constant(number, x) for number in (1.0, 0.0))
    states = ops.where(ops.equals(x @ owners - levels, 0.0), one, zero)
    if missing is None:
        return states
    return states + (ops.where(missing, one, zero) @ owners) * ops.constant(
        to_host(module.values), x
    )


@_registered(FORMULAS, PooledFeatures)
def _pooled_features(ops, module, parameters, x):
    norms = _root(ops, (x * x) @ ops.constant(module.pools.weights.T, x))
    return ops.concat([x, norms], 1) if module.with_code else norms


@_registered(FORMULAS, LinearHead)
def _head(ops, module, parameters, x):
    return x @ parameters["weights"] + parameters["bias"]


@_registered(FORMULAS, FixedMap)
def _fixed_map(ops, module, parameters, x):
    linear, shift = (ops.constant(np.asarray(each), x) for each in (module.linear, module.shift))
    return (x @ linear if np.ndim(module.linear) == 2 else x * linear) + shift


# ------------------------------------------------------------------------------------------- layers
@_registered(FORMULAS, Dropout)
def _dropout(ops, layer, parameters, x):
    return x


@_registered(FORMULAS, Flattener)
def _flattened(ops, layer, parameters, x):
    return x if x.ndim == 2 else _flat(ops, x)


@_registered(FORMULAS, ZCAWhitener)
def _whitened(ops, layer, parameters, x):
    mean, whitening = (ops.constant(each, x) for each in (layer.mean_, layer.whitening_))
    return (x - mean) @ whitening


RECTIFIED = {
    "abs": lambda ops, x: ops.abs(x),
    "positive": lambda ops, x: ops.relu(x),
    "split": lambda ops, x: ops.concat([ops.relu(x), ops.relu(-x)], x.ndim - 1),
}


@_registered(FORMULAS, Rectifier)
def _rectified(ops, layer, parameters, x):
    return RECTIFIED[layer.mode](ops, x)


def _on_images(formula):
    """Return a formula that accepts flat rows as well."""

    def on_rows_or_images(ops, layer, parameters, x):
        if x.ndim == 4:
            return formula(ops, layer, x)
        images = ops.reshape(x, shape_of_rows(x.shape[1], layer.image_shape))
        return _flat(ops, formula(ops, layer, images))

    return on_rows_or_images


POOLED = {
    "average": lambda ops, x, windows: _gathered(ops, _add, x, windows) / windows.n_entries,
    "max": lambda ops, x, windows: _gathered(ops, ops.maximum, x, windows),
    "l2": lambda ops, x, windows: _root(ops, _gathered(ops, _add, x * x, windows)),
}


def _add(first, second):
    return first + second


def _gathered(ops, combine, x, windows):
    """Return the entries of each window, combined by a binary function, axis by axis."""
    for axis, size in enumerate(windows.size):
        total = ops.cut(x, axis + 1, windows.places(axis, 0))
        for offset in range(1, size):
            total = combine(total, ops.cut(x, axis + 1, windows.places(axis, offset)))
        x = total
    return x


@_registered(FORMULAS, Pooler)
@_on_images
def _pooled(ops, layer, x):
    return POOLED[layer.mode](ops, x, layer._windows((None, *x.shape[1:])))


@_registered(FORMULAS, LocalContrastNormalizer)
@_on_images
def _normalized(ops, layer, x):
    """See `sklearn_ebm.backends.numpy._local_contrast`."""
    _, height, width, n_maps = x.shape
    window = gaussian_window(int(layer.window_size), np.empty((0, height, width, 1)))
    average = ops.constant(np.full((n_maps, 1), 1 / n_maps), x)

    def smooth(maps):
        return _smoothed(ops, maps, window)

    mean = smooth(x @ average)
    centred = x - mean
    if not layer.divide:
        return centred
    squares, rounding = (centred * centred) @ average, mean * (ROUNDINGS * ops.epsilon(x))
    squares = ops.where(squares > rounding * rounding, squares, 0.0)
    deviation = _root(ops, smooth(squares))
    flat = _flat(ops, deviation)
    share = ops.constant(np.full((flat.shape[1], 1), 1 / flat.shape[1]), x)
    largest = ops.maximum(deviation, ops.reshape(flat @ share, (1, 1, 1)))
    varies = largest > 0.0
    return ops.where(varies, centred / ops.where(varies, largest, 1.0), 0.0)


def _smoothed(ops, maps, window):
    """Return local means of single maps: zero padding, then one over the weights inside."""
    weights = np.asarray(window.weights)
    radius = len(weights) // 2
    maps = ops.pad(maps, (radius, radius), (radius, radius))
    for shape in ((1, -1, 1, 1), (1, 1, -1, 1)):
        maps = ops.correlate(maps, ops.constant(weights.reshape(shape), maps))
    return maps * ops.constant(np.asarray(window.scale)[:, :, None], maps)


def _flat(ops, x):
    return ops.reshape(x, (math.prod(x.shape[1:]),))


def _root(ops, squares):
    """Return square roots, whose derivative at zero is zero."""
    is_positive = squares > 0.0
    return ops.where(is_positive, ops.sqrt(ops.where(is_positive, squares, 1.0)), 0.0)
