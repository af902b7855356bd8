"""The completed share of training, of passes or of time, at any pace of the steps."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sklearn_ebm.learning import _progress
from sklearn_ebm.learning._progress import Progress

CHUNK = 20


class Course:
    """Steps of given durations, made in groups until the time is up."""

    def __init__(self, monkeypatch, durations, max_time, max_iter=10**6, chunk=CHUNK):
        self.now, self.shares, self.starts, self.sizes = 0.0, [], [], []
        monkeypatch.setattr(_progress, "clock", lambda: self.now)
        progress, durations = Progress(max_time), iter(durations)
        progress.begin_pass(0, chunk, max_iter)
        while not progress.is_over and progress.n_done < chunk * max_iter:
            for batches, shares in progress.parts(list(range(chunk))):
                self.sizes.append(len(batches))
                self.shares += shares
                for _ in batches:
                    self.starts.append(self.now)
                    self.now += next(durations)
        self.progress = progress


@pytest.mark.parametrize("chunk", [1, 3, CHUNK])
@pytest.mark.parametrize("seconds", [1e-12, 0.5, 1, 7.3, 40, 100])
def test_steps_of_equal_length_end_with_the_first_that_reaches_the_limit(
    monkeypatch, seconds, chunk
):
    course = Course(monkeypatch, iter(lambda: 1.0, None), seconds, chunk=chunk)
    assert course.now == max(1, np.ceil(seconds))


def test_the_share_of_equal_steps_is_the_share_of_the_time(monkeypatch):
    course = Course(monkeypatch, iter(lambda: 1.0, None), 100)
    assert_allclose(course.shares, np.arange(100) / 100, rtol=1e-12)  # rounding of the pace


def test_shares_of_time_are_extrapolated_within_a_part_from_the_pace_so_far(monkeypatch):
    """With steps of random lengths, they differ from the true share of time by a few steps."""
    durations = np.random.default_rng(0).exponential(1.0, 10_000)
    course = Course(monkeypatch, durations, 1000.0)
    shares, starts = np.array(course.shares), np.array(course.starts)
    # The sum of a part of 20 such steps has a standard deviation of 4.5, and 30 is 6 of them.
    assert abs(shares - starts / 1000).max() < 30 / 1000
    assert 1000 <= course.now < 1000 + 30


def test_a_slow_first_step_does_not_end_training(monkeypatch):
    """Compilation of kernels makes the first step slow, here a thousand times."""
    durations = [50.0, *np.full(100_000, 0.05)]
    course = Course(monkeypatch, durations, 60.0)
    assert_allclose(course.now, 60.0, atol=0.1)  # two steps
    assert len(course.starts) == pytest.approx(201, abs=2)
    # The pace is overestimated, but a part takes at most the time that remains, 10 seconds.
    assert abs(np.array(course.shares) - np.array(course.starts) / 60).max() < 10 / 60


def test_the_closer_limit_counts(monkeypatch):
    course = Course(monkeypatch, iter(lambda: 1.0, None), 1000.0, max_iter=2)
    assert len(course.shares) == 2 * CHUNK
    assert_allclose(course.shares, np.arange(2 * CHUNK) / (2 * CHUNK), rtol=1e-15)


def test_without_a_limit_parts_are_whole_and_shares_are_those_of_the_passes(monkeypatch):
    course = Course(monkeypatch, iter(lambda: 1e9, None), None, max_iter=3)
    assert course.sizes == [CHUNK] * 3
    assert course.shares == [n / (3 * CHUNK) for n in range(3 * CHUNK)]
    assert course.progress.n_total == 3 * CHUNK


def test_the_expected_number_of_steps_is_never_below_the_number_made(monkeypatch):
    course = Course(monkeypatch, iter(lambda: 100.0, None), 1e-9)
    assert course.progress.n_done == course.progress.n_total == 1
