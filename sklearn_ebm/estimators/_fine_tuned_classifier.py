"""The layerwise recipe, and the refinement of all of it with labels, as one classifier."""

import copy
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone, is_classifier
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing, check_random_state, get_tags, indexable
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from sklearn_ebm._sklearn import (
    HasMethods,
    Interval,
    LinearClassifierMixin,
    StrOptions,
    _fit_context,
)
from sklearn_ebm._warnings import warn
from sklearn_ebm.backends import BACKENDS, read_only, resolve_backend
from sklearn_ebm.estimators._rehearsal import (
    check_parameters,
    check_shapes,
    check_steps,
    check_unlabelled,
    check_values,
)
from sklearn_ebm.estimators._scores import ScoresMixin
from sklearn_ebm.factors import SCORE_LOSSES
from sklearn_ebm.inputs._labels import check_labels, with_mean_one
from sklearn_ebm.inputs._rows import native
from sklearn_ebm.layers._state import Stateful, refusable
from sklearn_ebm.learning._curves import Curves
from sklearn_ebm.learning._divergence import divergence_message
from sklearn_ebm.learning._labelled import LOOKED_AT, LabelledSamples, as_input
from sklearn_ebm.learning._modules import (
    HeadStep,
    Step,
    backend_of,
    is_trainable,
    require_derivative,
    require_linear,
)
from sklearn_ebm.learning._network import Network
from sklearn_ebm.learning._optimizers import OPTIMIZERS
from sklearn_ebm.learning._policies import (
    ConfirmLastStep,
    FirstLoss,
    HeldOut,
    KeepBest,
    Patience,
    least_objective,
)
from sklearn_ebm.learning._rates import LEARNING_RATE, learning_rate_schedule
from sklearn_ebm.learning._stages import (
    Layerwise,
    TrainingData,
    batches_through,
    first_row,
    flat_steps,
    on_host,
    rebuilt,
    stages_of,
    transformed,
)
from sklearn_ebm.learning._trainer import Plan, Trainer
from sklearn_ebm.learning.criteria import Labels
from sklearn_ebm.learning.criteria._labels import merit

AUTOMATIC_RATE = 1e-3  # initial rate of learning_rate="auto"
EPSILON = 1e-8  # of Adam: cross-entropies are of size one
MANY_SAMPLES = 10_000  # above which early_stopping="auto" stops early


