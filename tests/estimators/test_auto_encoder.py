"""Auto-encoders: formulas, noise, regularisers, reconstructions and training with labels."""

import functools
import pickle
from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit
from scipy.stats import spearmanr
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA, FastICA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from sklearn_ebm import (
    AutoEncoder,
    FineTunedClassifier,
    GroupPenalty,
    make_feature_hierarchy,
)
from sklearn_ebm.backends import numpy
from sklearn_ebm.backends._random import Stream
from sklearn_ebm.learning._memory import Memory
from sklearn_ebm.learning.criteria import NOISES, Noise

DIGITS, LABELS = load_digits(return_X_y=True)
DIGITS = DIGITS / 16
QUICK = {"max_iter": 2, "random_state": 0}


@pytest.mark.parametrize("n_components", [16, 32])
def test_masked_digits_are_restored_better_than_by_principal_components(n_components):
    """Vincent et al. 2010, section 3: reconstructions repair corrupted samples, better than PCA."""
    learned, new = DIGITS[:1200], DIGITS[1200:]
    seen = new * (np.random.default_rng(0).random(new.shape) > 0.25)
    model = AutoEncoder(n_components, learning_rate=3e-2, max_iter=30, tol=0, random_state=0)
    pca = PCA(n_components).fit(learned)
    ours, theirs = (
        np.sum((each.inverse_transform(each.transform(seen)) - new) ** 2)
        for each in (model.fit(learned), pca)
    )
    assert ours < 0.85 * theirs  # 0.76 and 0.54 with this seed
    assert ours < 0.65 * np.sum((seen - new) ** 2)  # 0.55 and 0.46


@pytest.mark.parametrize("tied_weights", [True, False])
def test_reconstructions_and_energies_are_the_formulas_of_the_docstring(tied_weights):
    model = AutoEncoder(9, tied_weights=tied_weights, **QUICK).fit(DIGITS)
    code = expit(DIGITS @ model.components_.T + model.intercept_hidden_)
    V = model.components_ if tied_weights else model.decoder_components_
    mean = expit(code @ V + model.intercept_visible_)
    assert hasattr(model, "decoder_components_") != tied_weights
    assert_allclose(model.transform(DIGITS), code, rtol=1e-10)
    assert_allclose(model.inverse_transform(code), mean, rtol=1e-10)
    loss = -np.sum(DIGITS * np.log(mean) + (1 - DIGITS) * np.log1p(-mean), axis=1)
    assert_allclose(model.energy(DIGITS), loss, rtol=1e-10)
    assert_allclose(model.score(DIGITS), -loss.mean(), rtol=1e-10)


def test_the_reconstruction_is_the_gradient_of_a_density_model():
    """x - g(f(x)) of tied sigmoid units is the gradient of an energy (Vincent 2011, section 4.3).

    The energy is 1/2 ||x||^2 - c.x - sum log(1 + exp(u)) with u = x W + b.
    """
    model = AutoEncoder(9, loss="squared_error", noise="gaussian", **QUICK).fit(DIGITS)

    def energy(x):
        u = x @ model.components_.T + model.intercept_hidden_
        return x @ x / 2 - x @ model.intercept_visible_ - np.sum(np.logaddexp(0, u))

    x, step = DIGITS[0], 1e-5
    slope = [(energy(x + step * e) - energy(x - step * e)) / (2 * step) for e in np.eye(64)]
    restored = model.inverse_transform(model.transform(x[None]))[0]
    assert_allclose(x - restored, slope, atol=1e-8)  # step^2, and rounding over step


def test_values_between_zero_and_one_have_a_cross_entropy():
    assert AutoEncoder(3, **QUICK).fit(DIGITS).loss_ == "cross_entropy"
    assert AutoEncoder(3, **QUICK).fit(DIGITS - 0.1).loss_ == "squared_error"
    outlier = np.vstack([DIGITS, 7 + DIGITS[:1]])
    weight = np.r_[np.ones(len(DIGITS)), 0]
    assert AutoEncoder(3, **QUICK).fit(outlier, sample_weight=weight).loss_ == "cross_entropy"
    with pytest.raises(ValueError, match=r"values between 0 and 1 .* from -0\.1 to 0\.9"):
        AutoEncoder(3, loss="cross_entropy").fit(DIGITS - 0.1)
    with pytest.raises(ValueError, match="values between 0 and 1"):
        AutoEncoder(3, **QUICK).fit(DIGITS).partial_fit(DIGITS - 0.1)


