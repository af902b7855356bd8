"""What scikit-learn asks of every estimator."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from tests.estimators.registry import MODELS


@parametrize_with_checks(list(MODELS.values()))
def test_model_is_a_transformer_of_scikit_learn(estimator, check):
    check(estimator)
