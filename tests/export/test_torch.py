"""Models converted to PyTorch have the same output, and can be trained there."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags

from sklearn_ebm import PSD
from sklearn_ebm.export import from_torch, to_torch
from tests.export.cases import (
    CLASSIFIERS,
    OPTIMAL,
    OTHERS,
    REGRESSORS,
    TRANSFORMERS,
    fitted,
    fitted_classifier,
    fitted_regressor,
)
from tests.registries import estimators as registry

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning", "ignore:.*hidden units are dead"
)
TRAINED = [
    "PSD-shrinkage-encoder",
    "GroupSparsePSD-map",
    "LISTAEncoder-lfista-untied",
    "ConvPSD-grey",
    "AutoEncoder",
    "RBM-pcd",
]


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_a_network_has_the_output_of_transform(name):
    model, X = fitted(name)
    network = to_torch(model, X.dtype)
    found, expected = network(torch.from_numpy(X)), np.asarray(model.transform(X))
    assert_allclose(found.detach().numpy(), expected, rtol=1e-6, atol=1e-6)
    assert found.dtype == torch.from_numpy(X).dtype


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_gradients_reach_the_input_and_all_parameters(name):
    """They are finite at the kinks of the formulas, too. Codes of categories are not continuous."""
    model, X = fitted(name)
    network, x = to_torch(model, "float64"), torch.from_numpy(X.astype(float)).requires_grad_()
    network(x).square().sum().backward()
    of_input = [] if get_tags(model).input_tags.categorical else [x.grad]
    for gradient in [*of_input, *(each.grad for each in network.parameters())]:
        assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_network_has_the_scores_of_a_classifier(name):
    model, X = fitted_classifier(name)
    found = to_torch(model, "float64")(torch.from_numpy(X)).detach().numpy()
    assert_allclose(found, model.decision_function(X), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", TRAINED)
def test_parameters_trained_in_torch_return_to_a_copy_of_the_model(name):
    model, X = fitted(name)
    before = np.asarray(model.transform(X))
    network, x = to_torch(model, "float64"), torch.from_numpy(X.astype(float))
    optimizer = torch.optim.SGD(network.parameters(), 1e-3)
    for _ in range(2):
        optimizer.zero_grad()
        network(x).square().mean().backward()
        optimizer.step()
    trained = from_torch(network, model)
    assert_array_equal(model.transform(X), before)
    assert not np.array_equal(trained.transform(X), before)
    assert_allclose(trained.transform(X), network(x).detach().numpy(), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_parameters_of_a_classifier_return_to_a_copy(name):
    model, X = fitted_classifier(name)
    network = to_torch(model, "float64")
    with torch.no_grad():
        for parameter in network.parameters():
            parameter *= 0.9
    trained, found = from_torch(network, model), network(torch.from_numpy(X)).detach().numpy()
    assert_allclose(trained.decision_function(X), found, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", REGRESSORS)
def test_a_network_has_the_predictions_of_a_regressor_and_returns_to_a_copy(name):
    model, X = fitted_regressor(name)
    network, x = to_torch(model, "float64"), torch.from_numpy(X)
    expected = model.predict(X)
    assert_allclose(network(x).detach().numpy().reshape(expected.shape), expected, rtol=1e-9)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter *= 0.9
    trained, found = from_torch(network, model), network(x).detach().numpy()
    assert_allclose(trained.predict(X), found.reshape(expected.shape), rtol=1e-9, atol=1e-9)


def test_a_network_can_be_pickled():
    network = to_torch(fitted("ConvPSD")[0])
    again, x = pickle.loads(pickle.dumps(network)), torch.from_numpy(fitted("ConvPSD")[1]).float()
    assert torch.equal(again(x), network(x))


@pytest.mark.parametrize("name", OTHERS)
def test_an_estimator_that_is_not_a_network_is_refused(name):
    with pytest.raises(
        ValueError,
        match=f"{registry.CASES[name].kind} cannot be exported as a feed-forward network",
    ):
        to_torch(registry.fitted(name))


@pytest.mark.parametrize("name", OPTIMAL)
def test_optimal_codes_are_refused(name):
    with pytest.raises(ValueError, match="cannot be exported"):
        to_torch(registry.fitted(name))


def test_a_model_that_is_not_fitted_is_refused():
    with pytest.raises(NotFittedError):
        to_torch(PSD())