@pytest.mark.parametrize("kind", NOISES)
def test_noise_depends_neither_on_pieces_nor_on_threads(kind):
    X = DIGITS[:600]
    noise, key = Noise(kind, 0.3), Stream(np.random.RandomState(0)).key()
    whole = noise.applied(X, key, numpy, Memory())
    for rows in (slice(0, 7), slice(7, 300), slice(300, 600)):
        piece = noise.applied(X[rows], key.from_row(rows.start), numpy, Memory())
        assert_array_equal(piece, whole[rows])
    model = AutoEncoder(5, noise=kind, batch_size=300, **QUICK)
    many = clone(model).fit(X)
    with threadpool_limits(1):
        assert_array_equal(clone(model).fit(X).components_, many.components_)


@pytest.mark.parametrize("kind", NOISES)
def test_noise_has_its_level(kind):
    """For 38,400 values: five standard errors of a share are 0.012, of a deviation 0.006."""
    X = np.full((600, 64), 0.5)
    seen = Noise(kind, 0.3, (-1.0, 2.0)).applied(
        X, Stream(np.random.RandomState(0)).key(), numpy, Memory()
    )
    if kind == "gaussian":
        assert_allclose(np.std(seen - X), 0.3, atol=6e-3)
        return
    replaced = {"masking": [0.0], "salt_and_pepper": [-1.0, 2.0]}[kind]
    assert set(np.unique(seen)) == {0.5, *replaced}
    for value in replaced:
        assert_allclose(np.mean(seen == value), 0.3 / len(replaced), atol=0.012)


def test_a_share_is_at_most_one():
    with pytest.raises(ValueError, match=r"noise_level must be at most 1 .* got 1\.5"):
        AutoEncoder(3, noise_level=1.5).fit(DIGITS)
    AutoEncoder(3, noise="gaussian", noise_level=1.5, **QUICK).fit(DIGITS)


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
def test_divergence_is_noticed_and_the_model_stays_usable(loss):
    model = AutoEncoder(5, loss=loss, optimizer="sgd", learning_rate=1e6, **QUICK)
    with pytest.warns(UserWarning, match="diverged with learning_rate"):
        model.fit(DIGITS)
    assert np.all(np.isfinite(model.energy(DIGITS)))


@pytest.mark.parametrize("tied_weights", [True, False])
def test_labels_train_the_encoder(tied_weights):
    """A tied decoder follows the encoder; a separate decoder does not change."""
    steps = (
        AutoEncoder(32, tied_weights=tied_weights, **QUICK),
        LogisticRegression(max_iter=100, tol=1e-2),
    )
    pipeline = make_pipeline(*steps)
    model = FineTunedClassifier(pipeline, max_iter=3, random_state=0).fit(DIGITS, LABELS)
    untuned, tuned = clone(pipeline).fit(DIGITS, LABELS), model.to_pipeline()
    before, after = untuned[0], tuned[0]
    losses = [log_loss(LABELS, each.predict_proba(DIGITS)) for each in (untuned, tuned)]
    assert losses[1] < 0.8 * losses[0]
    assert_array_equal(tuned.predict(DIGITS), model.predict(DIGITS))
    assert np.abs(after.components_ - before.components_).max() > 0.01
    if not tied_weights:
        assert_array_equal(after.decoder_components_, before.decoder_components_)
    assert np.all(np.isfinite(after.partial_fit(DIGITS).energy(DIGITS)))


def test_the_loss_can_be_replaced_and_every_copy_has_it():
    model = AutoEncoder(3, **QUICK).fit(DIGITS)
    assert model.loss_ == "cross_entropy"
    model.loss_ = "squared_error"
    difference = DIGITS - model.inverse_transform(model.transform(DIGITS))
    for each in (model, pickle.loads(pickle.dumps(model))):
        assert_allclose(each.energy(DIGITS), np.sum(difference**2, axis=1) / 2)
    model.loss_ = "hinge"
    with pytest.raises(ValueError, match=r"loss_ must be one of .*, got 'hinge'"):
        model.energy(DIGITS)


