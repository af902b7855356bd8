"""Every module satisfies the contract of `sklearn_ebm.protocols.Module`."""

import copy
import importlib
import inspect
import pickle
import pkgutil
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_ebm import factors, layers
from sklearn_ebm.backends import numba
from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends._border import BORDERS
from sklearn_ebm.backends._places import Places
from sklearn_ebm.factors import (
    CONVOLUTIONAL_ENCODERS,
    ENCODERS,
    LOCAL_ENCODERS,
    SCORE_LOSSES,
    UNROLLED_ENCODERS,
    ConvolutionalDecoder,
    DirectionHead,
    Filled,
    FixedMap,
    LinearDecoder,
    LinearHead,
    LocalDecoder,
    OneHot,
    PatchDecoder,
    PooledFeatures,
    PooledMaps,
    Pools,
    Tape,
    log_logistic,
)
from sklearn_ebm.factors.encoders import (
    LinearEncoder,
    LogisticEncoder,
    ReluEncoder,
    SaturatedLinearEncoder,
)
from sklearn_ebm.factors.energies._reconstruction import TiedDecoder
from sklearn_ebm.learning._network import RowStream
from tests.differences import finite_differences

N_SAMPLES, N_FEATURES, N_COMPONENTS = 6, 5, 4
IMAGES, FILTERS = (5, 6, 2), (3, 3, 2, 2)  # shape of one sample; shape of the filters
TABLE = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])


class Case(NamedTuple):
    """A factory of a module in float64, and the shape of one sample."""

    make: Callable
    shape: tuple = (N_FEATURES,)

    def module(self, dtype="float64"):
        module = self.make(np.random.default_rng(0))
        if hasattr(module, "astype"):
            return module.astype(np.dtype(dtype))
        for name, value in module.parameters.items():
            module.parameters[name] = value.astype(dtype)
        return module

    def data(self, dtype="float64", n_samples=N_SAMPLES):
        return np.random.default_rng(1).standard_normal((n_samples, *self.shape)).astype(dtype)


def moved(random, encoder):
    """Return the encoder with generic parameters near its initial ones, without zero gradients."""
    for value in encoder.parameters.values():
        value += 0.1 * random.uniform(size=value.shape)
    return encoder


def dense(name, **options):
    def make(random):
        rows = random.standard_normal((N_COMPONENTS, N_FEATURES)) / N_FEATURES**0.5
        return moved(random, ENCODERS[name].from_dictionary(rows, 1.5, 0.4, **options))

    return Case(make)


def affine(kind):
    """Return a case of an encoder whose only parameters are weights and biases."""
    shapes = {"weights": (N_FEATURES, N_COMPONENTS), "bias": (N_COMPONENTS,)}
    return Case(
        lambda random: kind({name: random.standard_normal(each) for name, each in shapes.items()})
    )


def unit_filters(random, shape=FILTERS):
    filters = random.standard_normal(shape)
    return filters / np.sqrt(np.sum(filters**2, axis=(1, 2, 3), keepdims=True))


def convolutional(name, border, shape=IMAGES, image_shape=IMAGES[:2], **options):
    def make(random):
        encoder = CONVOLUTIONAL_ENCODERS[name].from_dictionary(
            unit_filters(random), 1.5, 0.4, image_shape=image_shape, border=border, **options
        )
        return moved(random, encoder)

    return Case(make, shape)


def decoder(border, is_flat):
    def make(random):
        return ConvolutionalDecoder(unit_filters(random), IMAGES, border)

    shape = make(np.random.default_rng(0)).map_shape
    return Case(make, (np.prod(shape),) if is_flat else shape)


LOCAL = {  # units per pixel, place of the tile, rows and columns of its units
    "tile": (1, (1, 0), (2, 3)),
    "finer": (2, (2, 0), (4, 2)),
    "nothing shared": (1, (0, 0), None),
}


def local(name, form, shape=IMAGES):
    def make(random):
        fineness, phase, tile_shape = LOCAL[form]
        n_units = 15 if tile_shape is None else np.prod(tile_shape)
        filters = unit_filters(random, (n_units, *FILTERS[1:]))
        encoder = LOCAL_ENCODERS[name].from_dictionary(
            filters, 1.5, 0.4, image_shape=IMAGES[:2], tile_shape=tile_shape, fineness=fineness,
            phase=phase,
        )  # fmt: skip
        return moved(random, encoder)

    return Case(make, shape)


def local_decoder(form, shape):
    def make(random):
        fineness, phase, tile_shape = LOCAL[form]
        filters = unit_filters(random, (np.prod(tile_shape), *FILTERS[1:]))
        return LocalDecoder(filters, IMAGES, tile_shape, Places(fineness, phase))

    return Case(make, shape)


