"""Group sparsity: the penalty, pooled features, and input validation."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklearn_ebm import PSD, GroupPenalty, GroupSparsePSD, LISTAEncoder, SparseCoder, sparse_encode

ALPHA = 1.0
TOL = 1e-10  # gap of optimal codes whose entries are compared
SETTINGS = {"alpha": ALPHA, "max_iter": 2, "tol": 0, "batch_size": 100, "random_state": 0}
PAIRS = {"groups": 2}
MAP = {"map_shape": (4, 3), "pool_shape": (2, 2)}
SHARED = {"groups": [[0, 1, 2, 3], [3, 4, 5, 6, 7], [7, 8, 9, 10, 11, 0]]}
LAYOUTS = {"pairs": PAIRS, "map": MAP, "shared": SHARED}
layouts = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
inferences = pytest.mark.parametrize("inference", ["encoder", "optimal"])
methods = pytest.mark.parametrize("method", ["fit", "partial_fit"])
pytestmark = pytest.mark.filterwarnings("ignore:Maximum number of iterations")


def make(n_components=12, **parameters):
    return GroupSparsePSD(n_components, **{**SETTINGS, **parameters})


def norms(code, weights):
    """Return sqrt(sum_j w_gj z_j^2) of each pool."""
    return np.stack([np.sqrt((row * code**2).sum(axis=1)) for row in weights], axis=1)


def group_energies(X, code, dictionary, weights):
    residual = X - code @ dictionary
    return np.sum(residual**2, axis=1) / 2 + ALPHA * norms(code, weights).sum(axis=1)


# Minimisation


def test_groups_of_one_are_sparse_coding(X, atoms):
    """||z_g|| = |z_j|, so that all three minimise the same energy."""
    codes = [
        SparseCoder(dictionary=atoms, alpha=ALPHA, code_tol=TOL, penalty=penalty)
        .fit(X)
        .transform(X)
        for penalty in (
            "l1",
            GroupPenalty(groups=1),
            GroupPenalty(map_shape=(6, 4), pool_shape=(1, 1)),
        )
    ]
    for code in codes[1:]:
        # A gap bounds the energy, and the error of z is its root if the energy is smooth.
        assert_allclose(code, codes[0], atol=1e-3)
        assert_allclose(*(lasso_energies(X, each, atoms) for each in (code, codes[0])), rtol=1e-9)


def lasso_energies(X, code, dictionary):
    residual = X - code @ dictionary
    return np.sum(residual**2, axis=1) / 2 + ALPHA * np.abs(code).sum(axis=1)


@inferences
def test_groups_of_one_learn_what_psd_learns(X, new, inference):
    """Codes in learning have gaps of up to 1e-3, within which two solvers may differ."""
    options = {**SETTINGS, "n_components": 12, "inference": inference, "max_iter": 5}
    psd = PSD(**options).fit(X)
    grouped = GroupSparsePSD(groups=1, output="simple", **options).fit(X)
    assert_allclose(grouped.objective_curve_, psd.objective_curve_, rtol=2e-3)
    assert np.all(np.sum(grouped.components_ * psd.components_, axis=1) > 0.98)
    # For codes of size 2; the tolerance for atoms is 0.98.
    assert np.mean((grouped.transform(new) - psd.transform(new)) ** 2) < 0.05


@layouts
def test_optimal_codes_have_the_lowest_energy(X, atoms, layout):
    """The energy is convex: no step decreases it, towards zero or in random directions."""
    dictionary, penalty = atoms[:12], GroupPenalty(**layout)
    weights = penalty.pools(12).weights
    code = sparse_encode(X, dictionary, ALPHA, penalty=penalty, tol=TOL)
    lowest = group_energies(X, code, dictionary, weights)
    random = np.random.default_rng(0)
    for size in (1e-3, 1e-1):
        for step in (-code, random.standard_normal(code.shape)):
            other = group_energies(X, code + size * step, dictionary, weights)
            assert np.all(other > lowest * (1 - TOL))


@layouts
def test_pools_are_off_as_a_whole(X, atoms, layout):
    """A code is zero on a union of pools; no component of them is non-zero."""
    penalty = GroupPenalty(**layout)
    weights = penalty.pools(12).weights
    code = sparse_encode(X, atoms[:12], 1.5, penalty=penalty)
    is_off = norms(code, weights) == 0
    assert 0.1 < is_off.mean() < 1
    covered = is_off @ (weights > 0) > 0
    assert_array_equal(code == 0, covered)


@layouts
def test_factors_of_pools_scale_their_price(X, atoms, layout):
    """Doubling all factors is equivalent to doubling alpha."""
    layout = {**layout, "pool_weights": "uniform"}
    n_pools = GroupPenalty(**layout).pools(12).n_pools
    dear = GroupPenalty(**{**layout, "pool_weights": np.full(n_pools, 2.0)})
    options = {"tol": TOL, "max_iter": 20_000}
    assert_allclose(
        sparse_encode(X, atoms[:12], ALPHA, penalty=dear, **options),
        sparse_encode(X, atoms[:12], 2 * ALPHA, penalty=GroupPenalty(**layout), **options),
        atol=1e-3,
    )


def test_samples_are_coded_by_themselves(X):
    """A check of scikit-learn for models with one component, which a map of 12 cannot have."""
    model = make(**MAP, output="both", inference="optimal").fit(X)
    together = model.transform(X)
    alone = np.vstack([model.transform(x[None]) for x in X[:20]])
    assert_allclose(alone, together[:20], atol=1e-9)
    assert_allclose(model.transform(X[::-1]), together[::-1], atol=1e-9)


# Output of transform


@layouts
@inferences
def test_pooled_features_are_the_norms_of_the_codes(X, new, layout, inference):
    model = make(**layout, inference=inference).fit(X)
    given = {
        output: model.set_params(output=output).transform(new)
        for output in ("pooled", "simple", "both")
    }
    assert_allclose(given["pooled"], norms(given["simple"], model.pool_weights_), rtol=1e-12)
    assert_array_equal(given["both"], np.hstack([given["simple"], given["pooled"]]))


def test_pools_have_the_weights_that_the_penalty_says(X):
    for layout in LAYOUTS.values():
        expected = GroupPenalty(**layout).pools(12).weights
        assert_array_equal(make(**layout).fit(X).pool_weights_, expected)
    assert_array_equal(make(**PAIRS).fit(X).pool_weights_, np.kron(np.eye(6), np.ones((1, 2))))


def test_groups_are_of_four_neighbours_where_nothing_is_said(X):
    assert_array_equal(make().fit(X).pool_weights_, make(groups=4).fit(X).pool_weights_)
    weights = make(10).fit(X).pool_weights_
    assert weights.sum(axis=1).tolist() == [4, 4, 2]  # the last group may be smaller


def test_a_map_says_how_many_components_there_are(X):
    model = make(None, **MAP).fit(X)
    assert model.components_.shape == (12, 64)
    assert model.pool_weights_.shape == (12, 12)
    assert make(None, **MAP, pool_stride=2).fit(X).pool_weights_.shape == (4, 12)


def test_an_integer_stands_for_both_sides_of_a_pool(X):
    expected = make(None, map_shape=(4, 3), pool_shape=(2, 2), pool_stride=(1, 1)).fit(X)
    model = make(None, map_shape=(4, 3), pool_shape=2, pool_stride=1).fit(X)
    assert_array_equal(model.pool_weights_, expected.pool_weights_)


@layouts
@pytest.mark.parametrize("output", ["pooled", "simple", "both"])
def test_names_and_frames_are_as_wide_as_what_is_given(X, layout, output):
    pandas = pytest.importorskip("pandas")
    model = make(**layout, output=output).fit(X)
    n_pools = len(model.pool_weights_)
    width = {"pooled": n_pools, "simple": 12, "both": 12 + n_pools}[output]
    names = [f"groupsparsepsd{k}" for k in range(width)]
    frame = model.set_output(transform="pandas").transform(X)
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.columns) == model.get_feature_names_out().tolist() == names


# Inverse transform


@layouts
@pytest.mark.parametrize("kind", [np.asarray, np.ndarray.tolist, sparse.csr_array, "pandas"])
def test_the_inverse_is_the_reconstruction_by_the_codes(X, new, layout, kind):
    if kind == "pandas":
        kind = pytest.importorskip("pandas").DataFrame
    model = make(**layout).fit(X)
    code = model.set_params(output="simple").transform(new)
    expected = code @ model.components_
    assert_allclose(model.inverse_transform(kind(code)), expected, atol=1e-12)
    both = model.set_params(output="both").transform(new)
    assert_allclose(model.inverse_transform(kind(both)), expected, atol=1e-12)
    assert_allclose(model.inverse_transform(kind(code)), expected, atol=1e-12)  # codes suffice


def test_pooled_features_cannot_be_inverted(X):
    model = make(**PAIRS).fit(X)
    with pytest.raises(ValueError, match=r"cannot be inverted.*output='simple' or output='both'"):
        model.inverse_transform(model.transform(X))


def test_features_of_another_width_cannot_be_inverted(X):
    model = make(**PAIRS, output="both").fit(X)
    with pytest.raises(ValueError, match="X has 6 components, but GroupSparsePSD is expecting 12"):
        model.inverse_transform(np.zeros((2, 6)))


# Dtypes and formats of data


@pytest.mark.pairwise
@layouts
@inferences
def test_types_are_kept_dense_and_sparse(X, dtype, layout, inference):
    data = X[:50].astype(dtype)
    model = make(**layout, inference=inference, alpha=np.float64(2)).fit(data)
    assert model.components_.dtype == model.energy(data).dtype == dtype
    for output in ("pooled", "simple", "both"):
        dense = model.set_params(output=output, sparse_output=False).transform(data)
        packed = model.set_params(sparse_output=True).transform(data)
        assert isinstance(packed, sparse.csr_array)
        assert dense.dtype == packed.dtype == dtype
        assert_array_equal(packed.toarray(), dense)


@layouts
def test_gaps_are_those_of_the_codes_among_the_features(X, layout):
    model = make(**layout, inference="optimal", output="both", sparse_output=True).fit(X)
    features = model.transform(X)
    gap = model.duality_gap(X, features)
    assert gap.max() <= 1.01 * model.code_tol
    assert_array_equal(model.duality_gap(X, features[:, :12]), gap)
    pooled = model.set_params(output="pooled").transform(X)
    with pytest.raises(ValueError, match="Pooled features cannot be inverted"):
        model.duality_gap(X, pooled)


@layouts
def test_positive_codes_are_positive_and_pooled_alike(X, layout):
    model = make(**layout, positive=True, inference="optimal", output="simple").fit(X)
    code = model.transform(X)
    assert code.min() >= 0
    assert code.max() > 0
    pooled = model.set_params(output="pooled").transform(X)
    assert_allclose(pooled, norms(code, model.pool_weights_), rtol=1e-12)


@layouts
def test_missing_values_are_left_out(X, layout):
    """With a tenth missing, reconstructions predict the missing pixels better than zero."""
    hidden = np.random.default_rng(0).uniform(size=X.shape) < 0.1
    options = {"output": "simple", "inference": "optimal", "max_iter": 5, "alpha": 0.3}
    model = make(**layout, **options, missing_values=np.nan).fit(np.where(hidden, np.nan, X))
    rebuilt = model.inverse_transform(model.transform(np.where(hidden, np.nan, X)))
    assert np.mean((rebuilt - X)[hidden] ** 2) < 0.9 * np.mean(X[hidden] ** 2)
    other = np.where(hidden, 1e3, X)  # values at missing positions are not read
    marked = clone(model).set_params(missing_values=1e3).fit(other)
    assert_array_equal(marked.components_, model.components_)


@layouts
def test_weights_are_repetitions(X, layout):
    """A single batch contains all samples, so that their order does not matter."""
    data, options = X[:60], {**layout, "batch_size": 1000, "max_iter": 3}
    weights = np.random.default_rng(0).integers(0, 4, len(data))
    weighted = make(**options).fit(data, sample_weight=weights)
    repeated = make(**options).fit(np.repeat(data, weights, axis=0))
    assert_allclose(weighted.components_, repeated.components_, atol=1e-8)  # sums in another order
    assert_allclose(weighted.transform(X), repeated.transform(X), atol=1e-7)


# Compatibility with scikit-learn


@layouts
def test_coder_and_penalty_can_be_cloned_and_stored(X, layout):
    coder = SparseCoder(12, penalty=GroupPenalty(**layout), **SETTINGS).fit(X)
    copy = pickle.loads(pickle.dumps(coder))
    assert_array_equal(copy.transform(X), coder.transform(X))
    anew = clone(coder)
    assert anew.penalty is not coder.penalty
    assert anew.penalty.get_params() == coder.penalty.get_params()
    assert_array_equal(anew.fit(X).components_, coder.components_)


@layouts
def test_skops_stores_types_of_ours_alone(X, layout):
    skops = pytest.importorskip("skops.io")
    coder = SparseCoder(12, penalty=GroupPenalty(**layout), **SETTINGS).fit(X)
    stored = skops.dumps(coder)
    untrusted = skops.get_untrusted_types(data=stored)
    assert all(name.startswith(("sklearn_ebm.", "sklearn.")) for name in untrusted)
    assert_array_equal(skops.loads(stored, trusted=untrusted).transform(X), coder.transform(X))


def test_parameters_of_a_penalty_are_those_of_the_coder(X):
    coder = SparseCoder(12, penalty=GroupPenalty(), **SETTINGS)
    assert coder.get_params()["penalty__groups"] is None
    sparsity = [coder.set_params(penalty__groups=n).fit(X).transform(X) != 0 for n in (1, 3)]
    assert_array_equal(sparsity[1][:, ::3], sparsity[1][:, 1::3])
    assert np.any(sparsity[0][:, ::3] != sparsity[0][:, 1::3])


def test_a_grid_search_chooses_the_groups(X):
    """The coder with the better groups has the lower energy, and thus the higher score."""
    pipeline = make_pipeline(SparseCoder(12, penalty=GroupPenalty(), **SETTINGS))
    groups = [1, 2, [range(6), range(6, 12)]]
    search = GridSearchCV(pipeline, {"sparsecoder__penalty__groups": groups}, cv=2).fit(X)
    assert search.best_params_["sparsecoder__penalty__groups"] == groups[2]  # lowest energy
    assert search.best_estimator_[0].penalty.groups == groups[2]


def test_a_grid_search_chooses_pools_by_a_classifier(X):
    pipeline = make_pipeline(make(), LogisticRegression())
    grid = {"groupsparsepsd__groups": [2, 4], "groupsparsepsd__output": ["pooled", "both"]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(X, X[:, 0] > 0)
    assert np.all(np.isfinite(search.cv_results_["mean_test_score"]))


def test_two_models_can_share_a_penalty(X):
    penalty = GroupPenalty(groups=3)
    wide = SparseCoder(12, penalty=penalty, **SETTINGS).fit(X)
    narrow = SparseCoder(6, penalty=penalty, **SETTINGS).fit(X)
    expected = SparseCoder(12, penalty=GroupPenalty(groups=3), **SETTINGS).fit(X)
    assert_array_equal(wide.transform(X), expected.transform(X))
    assert narrow.transform(X).shape == (len(X), 6)


# Continued learning


@methods
def test_learning_goes_on_with_other_groups(X, method):
    model = make(**PAIRS, warm_start=True).fit(X)
    before = model.components_.copy()
    getattr(model.set_params(groups=None, **MAP), method)(X)
    assert_array_equal(model.pool_weights_, GroupPenalty(**MAP).pools(12).weights)
    assert 0 < np.abs(model.components_ - before).max() < 0.5  # changed, but not initialised again
    assert model.transform(X).shape == (len(X), 12)


def test_groups_that_are_set_take_another_fit(X):
    model = make(**PAIRS).fit(X)
    pooled = model.transform(X)
    with pytest.raises(ValueError, match=r"groups=3, but .* fitted with groups=.*\. Call fit"):
        model.set_params(groups=3).transform(X)
    assert_array_equal(model.set_params(**PAIRS).transform(X), pooled)
    assert model.set_params(groups=3).fit(X).transform(X).shape == (len(X), 4)


@methods
@pytest.mark.parametrize("warm_start", [False, True])
def test_groups_that_are_refused_leave_the_model_as_it_was(X, method, warm_start):
    model = make(**PAIRS, warm_start=warm_start).fit(X)
    expected = pickle.loads(pickle.dumps(model)).partial_fit(X)
    with pytest.raises(ValueError, match="groups must contain all"):
        getattr(model.set_params(groups=[[0]]), method)(X)
    model.set_params(**PAIRS).partial_fit(X)
    assert_array_equal(model.components_, expected.components_)


# Invalid input


def test_steps_that_shrink_single_entries_cannot_predict_groups(X, atoms):
    pairs = GroupPenalty(**PAIRS)
    for coder in (
        SparseCoder(dictionary=atoms, penalty=pairs).fit(X),
        make(None, dictionary=atoms, **PAIRS).fit(X),
    ):
        with pytest.raises(ValueError, match=r"requires a separable penalty, .* Set penalty='l1'"):
            LISTAEncoder(dictionary=coder).fit(X)
        LISTAEncoder(dictionary=coder.components_, max_iter=1, learning_rate=3e-4).fit(X)


REFUSED = {
    "a component is missing": (
        {"groups": [[0, 1], range(4, 12)]},
        "groups must contain all n_components=12 components, got groups without components 2, 3[.]",
    ),
    "many are missing": ({"groups": [[0]]}, "got groups without components 1, 2, 3, 4, 5, [.]{3}"),
    "no group": ({"groups": []}, "got groups without components 0, 1"),
    "beyond the last": (
        {"groups": [[0], range(1, 14)]},
        r"groups\[1\] must .* from 0 to 11, got 12, 13",
    ),
    "negative": ({"groups": [[-1], range(12)]}, r"groups\[0\] must .* from 0 to 11, got -1"),
    "repeated": (
        {"groups": [range(12), [2, 3, 2]]},
        r"groups\[1\] must .* more than once, got duplicates of 2",
    ),
    "empty": ({"groups": [range(12), []]}, r"groups\[1\] must contain at least one"),
    "a flat list": (
        {"groups": list(range(12))},
        r"groups\[0\] must be a list of component indices, .* shape \(\)",
    ),
    "floats": ({"groups": [[0.0, 1.0], range(2, 12)]}, r"groups\[0\] must be a list of component"),
    "strings": ({"groups": [range(12), ["1"]]}, r"groups\[1\] must be a list of component"),
    "booleans": ({"groups": [range(12), [True]]}, r"groups\[1\] must be a list of component"),
    "lists in a group": ({"groups": [[0, [1, 2]]]}, r"groups\[0\] must be a list of component"),
    "a size of zero": ({"groups": 0}, "groups must be a positive integer or a list .* got 0"),
    "a float for a size": ({"groups": 2.0}, "groups must be a positive integer or .* got 2.0"),
    "a string for a size": (
        {"groups": "pairs"},
        "groups must be a positive integer .* got 'pairs'",
    ),
    "a boolean for a size": ({"groups": True}, "groups must be a positive integer or .* got True"),
    "groups and a map": ({"groups": 2, **MAP}, "groups must be None if map_shape is given"),
    "another number of components": (
        {"map_shape": (6, 6)},
        r"map_shape must have a product of n_components=12, got \(6, 6\) with a product of 36",
    ),
    "not a pair": ({"map_shape": 12}, "map_shape must be a pair of positive integers, got 12"),
    "a third axis": ({"map_shape": (4, 3, 1)}, r"map_shape must be a pair .* got \(4, 3, 1\)"),
    "a map of floats": ({"map_shape": (4.0, 3.0)}, r"map_shape must be a pair .* got \(4.0, 3.0\)"),
    "a map of strings": ({"map_shape": "43"}, "map_shape must be a pair .* got '43'"),
    "no rows": ({"map_shape": (0, 12)}, r"map_shape must be a pair .* got \(0, 12\)"),
    "a pool larger than the map": (
        {"map_shape": (4, 3)},
        r"pool_shape must not exceed map_shape=\(4, 3\), got \(6, 6\)",
    ),
    "a pool of floats": (
        {**MAP, "pool_shape": (2, 2.0)},
        r"pool_shape must be a pair .* got \(2, 2.0\)",
    ),
    "a pool of strings": ({**MAP, "pool_shape": "22"}, "pool_shape must be a pair .* got '22'"),
    "a stride that leaves gaps": (
        {**MAP, "pool_stride": 3},
        r"pool_stride must not exceed pool_shape=\(2, 2\), .* got \(3, 3\)",
    ),
    "no stride": ({**MAP, "pool_stride": 0}, r"pool_stride must be a pair .* got \(0, 0\)"),
    "a stride of floats": ({**MAP, "pool_stride": 1.0}, "pool_stride must be a pair .* got 1.0"),
    "a stride of strings": ({**MAP, "pool_stride": "11"}, "pool_stride must be a pair .* got '11'"),
    "negative weights": (
        {**PAIRS, "pool_weights": [1, 1, -1, 1, 1, 1]},
        r"pool_weights must be positive .* got pool_weights\[2\]=-1[.]",
    ),
    "a weight of zero": (
        {**MAP, "pool_weights": [0.0] + 11 * [1.0]},
        r"pool_weights must be positive .* got pool_weights\[0\]=0[.]",
    ),
    "a weight of NaN": (
        {**PAIRS, "pool_weights": [1, 1, 1, 1, np.nan, 1]},
        r"pool_weights must be positive .* got pool_weights\[4\]=nan",
    ),
    "a weight without a square": (
        {**PAIRS, "pool_weights": [1, 1, 1, 1, 1, 1e-200]},
        r"positive numbers from 1e-15 .* got pool_weights\[5\]=1e-200",
    ),
    "weights without a common unit": (
        {**PAIRS, "pool_weights": [1e-10, 1, 1, 1, 1, 1e10]},
        "largest of pool_weights must be at most 1e\\+15 times the smallest",
    ),
    "weights of another number": (
        {**PAIRS, "pool_weights": np.ones(12)},
        r"pool_weights must have shape \(6,\), one per group, got \(12,\)",
    ),
    "one weight": (
        {**PAIRS, "pool_weights": 2.0},
        r"pool_weights must have shape \(6,\), .* got \(\)",
    ),
    "weights of strings": (
        {**PAIRS, "pool_weights": list("abcdef")},
        r"pool_weights must be an array of numbers, got \['a', ",
    ),
    "an unknown window": (
        {**MAP, "pool_weights": "cosine"},
        "pool_weights must be 'gaussian', 'uniform' or an array, got 'cosine'",
    ),
    "a string for a torus": ({**MAP, "torus": "no"}, "torus.*'no'"),
}
refused = pytest.mark.parametrize(("parameters", "words"), REFUSED.values(), ids=REFUSED)


@refused
@methods
def test_invalid_pools_are_refused_by_name(X, method, parameters, words):
    with pytest.raises(ValueError, match=words):
        getattr(make(**parameters), method)(X)


@refused
def test_invalid_penalties_are_refused_by_name(X, atoms, parameters, words):
    penalty = GroupPenalty(**parameters)
    for door in (
        lambda: penalty.pools(12),
        lambda: SparseCoder(12, penalty=penalty).fit(X),
        lambda: SparseCoder(dictionary=atoms[:12], penalty=penalty).partial_fit(X),
        lambda: sparse_encode(X, atoms[:12], ALPHA, penalty=penalty),
    ):
        with pytest.raises(ValueError, match=words):
            door()


def test_an_unknown_output_is_refused_by_name(X):
    with pytest.raises(ValueError, match="The 'output' parameter of GroupSparsePSD"):
        make(output="pools").fit(X)


@pytest.mark.parametrize("penalty", ["l2", None, 2])
def test_values_other_than_penalties_are_refused_by_name(X, atoms, penalty):
    with pytest.raises(ValueError, match="The 'penalty' parameter of SparseCoder"):
        SparseCoder(12, penalty=penalty).fit(X)
    with pytest.raises(ValueError, match="The 'penalty' parameter of sparse_encode"):
        sparse_encode(X, atoms, ALPHA, penalty=penalty)


@pytest.mark.parametrize(
    ("solver", "layout", "words"),
    [
        ("active_set", PAIRS, "requires a separable penalty; GroupPenalty is not"),
        ("cd", PAIRS, "requires a separable penalty; GroupPenalty is not"),
        ("block_cd", MAP, "requires a penalty on disjoint groups"),
    ],
)
def test_solvers_that_cannot_do_it_name_one_that_can(X, solver, layout, words):
    with pytest.raises(ValueError, match=f"solver='{solver}' {words}.* Use solver='"):
        make(**layout, solver=solver).fit(X)
    make(**layout, solver="fista").fit(X)
