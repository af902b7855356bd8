"""WhatWherePSD: windows of sequences, shared units, and what learning finds in them."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GroupKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import sklearn_ebm
from sklearn_ebm import WhatWherePSD
from sklearn_ebm.backends import numba
from sklearn_ebm.inputs._windows import Windows

RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((20, 4, 12)).cumsum(axis=1).reshape(80, 12)
GROUPS = np.repeat(np.arange(20), 4)
QUICK = {"alpha": 0.5, "gamma": 0.5, "max_iter": 3, "tol": 0, "batch_size": 20, "random_state": 0}
SMALL = WhatWherePSD(8, n_what=3, **QUICK)
couplings = pytest.mark.parametrize("coupling", ["gated", "product"])
outputs = pytest.mark.parametrize("output", ["what", "where", "simple", "both"])


def fitted(**parameters):
    return clone(SMALL).set_params(**parameters).fit(X, groups=GROUPS)


@parametrize_with_checks(
    [
        WhatWherePSD(n_frames=1, max_iter=2, batch_size=100),
        WhatWherePSD(coupling="product", inference="optimal", max_iter=2, batch_size=100),
    ]
)
def test_model_is_a_transformer_of_scikit_learn(estimator, check):
    check(estimator)


# ----------------------------------------------------------------------------------------- windows
def test_windows_end_at_each_sample_and_repeat_the_first():
    windows = Windows(["a", "a", "a", "b", "b"], np.zeros((5, 1)), 3)
    rows = windows.rows(np.arange(5))
    assert rows.tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, 2], [3, 3, 3], [3, 3, 4]]
    assert windows.to_learn_from().tolist() == [2, 4]


def test_windows_to_learn_from_have_distinct_rows_if_the_sequence_is_long_enough():
    windows = Windows(GROUPS, X, 3)
    rows = windows.rows(windows.to_learn_from())
    assert np.all(np.diff(rows, axis=1) == 1)
    assert len(rows) == 40
    assert_array_equal(Windows(None, X, 3).to_learn_from(), np.arange(80))


@couplings
@outputs
@pytest.mark.parametrize("inference", ["encoder", "optimal"])
def test_features_of_a_window_depend_on_its_frames_alone(coupling, output, inference):
    model = fitted(coupling=coupling, output=output, inference=inference)
    features = model.transform(X, groups=GROUPS)
    part = model.transform(X[4:12], groups=GROUPS[4:12])
    assert_allclose(features[4:12], part, atol=1e-10)
    changed = X.copy()
    changed[4] += 1  # outside the window of sample 7
    assert_allclose(model.transform(changed, groups=GROUPS)[7], features[7], atol=1e-10)
    assert not np.allclose(model.transform(changed, groups=GROUPS)[6], features[6]) or (
        output in ("simple", "where") and inference == "encoder"
    )


@couplings
def test_a_single_sample_is_a_film_that_stands_still(coupling):
    model = fitted(coupling=coupling, inference="optimal", output="both")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        alone = model.transform(X[:1])
    still = model.transform(X[[0, 0, 0]], groups=[0, 0, 0])
    assert_allclose(still[2], alone[0], atol=1e-6)


@couplings
def test_the_energy_is_the_sum_of_its_terms(coupling):
    model = fitted(coupling=coupling, inference="optimal", output="both", beta=0.7)
    features = model.transform(X, groups=GROUPS)
    what, code = features[:, :3], clone_with(model, output="simple").transform(X, groups=GROUPS)
    A, alpha = model.what_components_, 0.5
    windows = np.arange(80).reshape(20, 4)
    with np.errstate(divide="ignore"):
        gain = np.exp(what @ A) if coupling == "gated" else (what + 0.05 * alpha ** (1 / 3)) @ A
    assert_allclose(features[:, 3:], code / gain, rtol=1e-10)
    # films of one frame, whose window contains no frame with another code
    one = clone_with(model, output="both")
    one.set_params(inference="optimal")
    film = X[windows[:, -1]]
    u, c = np.split(one.transform(film, groups=np.arange(20)), [3], axis=1)
    gain = np.exp(u @ A) if coupling == "gated" else (u + 0.05 * alpha ** (1 / 3)) @ A
    z, prediction = c * gain, one.encoder_.forward(film)
    terms = (
        ((film - z @ one.components_) ** 2).sum(axis=1) / 2
        + 0.7 * ((z - prediction) ** 2).sum(axis=1) / 2
        + alpha * c.sum(axis=1)
    )
    cost = 0.5 * alpha**2 if coupling == "gated" else alpha
    assert_allclose(
        one.energy(film, groups=np.arange(20)), 3 * terms + cost * u.sum(axis=1), rtol=1e-3
    )


def clone_with(model, **parameters):
    """Return a copy of a fitted model with other parameters."""
    import copy

    return copy.deepcopy(model).set_params(**parameters)


@couplings
def test_what_and_where_give_back_the_sample(coupling):
    model = fitted(coupling=coupling, inference="optimal", output="both")
    both = model.transform(X, groups=GROUPS)
    code = clone_with(model, output="simple")
    expected = code.inverse_transform(code.transform(X, groups=GROUPS))
    assert_allclose(model.inverse_transform(both), expected, atol=1e-9)
    assert_allclose(model.generate(both[:, :3], both[:, 3:]), expected, atol=1e-9)


def test_held_units_and_moved_codes_generate_within_the_span_of_the_units_components():
    model = fitted(coupling="product", inference="optimal", output="both")
    what, where = np.eye(3), np.ones((3, 8))
    generated = model.generate(what, where)
    gain = (what + 0.05 * 0.5 ** (1 / 3)) @ model.what_components_
    assert_allclose(generated, gain @ model.components_)


# ---------------------------------------------------------------------------------------- learning
def oriented_films(n_sequences, n_frames=3, n_places=4, n_kinds=3, seed=0):
    """Return films in which one of several kinds of pattern moves over places, and its kind."""
    random = np.random.default_rng(seed)
    kind = random.integers(0, n_kinds, n_sequences)
    start = random.integers(0, n_places, n_sequences)
    place = (start[:, None] + np.arange(n_frames)) % n_places
    size = random.exponential(4, (n_sequences, n_frames)) + 4
    frames = np.zeros((n_sequences, n_frames, n_kinds, n_places))
    rows = np.arange(n_sequences)[:, None]
    frames[rows, np.arange(n_frames), kind[:, None], place] = size
    return frames.reshape(n_sequences * n_frames, -1), kind


def test_units_learn_what_is_constant_while_components_change():
    """Each unit takes the places of one kind of pattern. Single frames do not show this."""
    films, kind = oriented_films(2000)
    groups = np.repeat(np.arange(2000), 3)
    settings = {"dictionary": np.eye(12), "n_what": 3, "alpha": 1.0, "gamma": 4.0, "tol": 0,
                "max_iter": 10, "random_state": 0, "inference": "optimal"}  # fmt: skip
    model = WhatWherePSD(**settings).fit(films, groups=groups)
    share = model.what_components_.reshape(3, 3, 4) ** 2
    assert_allclose(np.sort(share.sum(axis=2).max(axis=1)), 1, atol=0.05)
    assert len({*share.sum(axis=2).argmax(axis=1)}) == 3
    what = model.transform(films, groups=groups)[2::3]
    unit = share.sum(axis=2).argmax(axis=1)
    assert np.mean(unit[what.argmax(axis=1)] == kind) > 0.98


def test_the_objective_falls():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = fitted(max_iter=20)
    assert model.objective_curve_[-1] < 0.9 * model.objective_curve_[0]


@couplings
def test_backends_learn_the_same(coupling, dtype):
    numpy, numba_ = (
        clone(SMALL).set_params(coupling=coupling, backend=backend, code_tol=1e-6)
        .fit(X.astype(dtype), groups=GROUPS) for backend in ("numpy", "numba")
    )  # fmt: skip
    assert numpy.components_.dtype == numpy.what_components_.dtype == dtype
    atol = 1e-3 if dtype == np.float64 else 1e-2  # units are accurate to 1e-4
    for name in ("components_", "what_components_", "encoder_components_"):
        assert_allclose(getattr(numpy, name), getattr(numba_, name), atol=atol)
    features = numpy.transform(X.astype(dtype), groups=GROUPS)
    assert features.dtype == dtype
    assert_allclose(features, numba_.transform(X.astype(dtype), groups=GROUPS), atol=10 * atol)


def test_numpy_calls_no_compiled_kernel(monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("compiled")

    monkeypatch.setattr(numba, "gate_units", refuse)
    model = fitted(backend="numpy", inference="optimal")
    model.transform(X, groups=GROUPS)
    model.energy(X, groups=GROUPS)


@couplings
def test_scaled_data_have_scaled_codes(coupling):
    models = [
        clone(SMALL).set_params(coupling=coupling, alpha="scale", inference="optimal",
                                output="simple").fit(unit * X, groups=GROUPS)
        for unit in (1.0, 16.0)
    ]  # fmt: skip
    first, second = (model.transform(unit * X, groups=GROUPS)
                     for model, unit in zip(models, (1, 16), strict=True))  # fmt: skip
    assert_allclose(second, 16 * first, atol=0.05)
    assert_allclose(models[0].what_components_, models[1].what_components_, atol=1e-2)


@couplings
@outputs
@pytest.mark.parametrize("inference", ["encoder", "optimal"])
def test_sparse_samples_have_the_same_features(coupling, output, inference):
    sparse_X = np.where(abs(X) > 0.7, X, 0)
    parameters = {"coupling": coupling, "output": output, "inference": inference}
    dense = clone(SMALL).set_params(**parameters).fit(sparse_X, groups=GROUPS)
    stored = clone(SMALL).set_params(**parameters).fit(sparse.csr_array(sparse_X), groups=GROUPS)
    assert_allclose(stored.components_, dense.components_, atol=1e-4)
    assert_allclose(
        dense.transform(sparse.csr_array(sparse_X), groups=GROUPS),
        dense.transform(sparse_X, groups=GROUPS), atol=1e-4,
    )  # fmt: skip
    assert_allclose(
        dense.energy(sparse.csr_array(sparse_X), groups=GROUPS),
        dense.energy(sparse_X, groups=GROUPS), rtol=1e-3,
    )  # fmt: skip


def test_missing_values_are_those_of_a_mask():
    missing = X.copy()
    hidden = RANDOM.random(X.shape) < 0.1
    missing[hidden] = np.nan
    parameters = {"inference": "optimal", "code_tol": 1e-6}
    by_value = clone(SMALL).set_params(missing_values=np.nan, **parameters)
    by_value.fit(missing, groups=GROUPS)
    by_mask = clone(SMALL).set_params(**parameters).fit(X, groups=GROUPS, mask=~hidden)
    assert_allclose(by_mask.components_, by_value.components_, atol=1e-10)
    assert_allclose(
        by_mask.transform(X, mask=~hidden, groups=GROUPS),
        by_value.transform(missing, groups=GROUPS), atol=1e-10,
    )  # fmt: skip
    complete = clone(SMALL).set_params(**parameters).fit(X, groups=GROUPS)
    assert not np.allclose(complete.components_, by_mask.components_, atol=1e-3)


def test_codes_of_tiny_samples_are_those_in_double_precision():
    """The squares of these samples underflow in single precision."""
    tiny = (1e-24 * X).astype(np.float32)
    settings = {"dictionary": np.eye(12)[:8], "alpha": 1e-25, "inference": "optimal"}
    model = clone(SMALL).set_params(output="simple", **settings).fit(tiny, groups=GROUPS)
    single = model.transform(tiny, groups=GROUPS)
    double = model.transform(tiny.astype(np.float64), groups=GROUPS)
    assert single.max() > 0
    assert_allclose(1e24 * single.astype(float), 1e24 * double, atol=1e-2)


def test_a_cost_that_is_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"gamma=1e\+300 is too large for dtype"):
        clone(SMALL).set_params(gamma=1e300).fit(X.astype(np.float32), groups=GROUPS)


def test_windows_of_weight_zero_do_not_count():
    weight = (GROUPS < 15).astype(float)
    settings = {"dictionary_init": X[[3, 9, 14, 20, 33, 41, 50, 57]], "batch_size": 40}
    model = clone(SMALL).set_params(**settings).fit(X, groups=GROUPS, sample_weight=weight)
    changed = np.where(weight[:, None] > 0, X, -X)
    other = clone(SMALL).set_params(**settings).fit(changed, groups=GROUPS, sample_weight=weight)
    assert_allclose(model.components_, other.components_, atol=1e-8)
    assert_allclose(model.what_components_, other.what_components_, atol=1e-8)


def test_partial_fit_learns_chunk_by_chunk():
    model = clone(SMALL)
    for first in range(0, 80, 20):
        chunk = slice(first, first + 20)
        model.partial_fit(X[chunk], groups=GROUPS[chunk])
    before = model.what_components_.copy()
    energy = model.energy(X, groups=GROUPS).mean()
    for _ in range(5):
        model.partial_fit(X, groups=GROUPS)
    assert not np.array_equal(model.what_components_, before)
    assert model.energy(X, groups=GROUPS).mean() < energy


def test_replaced_gates_are_used():
    model = fitted(inference="optimal")
    model.what_components_ = np.roll(model.what_components_, 1, axis=0)
    other = fitted(inference="optimal")
    assert_allclose(
        model.transform(X, groups=GROUPS),
        np.roll(other.transform(X, groups=GROUPS), 1, axis=1), atol=1e-2,
    )  # fmt: skip


def test_gates_that_are_negative_are_refused():
    model = fitted()
    model.what_components_ = -model.what_components_
    with pytest.raises(ValueError, match="what_components_ must be non-negative weights of shape"):
        model.transform(X)


@pytest.mark.parametrize("parameters", [{"n_what": 5}, {"coupling": "product"}])
def test_other_units_are_refused_by_continued_learning(parameters):
    model = fitted(warm_start=True).set_params(**parameters)
    ((name, value),) = parameters.items()
    for call in (model.fit, model.partial_fit):
        with pytest.raises(ValueError, match=f"{name}={value!r}, but .*with warm_start=False"):
            call(X, groups=GROUPS)
    assert_array_equal(model.set_params(warm_start=False).fit(X, groups=GROUPS).components_,
                       fitted(**parameters).components_)  # fmt: skip


def test_values_that_make_no_difference_need_no_fit():
    """`n_what` of None is a quarter of the atoms; pools have no gamma."""
    model = fitted(n_what=2)
    features = model.transform(X, groups=GROUPS)
    assert_array_equal(model.set_params(n_what=None).transform(X, groups=GROUPS), features)
    pools = fitted(coupling="product")
    features = pools.transform(X, groups=GROUPS)
    assert_array_equal(pools.set_params(gamma=9.0).transform(X, groups=GROUPS), features)
    with pytest.raises(ValueError, match=r"gamma=9\.0, but"):
        model.set_params(gamma=9.0).transform(X, groups=GROUPS)


def test_units_that_are_never_active_are_warned_of():
    with pytest.warns(ConvergenceWarning, match="No unit was active with gamma=1000.*Lower gamma"):
        model = fitted(gamma=1000.0)
    assert not model.transform(X, groups=GROUPS).any()
    assert model.set_params(output="simple").transform(X, groups=GROUPS).any()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted()
        fitted(coupling="product")


def test_remedies_name_only_parameters_of_the_model():
    with pytest.warns(UserWarning, match=r"most samples have a code of zeros\. Lower alpha\.$"):
        fitted(alpha=6.0)


# ----------------------------------------------------------------------------- groups and bad input
def test_sequences_that_are_not_contiguous_are_refused():
    groups = np.array([0, 0, 1, 1, 0, 0])
    message = "contiguous: .* but sequence 0 begins again at sample 4. Sort X and groups"
    for call in (SMALL.fit, fitted().transform, fitted().energy):
        with pytest.raises(ValueError, match=message):
            call(X[:6], groups=groups)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (GROUPS[:5], "inconsistent numbers of samples"),
        (np.stack([GROUPS, GROUPS]), "groups must have shape"),
        (sparse.csr_array(GROUPS[None]), r"groups must have shape .* got .* of shape \(1, 80\)"),
        (3, r"groups must have shape .* got an array of shape \(\)"),
        (np.full(80, np.nan), "groups contains NaN"),
    ],
)
def test_groups_that_do_not_match_are_refused(groups, message):
    with pytest.raises(ValueError, match=message):
        clone(SMALL).fit(X, groups=groups)


def test_sequences_of_one_sample_are_warned_of():
    with pytest.warns(UserWarning, match="Each sample is a sequence of its own.*Pass groups"):
        clone(SMALL).fit(X)


def test_short_sequences_are_warned_of():
    groups = np.r_[GROUPS[:-4], 30, 30, 31, 31]
    with pytest.warns(UserWarning, match="2 of 21 sequences have fewer samples than n_frames=3"):
        clone(SMALL).fit(X, groups=groups)


@pytest.mark.parametrize("method", ["transform", "energy", "score", "score_samples"])
def test_several_samples_without_groups_are_warned_of(method):
    """The features of a pipeline that passes no groups differ from those of `fit`."""
    call = getattr(fitted(), method)
    with pytest.warns(UserWarning, match=r"groups is None, .*n_frames=3.*groups=numpy.arange"):
        alone = call(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert_array_equal(call(X, groups=np.arange(80)), alone)
        call(X, groups=GROUPS)
        call(X[:1])


def test_windows_of_one_frame_need_no_groups():
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        clone(SMALL).set_params(n_frames=1).fit(X).transform(X)


def test_more_pools_than_components_are_refused():
    model = clone(SMALL).set_params(coupling="product", n_what=9)
    with pytest.raises(ValueError, match="n_what must be at most n_components=8"):
        model.fit(X, groups=GROUPS)


@pytest.mark.parametrize("output", ["what", "where"])
def test_features_that_do_not_determine_codes_cannot_be_inverted(output):
    model = fitted(output=output)
    with pytest.raises(ValueError, match="Set output='both' or output='simple'"):
        model.inverse_transform(model.transform(X, groups=GROUPS))


def test_features_of_the_wrong_size_are_refused():
    model = fitted(output="both")
    with pytest.raises(ValueError, match="what must have 3 features, got 2"):
        model.generate(np.ones((2, 2)), np.ones((2, 8)))
    with pytest.raises(ValueError, match="where must have 8 features, got 9"):
        model.generate(np.ones((2, 3)), np.ones((2, 9)))
    with pytest.raises(ValueError, match="the same number of samples, got 2 and 3"):
        model.generate(np.ones((2, 3)), np.ones((3, 8)))
    with pytest.raises(ValueError, match="X must have 11 features, got 8"):
        model.inverse_transform(np.ones((2, 8)))


@couplings
def test_units_that_no_window_has_are_refused(coupling):
    model = fitted(coupling=coupling, output="both")
    negative = np.r_[np.ones(2), -1, np.ones(8)][None]
    for call in (model.inverse_transform, lambda both: model.generate(both[:, :3], both[:, 3:])):
        with pytest.raises(ValueError, match="what must be non-negative, got a minimum of -1"):
            call(negative)
        with pytest.raises(ValueError, match=r"range of dtype\('float64'\).*Pass smaller units"):
            call(np.full((1, 11), 1e200))


def test_codes_have_no_duality_gap():
    with pytest.raises(ValueError, match="duality_gap requires a convex penalty"):
        fitted().duality_gap(X, np.ones((80, 8)))


def test_dask_arrays_are_refused():
    da = pytest.importorskip("dask.array")
    chunks = da.from_array(X, chunks=(20, -1))
    for call in (SMALL.fit, fitted().transform):
        with pytest.raises(TypeError, match="X must be an array in memory for this call"):
            call(chunks)


def test_the_features_of_fit_transform_are_those_of_the_groups():
    features = clone(SMALL).fit_transform(X, groups=GROUPS)
    assert_allclose(features, fitted().transform(X, groups=GROUPS))


def test_groups_are_routed_to_steps_and_splitters():
    with sklearn_ebm_routing():
        model = clone(SMALL).set_fit_request(groups=True).set_score_request(groups=True)
        model.set_transform_request(groups=True)
        scores = cross_validate(
            model, X, cv=GroupKFold(2), params={"groups": GROUPS}, error_score="raise"
        )
        assert np.all(np.isfinite(scores["test_score"]))
        pipeline = make_pipeline(StandardScaler(), model).fit(X, groups=GROUPS)
        scaled = StandardScaler().fit_transform(X)
        assert_allclose(
            pipeline[-1].components_, clone(model).fit(scaled, groups=GROUPS).components_
        )


def sklearn_ebm_routing():
    from sklearn import config_context

    return config_context(enable_metadata_routing=True)


def test_one_frame_and_costly_units_are_the_codes_of_psd():
    """They meet the first-order conditions of the energy of `PSD` with non-negative codes."""
    model = clone(SMALL).set_params(
        n_frames=1, gamma=1e6, inference="optimal", output="simple", code_tol=1e-6
    )
    model.fit(X)
    encoder = model.encoder_.forward(X)
    code = model.transform(X)
    q = (X - code @ model.components_) @ model.components_.T + encoder - code
    assert_allclose(q[code > 0], 0.5, atol=1e-2)
    assert np.all(q[code == 0] <= 0.5 + 1e-2)


def test_names_of_features():
    model = fitted(output="both")
    assert len(model.get_feature_names_out()) == 11
    assert model.get_feature_names_out()[0] == "whatwherepsd0"
    assert sklearn_ebm.WhatWherePSD is WhatWherePSD