def test_noise_that_overflows_is_refused_by_name():
    model = AutoEncoder(3, noise="gaussian", noise_level=1e39, **QUICK)
    with pytest.raises(ValueError, match=r"noise_level=1e\+39 is too large"):
        model.fit(DIGITS.astype(np.float32))


def test_steps_of_continued_training_are_as_long_as_the_first():
    """Units of steps are the initial sizes of the weights, although weights grow."""
    network = make_pipeline(AutoEncoder(3, **QUICK), LogisticRegression())
    one_step = {"max_iter": 1, "batch_size": 200, "learning_rate": lambda done: 0.02}
    classifier = FineTunedClassifier(network, warm_start=True, random_state=0, **one_step)
    X, y = DIGITS[:200], LABELS[:200]
    classifier.set_params(max_iter=0).fit(X, y).set_params(max_iter=1)
    weights = [classifier.pipeline_[0].components_]
    weights += [classifier.fit(X, y).pipeline_[0].components_ for _ in range(3)]
    first, *others = (np.abs(after - before).max() for before, after in pairwise(weights))
    assert_allclose(others, first, rtol=1e-4)  # the first step of Adam depends on signs only


@pytest.mark.parametrize(
    ("factor", "warns"), [(1.0, False), (100.0, True), (0.05, False), (1e-3, True), (1e-8, True)]
)
def test_samples_of_another_scale_issue_a_warning_with_a_remedy(factor, warns, recwarn):
    X = factor * np.random.default_rng(0).standard_normal((60, 5))
    AutoEncoder(3, max_iter=1).fit(X)
    messages = [str(each.message) for each in recwarn]
    assert (
        any("root mean square" in text and "StandardScaler" in text for text in messages) == warns
    )


# ------------------------------------------------------------------------------------ regularisers
def on_curve(t):
    return np.c_[t, np.sin(2 * t)]


@functools.cache
def near_curve():
    """Return samples on a curve in two dimensions, points near it, and their squared distances."""
    random = np.random.default_rng(0)
    X, line = on_curve(random.uniform(-2, 2, 1000)), on_curve(np.linspace(-2, 2, 1001))
    points = random.uniform((-1.8, -1.5), (1.8, 1.5), (800, 2))
    squares = np.min(np.sum((points[:, None] - line) ** 2, axis=2), axis=1)
    return X, points[squares < 0.09], squares[squares < 0.09]


@functools.cache
def off_curve(**options):
    """Return the slope and the rank correlation of errors and squared distances from the curve."""
    X, points, squares = near_curve()
    common = {"loss": "squared_error", "tied_weights": False, "learning_rate": 0.02, "tol": 0}
    model = AutoEncoder(100, batch_size=100, max_iter=100, random_state=0, **common, **options)
    error = 2 * model.fit(X).energy(points)
    return error @ squares / (squares @ squares), spearmanr(error, squares)[0]


@pytest.mark.parametrize(
    ("activation", "options"),
    [
        ("relu", {"noise": "gaussian", "noise_level": 0.15}),
        ("saturated_linear", {"regularizer": "saturating", "alpha": 3e-3}),
    ],
)
def test_a_regularized_auto_encoder_projects_onto_a_curve_and_a_plain_one_does_not(
    activation, options
):
    """The slope is 1 for a projection, and 0 for the identity."""
    slope, rank = off_curve(activation=activation, **options)
    plain_slope, plain_rank = off_curve(activation=activation, noise_level=0)
    assert slope > 0.5  # 0.81 and 0.60 with this seed
    assert plain_slope < 0.05  # 0.03 and 0.00
    assert rank > plain_rank + 0.15  # 0.93 and 0.77, after 0.73 and 0.23


