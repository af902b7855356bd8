"""Denoising auto-encoders: formulas, noise, reconstructions and training with labels."""

import pickle
from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from sklearn_ebm import AutoEncoder, FineTunedClassifier
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


@pytest.mark.parametrize(("factor", "warns"), [(1.0, False), (100.0, True)])
def test_samples_of_a_large_scale_issue_a_warning_with_a_remedy(factor, warns, recwarn):
    X = factor * np.random.default_rng(0).standard_normal((60, 5))
    AutoEncoder(3, max_iter=1).fit(X)
    messages = [str(each.message) for each in recwarn]
    assert (
        any("root mean square" in text and "StandardScaler" in text for text in messages) == warns
    )
