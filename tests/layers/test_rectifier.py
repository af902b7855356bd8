"""The rectifier compared with |x|, max(x, 0) and (max(x, 0), max(-x, 0))."""

import pickle

import array_api_strict
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_array
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_ebm import Rectifier
from tests.layers.derivatives import recorded

MODES = ["abs", "positive", "split"]


def rectified(x, mode):
    """Apply the definitions to each number."""
    positive = [[max(value, 0) for value in row] for row in x]
    negative = [[max(-value, 0) for value in row] for row in x]
    if mode == "abs":
        return [[abs(value) for value in row] for row in x]
    return np.hstack([positive, negative]) if mode == "split" else np.array(positive)


@pytest.fixture
def x(dtype):
    values = np.random.default_rng(0).standard_normal((7, 5))
    values[::2, 1] = 0.0
    return values.astype(dtype)


@parametrize_with_checks([Rectifier(mode) for mode in MODES])
def test_rectifier_is_a_transformer_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.parametrize("mode", MODES)
def test_output_is_as_defined_and_of_the_same_type(x, mode):
    output = Rectifier(mode).transform(x)
    assert_array_equal(output, rectified(x, mode))
    assert output.dtype == x.dtype


@pytest.mark.parametrize("container", [sparse.csr_matrix, sparse.csr_array, sparse.csc_array])
@pytest.mark.parametrize("mode", MODES)
def test_sparse_codes_stay_sparse_and_store_no_zeros(x, mode, container):
    output = Rectifier(mode).transform(container(x))
    assert sparse.issparse(output)
    assert output.format == "csr"
    assert output.dtype == x.dtype
    assert_array_equal(output.toarray(), rectified(x, mode))
    assert output.nnz == np.count_nonzero(rectified(x, mode))


@pytest.mark.parametrize("mode", MODES)
def test_entries_stored_twice_are_added_before_they_are_rectified(mode):
    twice = sparse.csr_array((np.array([1.0, -3.0]), np.array([0, 0]), np.array([0, 2])), (1, 2))
    output = Rectifier(mode).transform(twice)
    assert_array_equal(output.toarray(), rectified([[-2.0, 0.0]], mode))
    assert twice.nnz == 2  # the input is unchanged


@pytest.mark.parametrize("mode", MODES)
def test_input_is_left_alone(x, mode):
    x.setflags(write=False)
    before = x.copy()
    output = Rectifier(mode).transform(x)
    output += 1
    assert_array_equal(x, before)


def derivative(mode, x, dy):
    """Return the derivative by x, given the derivative by the output."""
    _, tape = recorded(Rectifier(mode), x)
    return Rectifier(mode).backward(tape, dy)[0]


@pytest.mark.parametrize("mode", MODES)
def test_derivative_at_zero_is_the_subgradient_zero_and_types_are_kept(dtype, mode):
    layer = Rectifier(mode)
    y, tape = recorded(layer, np.zeros((2, 3), dtype=dtype))
    dx, _ = layer.backward(tape, np.ones_like(y))
    assert_array_equal(dx, np.zeros((2, 3)))
    assert y.dtype == dx.dtype == dtype


@pytest.mark.parametrize("mode", MODES)
def test_maps_with_channels_last_are_rectified_as_their_rows_would_be(mode):
    maps = np.random.default_rng(0).standard_normal((2, 3, 4, 5))
    y, tape = recorded(Rectifier(mode), maps)
    flat = Rectifier(mode).transform(maps.reshape(-1, 5))
    assert_array_equal(y.reshape(len(flat), -1), flat)
    assert Rectifier(mode).backward(tape, y)[0].shape == maps.shape


@pytest.mark.parametrize("wrap", [np.asarray, array_api_strict.asarray], ids=["numpy", "strict"])
@pytest.mark.parametrize("mode", MODES)
def test_images_are_rectified_pixel_by_pixel(dtype, mode, wrap):
    """Positive parts of all channels come first; grey images get one channel for each part."""
    images = np.random.default_rng(0).standard_normal((2, 3, 4, 5)).astype(dtype)
    for X in (images, images[..., :1]):
        expected = rectified(X.reshape(-1, X.shape[-1]), mode)
        output = np.asarray(Rectifier(mode).fit_transform(wrap(X)))
        assert output.dtype == dtype
        assert_array_equal(output, np.reshape(expected, (2, 3, 4, -1)))
    grey = np.asarray(Rectifier(mode).transform(wrap(images[..., 0])))
    assert_array_equal(grey, output if mode == "split" else output[..., 0])


def test_rows_are_split_as_a_whole_after_a_fit_on_images_too():
    layer = Rectifier("split").fit(np.ones((1, 2, 1)))
    assert_array_equal(layer.transform([[-1.0, 2.0]]), [[0.0, 2.0, 1.0, 0.0]])