def layer(kind, *parameters, shape=IMAGES, **named):
    return Case(lambda random: getattr(layers, kind)(*parameters, **named), shape)


def whitener(random):
    return layers.ZCAWhitener().fit(random.standard_normal((20, N_FEATURES)))


def pools(random):
    return Pools(random.uniform(size=(3, N_FEATURES)) * (random.uniform(size=(3, 1)) > 0.2))


def steps_of(name):
    """Options of an unrolled encoder; greedy coordinate descent is always tied."""
    ties = (True,) if name == "lcod" else (True, False)
    return [{"n_steps": n, "tied": tied} for tied in ties for n in (0, 1, 3)]


MODULES = {
    **{name: dense(name) for name in ENCODERS if name not in UNROLLED_ENCODERS},
    **{
        f"{name} {options}": dense(name, **options)
        for name in UNROLLED_ENCODERS
        for options in steps_of(name)
    },
    **{
        kind.__name__: affine(kind)
        for kind in (LogisticEncoder, LinearEncoder, ReluEncoder, SaturatedLinearEncoder)
    },
    **{
        f"{name} of images, {border}": convolutional(name, border)
        for name in CONVOLUTIONAL_ENCODERS
        for border in BORDERS
    },
    "filters with a table": convolutional("shrinkage", "full", table=TABLE),
    "filters on rows": convolutional("tanh", "same", shape=(60,)),
    "filters on rows of a shape": convolutional("tanh", "same", (60,), image_shape=IMAGES),
    **{
        f"{name} of local filters, {form}": local(name, form)
        for name, form in zip(LOCAL_ENCODERS, ("tile", "finer", "nothing shared"), strict=True)
    },
    "local filters on rows": local("tanh", "finer", (60,)),
    "decoder of local filters": local_decoder("finer", (60,)),
    "decoder of local filters of maps": local_decoder("tile", (3, 5, 1)),
    "linear decoder": Case(
        lambda random: LinearDecoder(random.standard_normal((N_FEATURES, N_COMPONENTS)))
    ),
    "tied decoder": Case(
        lambda random: TiedDecoder(random.standard_normal((N_COMPONENTS, N_FEATURES)))
    ),
    **{f"decoder of maps, {border}": decoder(border, False) for border in BORDERS},
    "decoder of rows": decoder("full", True),
    "patch decoder": Case(
        lambda random: PatchDecoder(unit_filters(random), FILTERS[1:3], "valid"), FILTERS[:1]
    ),
    **{f"Rectifier {mode}": layer("Rectifier", mode) for mode in ("abs", "positive", "split")},
    **{f"Pooler {mode}": layer("Pooler", mode) for mode in ("average", "max", "l2")},
    "Pooler of map groups": layer("Pooler", "l2", pool_shape=3, pool_stride=2, map_groups=2),
    "Pooler on rows": layer("Pooler", "max", image_shape=IMAGES, shape=(60,)),
    "contrast": layer("LocalContrastNormalizer", 3),
    "contrast, subtracted": layer("LocalContrastNormalizer", 3, divide=False),
    "contrast on signals": layer("LocalContrastNormalizer", 3, shape=(8,)),
    "Flattener": layer("Flattener"),
    "Dropout": layer("Dropout", 0.4),
    "ZCAWhitener": Case(whitener),
    "pooled features": Case(lambda random: PooledFeatures(pools(random), with_code=False)),
    "pooled maps": Case(lambda random: PooledMaps(1.0, (4, 5)), (4, 5, 1)),
    "codes and pooled features": Case(lambda random: PooledFeatures(pools(random), with_code=True)),
    "matrix": Case(lambda random: FixedMap(random.standard_normal((N_FEATURES, 3)), np.ones(3))),
    "factors": Case(lambda random: FixedMap(*random.standard_normal((2, N_FEATURES)))),
    "head": Case(
        lambda random: LinearHead(
            random.standard_normal((N_FEATURES, 3)), random.standard_normal(3)
        )
    ),
    "head for directions": Case(
        lambda random: DirectionHead(random.standard_normal((3, N_FEATURES)))
    ),
    "missing values": Case(lambda random: Filled(np.nan)),
    "missing values, means": Case(
        lambda random: Filled(np.nan, random.standard_normal(N_FEATURES))
    ),
}
NOT_CONTINUOUS = {OneHot}  # see tests/factors/test_categorical.py
modules = pytest.mark.parametrize("case", MODULES.values(), ids=MODULES)
backends = pytest.mark.parametrize("backend", [reference, numba], ids=lambda each: each.name)


def passes(module, x, tape=None, stream=None):
    """Return output, gradients and dx of one pass in each direction, copied from the tape."""
    tape = Tape() if tape is None else tape
    y = module.forward(x, tape, stream).copy()
    dx, gradients = module.backward(tape, np.cos(y))
    own = {name: gradient.copy() for name, gradient in gradients.items()}
    return {"y": y, "dx": dx.copy(), **own}


