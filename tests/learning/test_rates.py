"""Learning rates as functions of the completed share of training."""

import math
import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sklearn_ebm import PSD
from sklearn_ebm.learning._rates import learning_rate_schedule

SHARES = np.linspace(0, 1, 5)


@pytest.mark.parametrize(("given", "initial"), [("auto", 0.2), (0.5, 0.5), (np.float32(0.5), 0.5)])
def test_numbers_decay_linearly_to_zero(given, initial):
    schedule = learning_rate_schedule(given, automatic=0.2)
    rates = [schedule(float(done)) for done in SHARES]
    np.testing.assert_allclose(rates, initial * np.array([1, 0.75, 0.5, 0.25, 0]), rtol=1e-15)
    assert {type(rate) for rate in rates} == {float}  # other types would promote float32 parameters


def test_the_rates_of_a_callable_are_used_as_they_are():
    schedule = learning_rate_schedule(lambda done: np.cos(done), automatic=0.2)
    assert [schedule(done) for done in SHARES] == [math.cos(done) for done in SHARES]
    assert type(schedule(0.5)) is float


@pytest.mark.parametrize("rate", [-0.1, math.nan, math.inf, "fast", None, [0.1, 0.2]])
def test_what_is_no_rate_is_refused_before_training_and_during_it(rate):
    message = "learning_rate must return a finite non-negative number, got "
    with pytest.raises(ValueError, match=message):
        learning_rate_schedule(lambda done: rate, automatic=0.2)
    late = learning_rate_schedule(lambda done: rate if done else 0.1, automatic=0.2)
    with pytest.raises(ValueError, match=message):
        late(0.5)


def test_schedules_of_functions_with_a_name_can_be_pickled():
    for given in (0.5, math.cos):
        schedule = learning_rate_schedule(given, automatic=0.2)
        assert pickle.loads(pickle.dumps(schedule))(0.25) == schedule(0.25)


def test_a_rate_that_fails_leaves_atoms_and_encoder_as_they_were():
    """The rate of a step is computed before the dictionary changes."""
    X = np.random.default_rng(0).standard_normal((60, 6))
    calls, limit = [], [np.inf]

    def rate(done):
        calls.append(done)
        return 0.1 / (len(calls) < limit[0])

    model = PSD(4, learning_rate=rate, batch_size=60, tol=0, random_state=0).partial_fit(X)
    atoms, filters = model.components_, model.encoder_components_
    for n_good in range(1, len(calls) + 1):  # the rate is also called to check it
        limit[0] = n_good
        calls.clear()
        with pytest.raises(ZeroDivisionError):
            model.partial_fit(X)
        assert_array_equal(model.components_, atoms)
        assert_array_equal(model.encoder_components_, filters)