def test_channels_are_compared_and_sparse_rows_have_one():
    layer = Rectifier().fit(np.ones((1, 2, 2, 3)))
    with pytest.raises(ValueError, match="X has 2 channels, but Rectifier is expecting 3 channels"):
        layer.transform(np.ones((1, 2, 2, 2)))
    layer.fit(sparse.csr_array(np.eye(4)))
    assert layer.transform(np.ones((1, 2, 2))).shape == (1, 2, 2)


@pytest.mark.parametrize("mode", MODES)
def test_strict_arrays_give_strict_arrays_of_the_same_numbers(x, mode):
    strict = array_api_strict.asarray(x)
    layer = Rectifier(mode).fit(strict)
    y, tape = recorded(layer, strict)
    dx, _ = layer.backward(tape, y)
    for output, expected in [
        (layer.transform(strict), Rectifier(mode).transform(x)),
        (dx, derivative(mode, x, Rectifier(mode).transform(x))),
    ]:
        assert output.__array_namespace__() is strict.__array_namespace__()
        assert_array_equal(np.asarray(output), expected)
        assert np.asarray(output).dtype == x.dtype


@pytest.mark.gpu
@pytest.mark.parametrize("mode", MODES)
def test_a_device_rectifies_as_the_host_does(cupy, x, mode):
    away = cupy.asarray(x)
    output = Rectifier(mode).fit_transform(away)
    assert isinstance(output, cupy.ndarray)
    assert output.dtype == x.dtype
    assert_array_equal(output.get(), rectified(x, mode))
    dx = derivative(mode, away, output)
    assert_array_equal(dx.get(), derivative(mode, x, output.get()))


def test_split_names_its_features_by_sign():
    layer = Rectifier("split").fit(np.ones((1, 2)))
    assert list(layer.get_feature_names_out(["edge", "blob"])) == [
        "edge_positive",
        "blob_positive",
        "edge_negative",
        "blob_negative",
    ]
    names = list(Rectifier("abs").fit(np.ones((1, 2))).get_feature_names_out())
    assert names == ["x0", "x1"]


def test_pandas_output_has_the_names_and_the_values():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"edge": [1.0, -2.0], "blob": [-3.0, 4.0]}, index=[7, 9])
    output = Rectifier("split").set_output(transform="pandas").fit_transform(frame)
    assert list(output.index) == [7, 9]
    assert_array_equal(output["edge_negative"], [0.0, 2.0])
    assert_array_equal(output["blob_positive"], [0.0, 4.0])


def test_transform_needs_no_fit_but_compares_widths_after_one():
    layer = Rectifier()
    assert_array_equal(layer.transform([[-1, 2]]), [[1, 2]])
    assert_array_equal(layer.transform([[-1, 2, 3]]), [[1, 2, 3]])
    layer.fit([[1, 2]])
    with pytest.raises(ValueError, match="X has 3 features, but Rectifier is expecting 2"):
        layer.transform([[-1, 2, 3]])


def test_an_unknown_mode_is_named_with_the_modes_there_are():
    for use in ("fit", "transform"):
        with pytest.raises(ValueError, match="'mode' parameter of Rectifier must be a str among"):
            getattr(Rectifier("square"), use)([[1.0]])


def test_names_need_a_fit():
    with pytest.raises(NotFittedError):
        Rectifier().get_feature_names_out()


def test_a_pickled_layer_gives_the_same(x):
    layer = Rectifier("split").fit(x)
    assert_array_equal(pickle.loads(pickle.dumps(layer)).transform(x), layer.transform(x))


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros(3), "Expected 2D array, got 1D array instead"),
        (np.zeros((0, 3)), r"0 sample\(s\)"),
        (np.zeros((3, 0)), r"0 feature\(s\)"),
        (np.array([[np.nan]]), "Input X contains NaN"),
        (np.array([[np.inf]]), "Input X contains infinity|contains NaN or infinity"),
        (np.array([[1j]]), "[Cc]omplex|real numbers"),
    ],
)
@pytest.mark.parametrize("wrap", [np.asarray, array_api_strict.asarray], ids=["numpy", "strict"])
def test_bad_rows_are_refused_in_the_same_words_wherever_they_live(X, message, wrap):
    with pytest.raises(ValueError, match=message):
        check_array(X, input_name="X")
    with pytest.raises(ValueError, match=message):
        Rectifier().transform(wrap(X))


def test_strict_rows_are_counted_and_compared_as_numpy_rows_are():
    pandas = pytest.importorskip("pandas")
    layer = Rectifier().fit(pandas.DataFrame({"edge": [1.0]}))
    layer.fit(array_api_strict.ones((2, 3)))
    assert layer.n_features_in_ == 3
    assert not hasattr(layer, "feature_names_in_")
    with pytest.raises(ValueError, match="X has 1 features, but Rectifier is expecting 3"):
        layer.transform(array_api_strict.ones((2, 1)))


def test_strict_integers_become_double_precision():
    output = Rectifier().transform(array_api_strict.asarray([[-1, 2]]))
    assert output.dtype == array_api_strict.float64
    assert_array_equal(np.asarray(output), [[1.0, 2.0]])