def assert_same(results, expected):
    assert results.keys() == expected.keys()
    for name, value in results.items():
        assert value.dtype == expected[name].dtype
        assert_array_equal(value, expected[name], name)


def test_every_module_of_the_package_is_tested():
    """Every class with `forward` and `backward` that is not a base class of another one."""
    names = [
        each.name
        for package in (factors, layers)
        for each in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    ]
    found = {
        each
        for name in names
        for each in vars(importlib.import_module(name)).values()
        if inspect.isclass(each) and hasattr(each, "forward") and hasattr(each, "backward")
    }
    leaves = {
        each for each in found if not each.__subclasses__() and each.__name__ != "ModuleMixin"
    }
    assert leaves - NOT_CONTINUOUS <= {type(case.module()) for case in MODULES.values()}


@modules
@backends
def test_derivatives_are_those_of_finite_differences(case, backend):
    """With a stream of random numbers, which only Dropout uses."""
    module, x, stream = case.module().on(backend), case.data(n_samples=2), RowStream(0)
    tape = Tape()
    y = module.forward(x, tape, stream)
    dy = np.random.default_rng(2).standard_normal(y.shape)

    def loss():
        return np.sum(dy * module.forward(x, stream=stream))

    dx, gradients = module.backward(tape, dy)
    assert gradients.keys() == module.parameters.keys()
    # Sums of up to 200 numbers of size one: errors of about 1e-8.
    tolerance = {"rtol": 1e-6, "atol": 1e-7}
    assert_allclose(dx, finite_differences(loss, x), **tolerance)
    for name, gradient in gradients.items():
        expected = finite_differences(loss, module.parameters[name])
        assert_allclose(gradient, expected, **tolerance, err_msg=name)


@modules
@backends
def test_inference_gives_what_the_recorded_pass_gives(case, backend):
    module, x = case.module().on(backend), case.data()
    recorded = module.forward(x, Tape())
    # Both sum the same numbers of size one, possibly in another order.
    assert_allclose(module.forward(x), recorded, rtol=0, atol=1e-13)


@modules
def test_passes_change_nothing_but_their_tape(case):
    """Module and data are unchanged, and inference does not change an earlier tape."""
    module, x = case.module(), case.data()
    expected = passes(module, x)
    parameters = copy.deepcopy(module.parameters)
    x.setflags(write=False)
    tape = Tape()
    y = module.forward(x, tape)
    dy = np.cos(y)
    dy.setflags(write=False)
    before = set(vars(module))
    module.forward(x[::-1])
    dx, gradients = module.backward(tape, dy)
    assert_array_equal(dx, expected["dx"])
    for name, value in module.parameters.items():
        assert_array_equal(gradients[name], expected[name])
        assert_array_equal(value, parameters[name])
    assert set(vars(module)) == before


@modules
@backends
def test_a_tape_is_filled_again_by_batches_of_any_size(case, backend):
    module, tape, x = case.module().on(backend), Tape(), case.data(n_samples=20)
    for n_samples in (20, 2, 1, 20):
        assert_same(passes(module, x[:n_samples], tape), passes(module, x[:n_samples]))


@modules
def test_a_tape_takes_no_new_memory_for_batches_that_are_not_larger(case):
    module, tape, x = case.module(), Tape(), case.data(n_samples=20)
    passes(module, x, tape)
    held = dict(tape._memory)
    for n_samples in (20, 2, 20):
        passes(module, x[:n_samples], tape)
        assert tape._memory.keys() == held.keys()
        assert all(tape._memory[name] is array for name, array in held.items())


@modules
def test_types_are_kept_on_one_tape(case):
    tape = Tape()
    for dtype in (np.float64, np.float32, np.float64):
        results = passes(case.module(dtype), case.data(dtype), tape)
        assert {value.dtype for value in results.values()} == {np.dtype(dtype)}


@modules
def test_single_precision_is_rounded_double_precision(case):
    """Logarithms of size 50 (slope 10, |u| below 5) lose 50 eps = 6e-6, and sums have 200 terms."""
    single, double = (passes(case.module(t), case.data(t)) for t in (np.float32, np.float64))
    for name, value in single.items():
        assert_allclose(value, double[name], rtol=1e-4, atol=5e-4, err_msg=name)


@modules
def test_the_derivative_by_the_input_is_left_out_on_request(case):
    module, x, tape = case.module(), case.data(), Tape()
    expected = passes(module, x)
    dx, gradients = module.backward(tape, np.cos(module.forward(x, tape)), input_gradient=False)
    assert dx is None
    assert gradients.keys() == module.parameters.keys()
    for name, gradient in gradients.items():
        assert_array_equal(gradient, expected[name])


