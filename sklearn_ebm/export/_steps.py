"""Fitted estimators and pipelines as steps that have modules, and back."""

import copy

import numpy as np
from sklearn.base import is_classifier, is_regressor
from sklearn.pipeline import Pipeline

from sklearn_ebm.estimators._fine_tuned import FineTuned
from sklearn_ebm.export._modules import require_formula
from sklearn_ebm.layers._state import Stateful
from sklearn_ebm.learning._heads import HeadStep
from sklearn_ebm.learning._modules import Step, is_passed_through
from sklearn_ebm.learning._stages import flat_steps, rebuilt


class Chain:
    """Modules of a fitted estimator, of all steps of a pipeline, or of a `FineTuned`.

    Parameters
    ----------
    estimator : estimator
        The last step of a pipeline may be a linear classifier or regressor.
    dtype : dtype
        Dtype of the parameters.
    """

    def __init__(self, estimator, dtype):
        self.estimator = estimator
        self.steps = [_step(name, each, np.dtype(dtype)) for name, each in _named(estimator)]
        self.modules = [module for step in self.steps for module in step.modules]
        last = self.steps[-1]
        self.is_binary = isinstance(last, HeadStep) and last.form.is_binary(last.estimator)

    def trained(self):
        """Return a copy of the estimator with the current parameters of the modules."""
        if not isinstance(self.estimator, Pipeline | FineTuned):
            return self.steps[0].trained()
        trained = {step.name: step.trained() for step in self.steps}
        if isinstance(self.estimator, Pipeline):
            return rebuilt(self.estimator, trained)
        tuned = copy.deepcopy(self.estimator)
        tuned.pipeline_ = rebuilt(self.estimator.pipeline_, trained)
        return tuned


def _named(estimator):
    """Return the names and the estimators of all steps."""
    if isinstance(estimator, FineTuned):
        estimator = estimator.to_pipeline()
    return list(flat_steps(estimator)) if isinstance(estimator, Pipeline) else [("", estimator)]


def _step(name, estimator, dtype):
    is_own = isinstance(estimator, Stateful) or is_passed_through(estimator)
    if not is_own and (is_classifier(estimator) or is_regressor(estimator)):
        return HeadStep(name, estimator, np.empty(0, dtype))
    require_formula(estimator)
    return Step(name, estimator, dtype)
