"""alpha="scale" is the size of the training data: tests of when it is measured and kept."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning

from sklearn_ebm import PSD, ConvPSD, LISTAEncoder, SparseCoder, make_feature_hierarchy

QUICK = {"max_iter": 1, "tol": 0, "random_state": 0}
X = np.random.default_rng(0).standard_normal((60, 8))
SEEN = np.random.default_rng(1).uniform(size=X.shape) < 0.7
pytestmark = pytest.mark.filterwarnings("ignore:No pass improved on the initial loss")


def coder(**parameters):
    return SparseCoder(6, **QUICK, **parameters).fit(X)


def test_only_observed_values_of_samples_that_have_a_weight_are_measured():
    """Samples without weight and samples of zeros have no effect, whatever their masks are."""
    expected = SparseCoder(6, **QUICK).fit(X, mask=SEEN).alpha_
    assert_allclose(expected, np.sqrt(np.mean(X[SEEN] ** 2)), rtol=1e-12)
    first_only = np.tile(np.arange(8) == 0, (60, 1))
    data, mask = np.vstack([X, 9 * X, 0 * X]), np.vstack([SEEN, first_only, first_only])
    weights = np.repeat([1, 0, 1], 60)
    padded = SparseCoder(6, **QUICK).fit(data, sample_weight=weights, mask=mask)
    assert_allclose(padded.alpha_, expected, rtol=1e-12)


def test_data_of_zeros_have_the_size_one_and_a_warning_that_names_them():
    for model in (SparseCoder(6, **QUICK), PSD(6, **QUICK), ConvPSD(2, kernel_size=2, **QUICK)):
        with pytest.warns(ConvergenceWarning, match="Check that X does not contain only zeros"):
            assert model.fit(0 * X, mask=SEEN | (np.arange(8) == 0)).alpha_ == 1.0


def test_the_measured_size_survives_another_alpha():
    """Setting atoms while alpha is a number must not replace the size of the data."""
    model = coder()
    size, before = model.alpha_, model.energy(X)
    model.set_params(alpha=5.0)
    model.components_ = np.array(model.components_)
    model.energy(X)
    assert model.alpha_ == size
    assert_array_equal(model.set_params(alpha="scale").energy(X), before)


def test_an_encoder_imitates_the_codes_that_its_coder_has_now():
    model = coder(alpha=0.5).set_params(alpha=1.0)
    assert LISTAEncoder(dictionary=model, **QUICK).fit(X).alpha_ == 1.0
    assert LISTAEncoder(dictionary=coder(), **QUICK).fit(X).alpha_ == coder().alpha_


def test_none_is_the_size_of_the_data_for_encoders_without_a_coder():
    model = LISTAEncoder(6, **QUICK).fit(X)
    code = model.transform(X)
    assert_array_equal(model.set_params(alpha="scale").transform(X), code)
    number = LISTAEncoder(6, alpha=0.5, **QUICK).fit(X)
    for alpha in (None, "scale"):
        number.set_params(alpha=alpha)
        for method in (number.transform, number.partial_fit):
            with pytest.raises(
                ValueError, match=r"fitted with alpha=0.5. Call fit with warm_start"
            ):
                method(X)


def test_a_weight_that_is_set_is_kept_by_every_continued_fit():
    model = LISTAEncoder(6, alpha=0.5, **QUICK).fit(X)
    model.alpha_ = 1.0
    for _ in range(2):
        assert model.partial_fit(X).alpha_ == 1.0
    assert model.set_params(alpha=0.7).partial_fit(X).alpha_ == 0.7
    automatic = coder()
    automatic.alpha_ = 2.0
    for _ in range(2):
        assert automatic.partial_fit(X).alpha_ == 2.0


def test_stages_of_a_hierarchy_measure_their_own_data():
    for alpha, expected in (("scale", ["scale"] * 2), (["scale", 0.5], ["scale", 0.5])):
        steps = make_feature_hierarchy(alpha=alpha).named_steps
        assert [steps["model1"].alpha, steps["model2"].alpha] == expected