class FineTunedClassifier(
    Stateful, CallbackSupportMixin, ScoresMixin, ClassifierMixin, BaseEstimator
):
    """Features learned layer by layer without labels, then trained as one network with them.

    The pipeline is fitted stage by stage, its last step, a linear classifier, on what comes out;
    then the encoders of its models and the classifier are trained together, by back-propagation of
    the cross-entropy -log p(y | x), p the softmax of the classifier's scores. Data stream through
    in batches; what lies between the steps is never there for all samples at once.

    Parameters
    ----------
    estimator : Pipeline
        Transformers, and a linear classifier at the end. From the first model on that is trained
        (`PSD`, `ConvPSD`, `GroupSparsePSD`, `LISTAEncoder`, `RBM`), all steps must have a
        derivative: other models, layers, and linear maps like `StandardScaler` and `PCA`, which
        stay as they are. Its `memory` caches each stage and its output on disk.
    prefit : bool, default=False
        Whether the pipeline is fitted already; it is copied then, and stays as it is.
    subsample : int or None, default=None
        Samples, drawn at random with and without labels, that the steps before the classifier learn
        from at most; None takes all.
    optimizer : {"adam", "sgd"}, default="adam"
        Optimizer that trains the network: Adam, or stochastic gradient descent with momentum.
    learning_rate : float, callable or "auto", default="auto"
        Initial learning rate, which decays linearly to zero over `max_iter` passes of `fit`. A
        callable receives the completed share of training, from 0 to 1, and returns the rate:
        `lambda done: 1e-3` for a constant rate, `lambda done: 5e-4 * (1 + cos(pi * done))` for
        cosine decay. "auto" is 1e-3. Steps of an encoder are scaled by the size of its initial
        weights: with "adam", the rate applies to weights with a root mean square of 0.01.
    learning_rates : dict of str to float or None, default=None
        Factors of the learning rate for steps by name, the classifier's included; 0 leaves a step
        as it is. One where none is given.
    momentum : float, default=0.9
        Share of the previous step that is added to each step. It applies to `optimizer="sgd"` only.
    weight_decay : float, default=0.0
        Share by which weights shrink in each step, times the learning rate. Thresholds and biases
        do not shrink.
    max_iter : int, default=20
        Maximum number of passes over X. These are the passes with labels; 0 keeps the pipeline as
        it was fitted stage by stage.
    batch_size : int, default=100
        Number of samples per training step.
    early_stopping : bool or "auto", default="auto"
        Whether to hold out samples, keep the parameters that are best on them, and stop where
        `n_iter_no_change` passes gained nothing. "auto" does for more than 10,000 samples.
    validation_fraction : float, default=0.1
        Share of the samples that is held out of training. It is the same for each class.
    n_iter_no_change : int, default=10
        Number of passes without an increase of the held-out accuracy, or a decrease of the held-out
        loss at the same accuracy, after which training stops.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes in the cross-entropy, beside `sample_weight`.
    backend : {"auto", "numpy", "numba", "cupy"}, default="auto"
        Library for training the network. "auto" follows the parameters of its steps: CuPy for CuPy
        arrays, otherwise Numba. The classifier runs on the host, and scores and probabilities are
        computed there.
    warm_start : bool, default=False
        Whether `fit` continues from the previous fit instead of starting anew. It then trains with
        labels only.
    random_state : int, RandomState instance or None, default=None
        Seed or generator of the random numbers. Pass an int for reproducible results. It determines
        the held-out samples and the order of the samples; steps of the pipeline have their own.
    verbose : int, default=0
        Whether to print a line after each pass.

    Attributes
    ----------
    pipeline_ : Pipeline
        The tuned pipeline.
    classes_ : ndarray of shape (n_classes,)
        Labels.
    n_iter_ : int
        Passes made.
    objective_curve_ : ndarray of shape (n_iter_,)
        Mean cross-entropy of a sample in each pass.
    accuracy_curve_ : ndarray of shape (n_iter_,)
        Share of right answers in each pass, while it was made.
    validation_curve_ : ndarray of shape (n_iter_ + 1,)
        Mean cross-entropy of the samples that are held out, before the first pass and after each;
        empty where none are.
    validation_accuracy_curve_ : ndarray of shape (n_iter_ + 1,)
        Share of right answers on them; the model is that of the largest.
    seconds_curve_ : ndarray of shape (n_iter_,)
        Seconds from the start of the passes to the end of each.
    n_features_in_ : int
        Features seen in fit, of the first step.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, where X had any.

    See Also
    --------
    make_feature_hierarchy : Writes the usual pipelines.
    PSD, ConvPSD, RBM : What is trained.

    References
    ----------
    K. Jarrett, K. Kavukcuoglu, M. Ranzato, Y. LeCun (2009). What is the best multi-stage
    architecture for object recognition?, section 3.
    G. E. Hinton, R. R. Salakhutdinov (2006). Reducing the dimensionality of data with neural
    networks.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_ebm import PSD, FineTunedClassifier, Rectifier
    >>> X, y = load_digits(return_X_y=True)
    >>> psd = PSD(64, alpha=0.5, tol=1e-2, random_state=0)
    >>> pipeline = make_pipeline(StandardScaler(), psd, Rectifier(), LogisticRegression())
    >>> classifier = FineTunedClassifier(pipeline, max_iter=10, random_state=0)
    >>> bool(classifier.fit(X[:1000], y[:1000]).score(X[1000:], y[1000:]) > 0.9)
    True
    """

    _model_attributes = ("pipeline_", "classes_")
    _parameter_constraints: dict = {
        "estimator": [HasMethods("fit")],
        "prefit": ["boolean"],
        "subsample": [Interval(Integral, 1, None, closed="left"), None],
        "optimizer": [StrOptions(set(OPTIMIZERS))],
        "learning_rate": LEARNING_RATE,
        "learning_rates": [dict, None],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean", StrOptions({"auto"})],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "backend": [StrOptions({"auto", *BACKENDS})],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        estimator,
        *,
        prefit=False,
        subsample=None,
        optimizer="adam",
        learning_rate="auto",
        learning_rates=None,
        momentum=0.9,
        weight_decay=0.0,
        max_iter=20,
        batch_size=100,
        early_stopping="auto",
        validation_fraction=0.1,
        n_iter_no_change=10,
        class_weight=None,
        backend="auto",
        warm_start=False,
        random_state=None,
        verbose=0,
    ):
        self.estimator = estimator
        self.prefit = prefit
        self.subsample = subsample
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.learning_rates = learning_rates
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.class_weight = class_weight
        self.backend = backend
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, sample_weight=None, unsupervised_X=None):
        """Fit the pipeline stage by stage, then train all of it with labels.

        Parameters
        ----------
        X : array-like with n_samples rows
            What the first step of the pipeline takes: rows, images, a data frame.
        y : array-like of shape (n_samples,)
            Labels.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weights of the samples for the classifier and the cross-entropy, both scaled to a mean
            of one. Samples without weight do not take part. What is learned without labels takes
            all samples alike.
        unsupervised_X : array-like or None, default=None
            More data of the kind of X, without labels: the steps before the classifier learn from
            both.

        Returns
        -------
        FineTunedClassifier
            The fitted classifier. Where Ctrl-C ends the training with labels, it has the best
            parameters so far.

        Raises
        ------
        ValueError
            If the pipeline has no linear classifier at its end, or a step that cannot be
            differentiated after one that is trained; if parameters or shapes of steps are known to
            be wrong; if labels are missing, or fewer than two classes have a weight; if
            unsupervised_X has another shape than X.
        OSError
            If the disk has no room for the output of a stage.
        """
        with refusable(self) as attempt:
            return self._learn(X, y, sample_weight, unsupervised_X, attempt)

    def _learn(self, X, y, sample_weight, unsupervised_X, attempt):
        if self._goes_on():
            self._ready(learning=True)
        steps = self._check_pipeline()
        (X,), (unsupervised_X,) = indexable(native(X)), indexable(native(unsupervised_X))
        labels = check_labels(self, X, on_host(y), on_host(sample_weight), self.class_weight)
        unsupervised_X = check_unlabelled(unsupervised_X, X)
        self._rehearse(steps, labels.classes, X)
        random_state = check_random_state(self.random_state)
        split = self._split(labels, random_state)
        context = self._init_callback_context(max_subtasks=len(stages_of(steps)) + 2)
        context.call_on_fit_task_begin(estimator=self, X=X, y=labels.y)
        if not self._goes_on() and self.prefit:
            self._keep(copy.deepcopy(self.estimator), Curves())
        elif not self._goes_on():
            data = TrainingData(X, labels.y, unsupervised_X, self.subsample, random_state)
            self._keep(self._fit_layerwise(data, split[0], labels, context), Curves())
        self._tune(X, labels, split, random_state, context, attempt)
        context.call_on_fit_task_end(estimator=self, X=X, y=labels.y)
        return self

    def _goes_on(self):
        return self.warm_start and hasattr(self, "pipeline_")

    def _check_pipeline(self):
        """What can be said of the pipeline before it is fitted; its steps but the classifier."""
        if not isinstance(self.estimator, Pipeline):
            raise ValueError(
                "estimator must be a Pipeline that ends in a linear classifier; got "
                f"{type(self.estimator).__name__}."
            )
        name, classifier = self.estimator.steps[-1]
        if not is_classifier(classifier):
            raise ValueError(
                f"The last step of the pipeline, {name!r}, is no classifier but "
                f"{type(classifier).__name__}: put one there, for instance LogisticRegression()."
            )
        if type(classifier).__module__.startswith("sklearn."):
            require_linear(name, isinstance(classifier, LinearClassifierMixin), classifier)
        if self.prefit:
            check_is_fitted(self.estimator, msg="prefit=True, but the pipeline is not fitted.")
        steps = list(flat_steps(self.estimator))[:-1]
        names = [*(name for name, _ in steps), name]
        unknown = sorted(set(self.learning_rates or ()) - set(names))
        if unknown:
            raise ValueError(f"learning_rates has {unknown}, but the steps are {names}.")
        for step, rate in (self.learning_rates or {}).items():
            if not (isinstance(rate, Real) and 0 <= rate < np.inf):
                raise ValueError(
                    f"learning_rates[{step!r}] must be a finite non-negative number, got {rate!r}."
                )
        for name, step in steps[self._n_before(steps) :]:
            require_derivative(name, step)
        return steps

    def _rate_of(self, name):
        return float((self.learning_rates or {}).get(name, 1.0))

    def _n_before(self, steps):
        """How many steps stand before the first one that is trained."""
        trained = (
            number
            for number, (name, step) in enumerate(steps)
            if is_trainable(step) and self._rate_of(name) > 0
        )
        return next(trained, len(steps))

    def _rehearse(self, steps, classes, X):
        """Refuse before any step is fitted what would be refused afterwards."""
        resolve_backend(self.backend, X)
        self._schedule()  # refuses a callable that returns no rate
        if self._goes_on() or self.prefit:
            pipeline = self.pipeline_ if self._goes_on() else self.estimator
            self._require_classes(classes, pipeline.steps[-1][1].classes_)
            fitted = [step for _, step in flat_steps(pipeline)][:-1]
            if self.max_iter > 0:
                check_values(fitted, self._n_before(steps), X)
        else:
            classifier = self.estimator.steps[-1][1]
            check_steps(self, steps, X)
            check_parameters(classifier)
            check_shapes(steps, classifier, X)

    @staticmethod
    def _require_classes(classes, known):
        if not np.isin(classes, known).all():
            raise ValueError(
                f"y has the classes {classes}, but training goes on with a classifier of {known}."
            )

    def _split(self, labels, random_state):
        """Samples to learn from, and samples to hold out or None."""
        stops_early = self.early_stopping
        if stops_early == "auto":
            stops_early = len(labels.rows) > MANY_SAMPLES
        if not stops_early:
            return labels.rows, None
        return labels.split(float(self.validation_fraction), random_state)

    def _fit_layerwise(self, data, train, labels, context):
        """The fitted pipeline; the classifier learns from what is not held out alone."""
        *steps, (name, classifier) = flat_steps(self.estimator)

        def task(name):
            return context.subcontext(task_name=f"fit {name}")

        fitted, features = Layerwise(self.estimator.memory).fit(steps, data, task)
        classifier, options = clone(classifier), {}
        if labels.sample_weights is not None and has_fit_parameter(classifier, "sample_weight"):
            options["sample_weight"] = with_mean_one(labels.sample_weights, train)[train]
        subcontext = task(name).call_on_fit_task_begin(estimator=self)
        classifier.fit(on_host(_safe_indexing(features, train)), data.y[train], **options)
        subcontext.call_on_fit_task_end(estimator=self)
        return rebuilt(self.estimator, dict([*fitted, (name, classifier)]))

    def _tune(self, X, labels, split, random_state, context, attempt):
        """Train the network that the pipeline is, and keep it as a pipeline again."""
        if self.max_iter == 0:
            return
        train, held_out = split
        *steps, (name, classifier) = flat_steps(self.pipeline_)
        n_before = self._n_before(steps)
        before = [step for _, step in steps[:n_before]]
        row = as_input(transformed(before, first_row(X)))
        trained = [Step(*step, row.dtype) for step in steps[n_before:]]
        backend = backend_of(trained, row, self.backend)
        trained.append(HeadStep(name, classifier, backend.to_device(row)))
        network = Network.of_steps(trained, SCORE_LOSSES["cross_entropy"], backend)
        learner = Trainer(Labels(network, self._optimizer(network)))
        learner.criterion.follow(self._schedule(), backend.name)
        target = (labels.y[:, None] == self.classes_).astype(float)
        weights = with_mean_one(labels.weights, *(rows for rows in split if rows is not None))
        samples = LabelledSamples(
            X, target, weight=weights, before=before, backend=backend, dtype=row.dtype
        )
        policies = self._policies(samples, train, held_out)
        plan = Plan(int(self.max_iter), int(self.batch_size), random_state)
        self._tuning = trained, learner.curves
        attempt.begin(learner)
        task = context.subcontext(task_name="tune", max_subtasks=int(self.max_iter))
        task.call_on_fit_task_begin(estimator=self, X=X, y=labels.y)
        try:
            outcome = learner.run(samples.part(train), policies, plan, self, task)
        finally:
            self._keep(self._tuned_pipeline(trained), learner.curves)
            del self._tuning
        if outcome.has_diverged:
            warn(divergence_message(self.learning_rate), ConvergenceWarning)
        task.call_on_fit_task_end(estimator=self, X=X, y=labels.y)

    def _policies(self, samples, train, held_out):
        """Keep what is best on held-out samples; without them, the last parameters."""
        first = FirstLoss([samples.part(train).take(train[:LOOKED_AT])])
        if held_out is None:
            return [ConfirmLastStep(), first, KeepBest(least_objective, always=False)]
        watch = HeldOut(samples.part(held_out), merit)
        best = KeepBest(lambda trainer: watch.merit)
        return [ConfirmLastStep(), watch, first, best, Patience(watch, int(self.n_iter_no_change))]

    def _optimizer(self, network):
        own = {"adam": {"epsilon": EPSILON}, "sgd": {"momentum": float(self.momentum)}}
        return OPTIMIZERS[self.optimizer](
            network.parameters,
            scales={name: self._rate_of(name[0]) for name in network.parameters},
            decay=float(self.weight_decay),
            units=network.scales,
            **own[self.optimizer],
        )

    def _schedule(self):
        return learning_rate_schedule(self.learning_rate, AUTOMATIC_RATE)

    def _tuned_pipeline(self, trained):
        """Return the pipeline with the present parameters of steps that are trained."""
        steps = dict(flat_steps(self.pipeline_))
        steps |= {step.name: step.trained() for step in trained}
        return rebuilt(self.pipeline_, steps)

    def _keep(self, pipeline, curves):
        """Every fitted attribute."""
        vars(self).update(self._left(None, self._fitted(pipeline, curves), None))

    def _take_over(self, state, replaced):
        """Check what users may have replaced: a pipeline has classes of its own."""
        if not replaced:
            return
        check_is_fitted(self.pipeline_)
        classes = self.pipeline_.steps[-1][1].classes_
        given = self.classes_ if "classes_" in replaced else classes
        if np.shape(given) != np.shape(classes):
            raise ValueError(
                f"classes_ has shape {np.shape(given)}, but the classifier in pipeline_ has "
                f"{len(classes)} classes."
            )
        self.classes_ = read_only(np.array(given))

    def _fitted(self, pipeline, curves):
        first = pipeline.steps[0][1]
        seen = {
            name: getattr(first, name)
            for name in ("n_features_in_", "feature_names_in_")
            if hasattr(first, name)
        }
        return {
            **seen,
            "pipeline_": pipeline,
            "classes_": pipeline.steps[-1][1].classes_,
            "n_iter_": curves.n_passes,
            "objective_curve_": np.asarray(curves["objective"]),
            "accuracy_curve_": np.asarray(curves["accuracy"]),
            "validation_curve_": np.asarray(curves["validation"]),
            "validation_accuracy_curve_": np.asarray(curves["validation_accuracy"]),
            "seconds_curve_": np.asarray(curves["seconds"]),
        }

    def _snapshot(self):
        """Fitted attributes for callbacks that want a usable model in the middle of fit."""
        trained, curves = self._tuning
        return self._left(None, self._fitted(self._tuned_pipeline(trained), curves), None)

    def to_pipeline(self):
        """The tuned pipeline, as one of scikit-learn's own.

        Returns
        -------
        Pipeline
            A copy of `pipeline_`: the steps of `estimator`, fitted and tuned. Its predictions are
            those of the classifier.
        """
        self._ready()
        return copy.deepcopy(self.pipeline_)

    def decision_function(self, X):
        """Compute the scores of the classes.

        Parameters
        ----------
        X : array-like with n_samples rows
            Data.

        Returns
        -------
        ndarray of shape (n_samples, n_classes), or (n_samples,) of two classes
            Of two classes, that of the second one.
        """
        self._ready()
        (X,) = indexable(native(X))
        *steps, classifier = (step for _, step in flat_steps(self.pipeline_))
        return np.concatenate(
            [
                classifier.decision_function(on_host(transformed(steps, _safe_indexing(X, rows))))
                for rows in batches_through(steps, X)
            ]
        )

    def __sklearn_clone__(self):
        """A pipeline that is fitted stays so: fit does not fit it."""
        cloned = super().__sklearn_clone__()
        if self.prefit:
            cloned.estimator = copy.deepcopy(self.estimator)
        return cloned

    def __sklearn_is_fitted__(self):
        """Data that passed validation are not yet a fitted model."""
        return hasattr(self, "pipeline_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self.estimator).input_tags
        return tags
