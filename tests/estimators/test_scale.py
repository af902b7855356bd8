"""Learning is homogeneous like the energy: X, codes and alpha times c give E times c squared."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ebm import (
    PSD,
    RBM,
    ConvPSD,
    FineTunedClassifier,
    Flattener,
    GroupSparsePSD,
    LISTAEncoder,
    LocalPSD,
    Pooler,
    Rectifier,
)
from sklearn_ebm.factors import (
    CONVOLUTIONAL_ENCODERS,
    ENCODERS,
    LOCAL_ENCODERS,
    UNROLLED_ENCODERS,
)
from sklearn_ebm.inputs._sizes import FAR, data_size

ALPHA = 0.3
FEW = {"max_iter": 3, "tol": 0, "random_state": 0}
ROWS = {  # the active set computes some products in float32, "cd" does not
    **{f"PSD {name}": PSD(10, encoder=name) for name in ENCODERS},
    "groups": GroupSparsePSD(10, groups=2, output="both"),
    "groups tanh": GroupSparsePSD(10, groups=2, encoder="tanh", output="both"),
    "map": GroupSparsePSD(map_shape=(3, 3), pool_shape=(2, 2), output="both"),
    **{f"LISTA {name}": LISTAEncoder(10, encoder=name, solver="cd") for name in UNROLLED_ENCODERS},
    "LISTA energy": LISTAEncoder(10, loss="energy", learning_rate=1e-3, solver="cd"),
}
IMAGES = {name: ConvPSD(4, kernel_size=3, encoder=name) for name in CONVOLUTIONAL_ENCODERS}
LOCAL = {name: LocalPSD(kernel_size=3, tile_shape=2, encoder=name) for name in LOCAL_ENCODERS}
MODELS = {
    **{name: model.set_params(batch_size=30, **FEW) for name, model in ROWS.items()},
    **{f"LocalPSD {name}": model.set_params(**FEW) for name, model in LOCAL.items()},
    **{f"ConvPSD {name}": model.set_params(**FEW) for name, model in IMAGES.items()},
}
UNITS = [1e-6, 1e-3, 1e3, 1e6]
# Each model in a small and a large unit, once in each dtype; the others with --all-cases.
CASES = [
    pytest.param(
        name, unit, (np.float32, np.float64)[(n // 2 + k // 2) % 2],
        marks=() if (n + k) % 2 else pytest.mark.exhaustive,
    )
    for n, name in enumerate(MODELS)
    for k, unit in enumerate(UNITS)
]  # fmt: skip
pytestmark = [
    pytest.mark.filterwarnings("ignore:Maximum number of iterations"),
    pytest.mark.filterwarnings("ignore:No pass improved on"),
]


def sparse_rows(n_samples=90, n_features=8, seed=0):
    """Return samples that are sums of a few of twelve atoms, with variance one."""
    random = np.random.default_rng(seed)
    atoms = random.standard_normal((12, n_features))
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    shape = n_samples, len(atoms)
    code = random.laplace(size=shape) * (random.random(shape) < 0.2)
    X = code @ atoms + 0.05 * random.standard_normal((n_samples, n_features))
    return X / X.std()


X = sparse_rows()
PICTURES = sparse_rows(3, 144).reshape(3, 12, 12)


def data_of(name):
    return PICTURES if name.startswith(("ConvPSD", "LocalPSD")) else X


def results(name, unit, dtype, **parameters):
    """Return results of the model in another unit, converted back."""
    data = (unit * data_of(name)).astype(dtype)
    model = clone(MODELS[name]).set_params(alpha=unit * ALPHA, **parameters).fit(data)
    features = model.transform(data)
    assert features.dtype == dtype
    curve = model.objective_curve_ / unit**2
    return features.astype(float) / unit, model.energy(data) / unit**2, curve


@pytest.fixture(scope="module")
def plain():
    """Return a cached function for results in the unit one."""
    made = {}

    def result(name, dtype):
        if (name, dtype) not in made:
            made[name, dtype] = results(name, 1.0, dtype)
        return made[name, dtype]

    return result


@pytest.mark.parametrize(("name", "unit", "dtype"), CASES)
def test_learning_does_not_depend_on_the_unit_of_the_data(plain, name, unit, dtype):
    """Data in another unit have other rounding errors, and codes have gaps of up to 1e-3."""
    expected, least = plain(name, dtype), np.finfo(dtype).eps
    tolerance = max(1e-5, 1e4 * least)  # Adam divides by small gradients, which rounding changes
    for value, wanted in zip(results(name, unit, dtype), expected, strict=True):
        assert_allclose(value, wanted, rtol=0, atol=tolerance * np.abs(wanted).max())
    assert 0.05 < np.mean(expected[0] != 0)


@pytest.mark.parametrize("name", MODELS)
def test_a_power_of_two_changes_no_digit(plain, name):
    expected = plain(name, np.float32)
    for value, wanted in zip(results(name, 2.0**-20, np.float32), expected, strict=True):
        assert_array_equal(value, wanted)


@pytest.mark.parametrize("name", ["PSD tanh", "PSD smooth_shrinkage", "ConvPSD shrinkage"])
@pytest.mark.parametrize("way", ["partial_fit", "warm start"])
def test_the_unit_is_that_of_the_first_data(name, way):
    unit, data, found = 2.0**10, data_of(name), []
    for scale in (1.0, unit):
        model = clone(MODELS[name]).set_params(alpha=scale * ALPHA, warm_start=True)
        for part in (data[::2], 3 * data[1::2]):
            if way == "partial_fit":
                model.partial_fit(scale * part)
            else:
                model.fit(scale * part)
        found.append(model.transform(scale * data) / scale)
    assert_array_equal(*found)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_the_norm_of_given_atoms_does_not_matter(encoder):
    """Atoms of norm s have codes of size 1 / s; alpha s and beta s^2 keep the energy."""
    atoms, found = X[:10] / np.linalg.norm(X[:10], axis=1, keepdims=True), []
    for norm in (1.0, 2.0**10):
        model = PSD(
            dictionary=norm * atoms, encoder=encoder, alpha=norm * ALPHA, beta=norm**2, **FEW
        ).fit(X)
        found.append((norm * model.transform(X), model.energy(X)))
    for plain, long in zip(*found, strict=True):
        # The solver's thresholds are not powers of two, and codes have gaps of up to 1e-3.
        assert_allclose(long, plain, rtol=0, atol=1e-6 * np.abs(plain).max())


@pytest.mark.parametrize("encoder", ["shrinkage", "tanh", "lista"])
def test_one_outlier_does_not_change_what_is_learned_of_the_others(encoder):
    """The weight of an outlier in the size of the data is limited, so steps are the same."""
    model = PSD(10, alpha=ALPHA, encoder=encoder, batch_size=50, **FEW)
    spoilt = X.copy()
    spoilt[3] *= 1e4
    plain, other = (clone(model).fit(data).encoder_.scale for data in (X, spoilt))
    assert plain.data < other.data < 2 * plain.data


# Labels

PIPELINES = {
    **{
        f"PSD {name}": lambda unit, name=name: [
            PSD(10, alpha=unit * ALPHA, encoder=name, **FEW),
            Rectifier(),
        ]
        for name in ENCODERS
    },
    "groups": lambda unit: [GroupSparsePSD(10, groups=2, alpha=unit * ALPHA, **FEW)],
    "LISTA": lambda unit: [LISTAEncoder(10, alpha=unit * ALPHA, **FEW)],
    "RBM": lambda unit: [RBM(10, visible="gaussian", max_iter=3, random_state=0)],
    "ConvPSD": lambda unit: [
        ConvPSD(4, kernel_size=3, alpha=unit * ALPHA, **FEW), Rectifier(), Pooler(pool_shape=5),
        Flattener(),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "optimizer"), list(zip(PIPELINES, itertools.cycle(["adam", "sgd"]), strict=False))
)
def test_tuning_with_labels_does_not_depend_on_the_unit(name, optimizer):
    """After a StandardScaler, the classifier receives identical features."""
    data = np.tile(PICTURES, (4, 1, 1)) if name == "ConvPSD" else X
    data = data + 0.1 * np.random.default_rng(1).standard_normal(data.shape)
    y = np.arange(len(data)) % 2
    scores = []
    for scale in (1.0, 2.0**-20, 2.0**20):
        steps = PIPELINES[name](scale)
        pipeline = make_pipeline(*steps, StandardScaler(), LogisticRegression()).fit(
            scale * data, y
        )
        classifier = FineTunedClassifier(
            pipeline,
            prefit=True,
            optimizer=optimizer,
            learning_rate=1e-3,
            batch_size=100,
            max_iter=2,
            random_state=0,
        ).fit(scale * data, y)
        tuned = classifier.decision_function(scale * data)
        assert np.any(tuned != pipeline.decision_function(scale * data))
        scores.append(tuned)
    for other in scores[1:]:
        assert_array_equal(other, scores[0])


# The size of data


def size(rows, weights=None, otherwise=7.0):
    return data_size(np.asarray(rows, dtype=float), weights, slice(None), otherwise)


def test_the_size_of_data_is_their_root_mean_square(dtype):
    rows = X.astype(dtype)
    root_mean_square = np.sqrt(np.mean(X**2))
    assert_allclose(data_size(rows, None, slice(None), 7.0), root_mean_square, rtol=1e-6)
    assert_allclose(size(X.reshape(18, 5, 8)), root_mean_square, rtol=1e-12)
    first = data_size(rows, None, slice(20), 7.0)
    assert_allclose(first, np.sqrt(np.mean(X[:20] ** 2)), rtol=1e-6)


@pytest.mark.parametrize("power", [-90, 90])
def test_sizes_are_found_where_squares_leave_the_type(power):
    rows, unit = X.astype(np.float32), np.float32(2.0**power)
    with np.errstate(over="raise"):
        scaled = data_size(unit * rows, None, slice(None), 1.0)
    assert scaled == max(float(unit) * data_size(rows, None, slice(None), 1.0), 1e-15)


def test_rows_of_zeros_and_rows_without_weight_have_no_part_in_the_size():
    padded = np.concatenate([X, np.zeros_like(X), 5 * X])
    weights = np.repeat([1.0, 1.0, 0.0], len(X))
    assert_allclose(size(padded, weights), size(X), rtol=1e-12)
    assert size(0 * X) == size(X, np.zeros(len(X))) == 7.0


def test_a_weight_is_as_good_as_repetitions():
    counts = np.arange(len(X)) % 4
    assert_allclose(size(X, counts), size(np.repeat(X, counts, axis=0)), rtol=1e-12)


def test_no_row_counts_for_more_than_many_times_the_median():
    rows = np.ones((100, 4))
    rows[0] = 1e6
    assert_allclose(size(rows), np.sqrt(0.99 + 0.01 * FAR**2), rtol=1e-12)