@modules
def test_gradients_of_pieces_add_up(case):
    module, x = case.module(), case.data()
    whole, *parts = (passes(module, rows) for rows in (x, x[:2], x[2:]))
    for name in ("y", "dx"):
        joined = np.concatenate([part[name] for part in parts])
        assert_allclose(joined, whole[name], rtol=0, atol=1e-13)
    for name in module.parameters:
        total = sum(part[name] for part in parts)
        assert_allclose(total, whole[name], rtol=1e-12, atol=1e-12)


@modules
def test_a_row_gets_the_same_random_numbers_in_every_piece(case):
    module, x, tape = case.module(), case.data(), Tape()
    whole = module.forward(x, tape, RowStream(3)).copy()
    again = module.forward(x, tape, RowStream(3))
    assert_array_equal(again, whole)
    pieces = [module.forward(x[k : k + 2], Tape(), RowStream(3, k)) for k in range(0, len(x), 2)]
    assert_allclose(np.concatenate(pieces), whole, rtol=0, atol=1e-13)
    assert_array_equal(module.forward(x), module.forward(x))  # without a stream, nothing is random


@modules
def test_projection_moves_parameters_once(case):
    module = case.module()
    for value in module.parameters.values():
        value -= 20 * (np.arange(value.size) % 2).reshape(value.shape)  # far below the limit
    module.project()
    projected = copy.deepcopy(module.parameters)
    module.project()
    for name, value in module.parameters.items():
        assert_array_equal(value, projected[name], name)


@modules
def test_scales_are_positive_units_of_the_parameters(case):
    module = case.module()
    assert module.scales.keys() <= module.parameters.keys()
    assert all(0 < float(scale) < np.inf for scale in module.scales.values())


@modules
def test_a_backend_is_held_with_the_same_parameters_and_is_not_pickled(case):
    module, x = case.module(), case.data()
    bound = module.on(reference)
    for name, value in module.parameters.items():
        assert bound.parameters[name] is value
    restored = pickle.loads(pickle.dumps(bound))
    assert_allclose(restored.forward(x), module.forward(x), rtol=0, atol=1e-13)


@modules
def test_a_module_calls_the_kernels_of_the_backend_that_it_holds(case, monkeypatch):
    def raises(*args, **options):
        raise AssertionError("a kernel of another backend was called")

    module = case.module().on(reference)
    for name in numba.__all__:
        if name not in ("name", "to_device"):
            monkeypatch.setattr(numba, name, raises)
    passes(module, case.data())


@pytest.mark.parametrize("name", SCORE_LOSSES)
def test_gradients_of_losses_of_scores_are_those_of_finite_differences(name):
    random = np.random.default_rng(0)
    scores, target = 3 * random.standard_normal((5, 4)), np.eye(4)[[0, 3, 1, 1, 2]]
    losses, gradient = SCORE_LOSSES[name](scores, target)
    assert losses.shape == (5,)
    numeric = finite_differences(lambda: SCORE_LOSSES[name](scores, target)[0].sum(), scores)
    assert_allclose(gradient, numeric, rtol=1e-6, atol=1e-8)


def test_losses_of_scores_of_any_size_are_exact():
    """Their exponential functions overflow, or vanish in the rounding errors of a sum."""
    scores, target = np.array([[1e4, -1e4], [-1e4, 1e4], [40.0, -40.0]]), np.eye(2)[[0, 0, 0]]
    losses, gradient = SCORE_LOSSES["cross_entropy"](scores, target)
    assert_allclose(losses[:2], [0, 2e4])
    assert_allclose(gradient[1], [-1, 1])
    losses, gradient = SCORE_LOSSES["binary_cross_entropies"](scores, target)
    assert_allclose(losses, [0, 2e4, 2 * np.exp(-40)], rtol=1e-12)
    assert_allclose(gradient[1], [-1, 1])
    assert_allclose(log_logistic(scores[:, 0]), [0, -1e4, -np.exp(-40)], rtol=1e-12)


def test_long_atoms_of_decoders_become_unit_vectors_and_short_ones_stay():
    random = np.random.default_rng(0)
    for module, axes in (
        (LinearDecoder(random.standard_normal((3, 8))), 1),
        (ConvolutionalDecoder(random.standard_normal((3, 2, 2, 2)), (4, 4)), (1, 2, 3)),
    ):
        module.dictionary[0] /= 100
        first, direction = module.dictionary[0].copy(), module.dictionary[1:].copy()
        module.project()
        assert_array_equal(module.dictionary[0], first)
        norms = np.sqrt(np.sum(direction**2, axis=axes, keepdims=True))
        assert_allclose(module.dictionary[1:], direction / norms, rtol=1e-12)
