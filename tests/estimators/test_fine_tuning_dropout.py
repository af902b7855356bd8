"""Dropout in a network that is trained with labels."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from sklearn_ebm import Dropout
from sklearn_ebm.learning import _network
from tests.estimators.tuning import X, Y, assert_gradients, network_of, psd, tuned_classifier

pytestmark = pytest.mark.filterwarnings(
    "ignore:Maximum number of iterations", "ignore:lbfgs failed"
)


@pytest.fixture
def with_dropout():
    """Return a network with two dropout layers, its input and the indicator matrix of labels."""
    layers = [psd(), Dropout(0.4, random_state=0), psd(6), Dropout(0.2, random_state=1)]
    pipeline = make_pipeline(*layers, LogisticRegression(max_iter=30)).fit(X, Y)
    network, x = network_of(pipeline, X[:7])
    target = (Y[:7, None] == np.arange(10)).astype(float)

    def losses(n_batch=1, first=0, last=7):
        rows, place = slice(first, last), (n_batch, first)
        ones = np.ones(last - first)
        return network.losses_and_gradients(x[rows], target[rows], ones, place)[0]

    return network, x, target, losses


@pytest.fixture
def same_in_each_batch(monkeypatch):
    """Use streams with the same seed for all batches."""

    class Stream(_network.RowStream):
        def __init__(self, seed, first):
            super().__init__(seed[0], first)

    monkeypatch.setattr(_network, "RowStream", Stream)


@pytest.mark.usefixtures("same_in_each_batch")
def test_gradients_are_those_of_the_loss_with_what_dropout_leaves_out(with_dropout):
    assert_gradients(*with_dropout)


def test_dropout_leaves_out_others_in_each_batch_and_nothing_when_it_is_looked_at(with_dropout):
    network, x, target, losses = with_dropout
    passed = network.loss(network.scores(x), target)[0]
    first, second = losses(1), losses(2)
    assert len({*first, *second, *passed}) == 21
    assert_array_equal(losses(1), first)
    assert_array_equal(network.loss(network.scores(x), target)[0], passed)


def test_what_dropout_leaves_out_of_a_row_does_not_depend_on_where_the_row_is(with_dropout):
    *_, losses = with_dropout
    parts = [losses(3, 0, 2), losses(3, 2, 7)]  # as if two machines had a part of the batch each
    assert_allclose(np.concatenate(parts), losses(3), rtol=1e-12)


@pytest.mark.usefixtures("same_in_each_batch")
def test_what_dropout_leaves_out_of_a_row_does_not_depend_on_pieces(with_dropout):
    network, *_, losses = with_dropout
    losses()  # sets the number of outputs
    network._piece_rows = 7
    whole = losses()
    network._piece_rows = 2
    assert_allclose(losses(), whole, rtol=1e-12)


def test_training_with_dropout_is_repeated_by_its_random_state():
    scores = [
        tuned_classifier(psd(), Dropout(0.4, random_state=seed)).fit(X, Y).decision_function(X)
        for seed in (0, 0, 1)
    ]
    assert_array_equal(scores[0], scores[1])
    assert np.any(scores[0] != scores[2])