def test_contraction_makes_the_code_less_sensitive_at_a_small_cost():
    """Rifai et al. 2011, section 5: a smaller Jacobian; the loss rises by a few per cent."""
    plain, contractive = (
        AutoEncoder(32, learning_rate=1e-2, max_iter=15, tol=0, random_state=0, **options).fit(
            DIGITS
        )
        for options in ({"noise_level": 0}, {"regularizer": "contractive", "alpha": 0.1})
    )
    moved = DIGITS + 1e-4 * np.random.default_rng(0).standard_normal(DIGITS.shape)
    changes = [
        np.mean((each.transform(moved) - each.transform(DIGITS)) ** 2)
        for each in (plain, contractive)
    ]
    assert changes[1] < 0.6 * changes[0]
    assert contractive.energy(DIGITS).mean() < 1.1 * plain.energy(DIGITS).mean()


def test_reconstruction_ica_with_a_square_matrix_is_ica():
    """Le et al. 2011, section 3: for whitened data, orthonormal filters of independent sources."""
    random = np.random.default_rng(0)
    sources = random.laplace(size=(5000, 3))
    mixed = sources @ random.standard_normal((3, 3))
    white = PCA(whiten=True).fit_transform(mixed)
    options = {"regularizer": "sparse", "activation": "linear", "optimizer": "lbfgs"}
    model = AutoEncoder(3, alpha=0.05, max_iter=200, tol=1e-7, random_state=0, **options).fit(white)
    found = model.transform(white)
    correlation = abs(np.corrcoef(found.T, sources.T)[:3, 3:])
    assert np.all(correlation.max(axis=1) > 0.99)
    assert sorted(correlation.argmax(axis=1)) == [0, 1, 2]
    expected = FastICA(whiten=False, random_state=0).fit(white).components_
    agreement = abs(model.components_ @ expected.T) / np.linalg.norm(expected, axis=1)
    assert np.all(agreement.max(axis=1) > 0.995)


def test_groups_of_reconstruction_ica_share_the_variance():
    """Components of one subspace are on together; the penalty of groups finds the subspaces."""
    random = np.random.default_rng(0)
    sources = random.standard_normal((4000, 2, 2)) * random.exponential(size=(4000, 2, 1)) ** 2
    rotation = np.linalg.qr(random.standard_normal((4, 4)))[0]
    X = (sources.reshape(-1, 4) / sources.std()) @ rotation
    options = {"regularizer": "sparse", "activation": "linear", "optimizer": "lbfgs"}
    model = AutoEncoder(4, penalty=GroupPenalty(2), alpha=0.05, max_iter=100, **options)
    found = model.set_params(random_state=0, tol=1e-7).fit(X).components_ @ rotation.T
    strength = np.sum(found.reshape(2, 2, 2, 2) ** 2, axis=(1, 3))  # filters by subspaces
    assert strength.max(axis=1).min() > 1.95  # of 2
    model.set_params(penalty__groups=[[0], [1, 2, 3]])
    assert model.penalty == GroupPenalty([[0], [1, 2, 3]])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"regularizer": "saturating"}, "activation that is constant .* got activation='sigmoid'"),
        (
            {"regularizer": "sparse", "penalty": GroupPenalty([[0]])},
            r"groups without components 1, 2",
        ),
        ({"regularizer": "sparse", "alpha": 1e39}, r"alpha=1e\+39 is too large"),
    ],
)
def test_regularisers_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        AutoEncoder(3, **options).fit(DIGITS.astype(np.float32))


@pytest.mark.parametrize(
    "options",
    [
        {"regularizer": "contractive"},
        {"regularizer": "saturating", "activation": "relu"},
        {"regularizer": "sparse", "activation": "saturated_linear"},
    ],
)
def test_stages_of_a_hierarchy_may_have_any_regularizer(options):
    """Two stages, trained further with labels."""
    model = AutoEncoder(learning_rate=1e-2, max_iter=5, **options)
    hierarchy = make_feature_hierarchy(
        model=model, n_components=(40, 30), rectify=None, window_size=None, random_state=0
    )
    classifier = FineTunedClassifier(hierarchy, max_iter=5, random_state=0).fit(DIGITS, LABELS)
    assert [each.n_components for each in classifier.to_pipeline()[:-1]] == [40, 30]
    assert classifier.score(DIGITS, LABELS) > 0.9
