"""When learning ends."""

from types import SimpleNamespace

import numpy as np
import pytest

from sklearn_ebm.learning._policies import WINDOW, Plateau


def passes_until(policy, objective):
    """Return the number of passes after which a policy ends learning, or None."""
    for n in range(1, len(objective) + 1):
        trainer = SimpleNamespace(curves={"objective": list(objective[:n])})
        policy.look(trainer)
        if policy.is_done(trainer):
            return n
    return None


def test_one_pass_that_resembles_the_last_does_not_end_learning():
    objective = np.exp(-np.arange(40) / 10)
    objective[12] = objective[11]
    assert passes_until(Plateau(1e-3), objective) is None


def test_noise_does_not_keep_learning_from_an_end():
    """The means of five passes differ by 0.6 of the deviation of one pass, on average."""
    objective = 1 + 1e-3 * np.random.default_rng(0).standard_normal(100)
    assert passes_until(Plateau(1e-3), objective) <= 4 * WINDOW
    assert passes_until(Plateau(1e-6), objective[:40]) is None


@pytest.mark.parametrize("rate", [0.5, 0.9, 0.99])
def test_a_decay_ends_when_five_passes_lower_it_by_the_tolerance(rate):
    objective = 1 + rate ** np.arange(2000)
    n = passes_until(Plateau(1e-4), objective)

    def change(n):
        before, last = objective[n - 2 * WINDOW : n - WINDOW], objective[n - WINDOW : n]
        return 1 - last.sum() / before.sum()

    assert change(n) <= 1e-4
    assert n == 2 * WINDOW or change(n - 1) > 1e-4


def test_a_line_search_without_progress_ends():
    objective = [3.0, 2.0, 2.0]
    assert passes_until(Plateau(0.0, ends_if_equal=True), objective) == 3
    assert passes_until(Plateau(0.0), objective) is None
