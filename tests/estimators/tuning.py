"""Common parts of the tests of fine-tuning: networks of digits, and the check of gradients."""

import numpy as np
from numpy.testing import assert_allclose
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ebm import PSD, ConvPSD, FineTunedClassifier, Rectifier
from sklearn_ebm.backends import resolve_backend
from sklearn_ebm.factors import SCORE_LOSSES
from sklearn_ebm.learning import _stages
from sklearn_ebm.learning._heads import HeadStep
from sklearn_ebm.learning._labelled import as_input
from sklearn_ebm.learning._modules import Step
from sklearn_ebm.learning._network import Network
from tests.differences import finite_differences

X, Y = load_digits(return_X_y=True)
X, Y = X[:300] / 8, Y[:300]
IMAGES = X.reshape(-1, 8, 8)
SMALL = {"random_state": 0, "max_iter": 2, "tol": 0}


def psd(n_components=10, **parameters):
    return PSD(n_components, **{"alpha": 0.3, **SMALL, **parameters})


def conv(n_components=3, **parameters):
    return ConvPSD(n_components, kernel_size=3, **{"alpha": 0.1, **SMALL, **parameters})


def network_of(pipeline, x, n_before=0, loss="cross_entropy", units=None):
    """Return the network of a fitted pipeline, and its input."""
    *steps, (name, classifier) = list(_stages.flat_steps(pipeline))[n_before:]
    x = as_input(x)
    steps = [*(Step(*step, x.dtype) for step in steps), HeadStep(name, classifier, x, units)]
    return Network.of_steps(steps, SCORE_LOSSES[loss], resolve_backend("auto", x)), x


def assert_gradients(network, x, target, losses=None):
    """Assert derivatives of the loss along three random directions, for each parameter.

    `losses()` returns the losses of the samples; the default is the cross-entropy of the scores.
    """
    if losses is None:

        def losses():
            return network.loss(network.scores(x), target)[0]

    random = np.random.default_rng(0)
    weight = random.uniform(0.5, 2, len(x))
    _, _, gradients = network.losses_and_gradients(x, target, weight)
    assert gradients.keys() == network.parameters.keys()
    for name, value in network.parameters.items():
        begun, steps = value.copy(), np.zeros(3)
        directions = 0.03 * random.standard_normal((3, *value.shape))  # short, since |z| has a kink

        def loss(value=value, begun=begun, steps=steps, directions=directions):
            value[...] = begun + np.tensordot(steps, directions, axes=1)
            return np.mean(losses() * weight)

        numeric = finite_differences(loss, steps)
        value[...] = begun
        exact = np.sum(directions * gradients[name], axis=tuple(range(1, directions.ndim)))
        assert_allclose(exact, numeric, rtol=1e-4, atol=1e-9, err_msg=str(name))
        assert np.any(numeric != 0)


def tuned_classifier(*steps, **parameters):
    """Return an unfitted classifier; the default steps are a scaler, a model and a rectifier."""
    steps = steps or (StandardScaler(), psd(), Rectifier())
    pipeline = make_pipeline(*steps, LogisticRegression(max_iter=30))
    return FineTunedClassifier(pipeline, **{"max_iter": 2, "random_state": 0, **parameters})
