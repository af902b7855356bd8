"""`fit` and `partial_fit` of estimators whose energy an optimizer trains along gradients.

Such an estimator offers `_begin(trainer, data, weight, random_state, attempt, is_whole)`, which
returns a trainer with the current parameters and its samples, and `_keep(trainer)`, which sets the
fitted attributes.
"""

from sklearn.utils import check_random_state

from sklearn_ebm.inputs._adapters import Rows
from sklearn_ebm.inputs._chunked import read_samples
from sklearn_ebm.layers._state import NEW_FIT, refusable
from sklearn_ebm.learning._batch_sizes import GRADIENT_BATCHES
from sklearn_ebm.learning._divergence import warn_of_divergence
from sklearn_ebm.learning._line_search import LineSearchTrainer
from sklearn_ebm.learning._policies import Plateau, undoing_divergence
from sklearn_ebm.learning._trainer import Plan, Trainer


def fit_in_passes(model, X, sample_weight):
    """Learn from X in passes over shuffled batches, or over all samples.

    Parameters
    ----------
    model : estimator
        Sets `max_iter`, `tol`, `max_time`, `batch_size`, `warm_start` and `random_state`.
    X : array-like of shape (n_samples, n_features)
        Samples.
    sample_weight : array-like of shape (n_samples,) or None
        Weight of each sample.

    Returns
    -------
    end : Plateau or None
        The policy that did not end a line search before the last pass; otherwise None.
    """
    with refusable(model) as attempt:
        goes_on = model.warm_start and model.__sklearn_is_fitted__()
        trainer, data, weight = _read(model, X, sample_weight, goes_on)
        context = model._init_callback_context(max_subtasks=int(model.max_iter))
        context.call_on_fit_task_begin(estimator=model, X=data.passed)
        random_state = check_random_state(model.random_state)
        trainer, samples = model._begin(trainer, data, weight, random_state, attempt, True)
        trainer.begin()
        batch_size, guards = data.n_samples, []  # steps of a line search cannot diverge
        is_search = not trainer.criterion.optimizer.is_stochastic
        if not is_search:
            batch_size = GRADIENT_BATCHES.of_pass(model.batch_size, batch_size)
            guards = undoing_divergence()
        end = Plateau(float(model.tol), ends_if_equal=is_search)
        plan = Plan(int(model.max_iter), batch_size, random_state, model.max_time)
        try:
            outcome = trainer.run(samples, [*guards, end], plan, model, context)
        finally:
            model._keep(trainer)
        warn_of_divergence(outcome, model)
        context.call_on_fit_task_end(
            estimator=model, X=data.passed, reconstruction_attributes=model._snapshot
        )
    return end if is_search and not outcome.is_stopped else None


def fit_once(model, X, sample_weight):
    """Learn from one more chunk of data, in one pass."""
    with refusable(model) as attempt:
        trainer, data, weight = _read(model, X, sample_weight, model.__sklearn_is_fitted__())
        random_state = check_random_state(model.random_state)
        trainer, samples = model._begin(trainer, data, weight, random_state, attempt, False)
        try:
            batch_size = GRADIENT_BATCHES.of_chunk(model.batch_size)
            outcome = trainer.run_once(samples, undoing_divergence(), batch_size)
        finally:
            model._keep(trainer)
        warn_of_divergence(outcome, model)


def _read(model, X, sample_weight, goes_on):
    """Return the last trainer or None, the data of this call, and the weights or None."""
    trainer = model._learner_to_go_on() if goes_on else None
    dtype = None if trainer is None else trainer.dtype
    options = {"reset": trainer is None, "degree": 4, "dtype": dtype}
    data, weight, _ = read_samples(Rows(), model, X, None, sample_weight, **options)
    return trainer, data, weight


def is_stochastic(model):
    """Raise an AttributeError if the optimizer needs all samples in each step."""
    if model.optimizer == "lbfgs":
        raise AttributeError("partial_fit requires optimizer='adam' or 'sgd', got 'lbfgs'.")
    return True


def require_same(model):
    """Refuse changes of parameters that learning cannot continue with."""
    model._require_fitted_with(model._last_state.fitted_with, model._needs_fit, NEW_FIT)


def trainer_for(criterion, stream, trainer=None):
    """Return a trainer for the optimizer of a criterion; the given one if it has the same kind."""
    is_search = criterion.optimizer is not None and not criterion.optimizer.is_stochastic
    kind = LineSearchTrainer if is_search else Trainer
    return trainer if type(trainer) is kind else kind(criterion, stream)
