"""Predictive sparse decomposition of sequences, with units shared by successive frames."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Literal, Self

from sklearn_ebm._sklearn import Interval, StrOptions, _fit_context, with_callbacks
from sklearn_ebm._typing import (
    Array,
    ArrayLike,
    Backend,
    BatchSize,
    Inference,
    LearningRate,
    MatrixLike,
    RandomState,
    Scale,
)
from sklearn_ebm.backends import array_namespace
from sklearn_ebm.estimators._dictionary_learning import Prediction
from sklearn_ebm.estimators._fitted import read
from sklearn_ebm.estimators._frames import Frames, checked_features, generated
from sklearn_ebm.estimators._network_forms import NoNetwork
from sklearn_ebm.estimators._psd import AUTOMATIC_RATE, PREDICTION_CONSTRAINTS
from sklearn_ebm.estimators._sparse_model import COMMON_CONSTRAINTS, SparseModel
from sklearn_ebm.estimators._what_where_learning import FrameAtoms, WhatWhereLearning
from sklearn_ebm.factors.penalties._what_where import WhatWherePenalty, number_of_units
from sklearn_ebm.inputs._checks import check_weight
from sklearn_ebm.inputs._windows import Windows
from sklearn_ebm.layers._state import refusable
from sklearn_ebm.learning._batch_sizes import ENCODER_BATCHES
from sklearn_ebm.learning._rates import learning_rate_schedule

UNUSED = ("penalty", "positive", "relative_alpha", "solver", "sparse_output")


class WhatWherePSD(SparseModel):
    """Sparse coding of sequences: hidden units that change slowly gate the codes of several frames.

    Successive frames of a film show the same objects at different positions. The model separates
    what is constant over a window of frames from what changes: the units u, the "what", are shared
    by all frames x^t of a window, and the codes z^t of the frames contain the "where". The energy
    of a window is::

        E(x, z, u) = sum_t (1/2 ||x^t - z^t D||^2 + beta/2 ||z^t - f(x^t)||^2)
                   + alpha sum_t sum_i z^t_i / h_i(u) + cost(u),     z >= 0, u >= 0

    where the rows of the dictionary D are the atoms, f is the encoder, and h(u) is the gain of the
    components. A component with a large gain is cheap in all frames of the window. The coupling
    defines the gain:

    - "gated": h(u) = exp(u A), with learned weights A >= 0 and the cost gamma alpha^2 sum_g u_g.
      A unit learns components that are active at nearly the same time, such as edges of one
      orientation at neighbouring positions.
    - "product": h(u) = u P, with disjoint pools P of equal size and the cost alpha sum_g u_g. This
      is a group penalty with pools of components and of time, and the pools do not overlap.

    `fit` infers codes and units of a batch of windows, and then updates D, A and f. The encoder is
    f(x) = max(x W + b, 0).

    Parameters
    ----------
    n_components : int or None, default=None
        Number of atoms. If None, it is the number of atoms in `dictionary` or `dictionary_init`, or
        the number of features if neither is given.
    n_what : int or None, default=None
        Number of units u. None is a quarter of the number of atoms.
    coupling : {"gated", "product"}, default="gated"
        Dependence of the gain on the units: exp(u A) with learned A, or u P with fixed pools.
    n_frames : int, default=3
        Number of frames in a window. The window of a sample ends at this sample. Before a sequence
        begins, its first sample is repeated.
    alpha : float or "scale", default="scale"
        Weight of the sparsity penalty, in `fit` and `transform` alike. Larger values give sparser
        codes. "scale" is the root mean square of the training data, which is 1 for data of unit
        variance; the codes are then proportional to the scale of the data. With
        `coupling="product"`, "scale" is this root mean square to the power 3/2.
    gamma : float, default=4.0
        Cost of a unit u with `coupling="gated"`, relative to alpha^2, so that it does not depend on
        the scale of the data. With a larger cost, fewer units are active, and each learns more
        components. Ignored with `coupling="product"`.
    beta : float, default=1.0
        Weight of the prediction term beta/2 ||z - f(x)||^2. With larger values, the codes are
        closer to their predictions f(x).
    output : {"what", "where", "simple", "both"}, default="what"
        Features that `transform` returns: "what" for the units u, "where" for z / h(u), "simple"
        for the codes z, and "both" for u followed by z / h(u).
    inference : {"encoder", "optimal"}, default="encoder"
        Code that `transform` returns: "encoder" for the prediction f(x), "optimal" for the optimal
        code argmin_z E(x, z), which takes longer. The units minimise the energy given these codes.
    dictionary : array-like of shape (n_components, n_features) or None, default=None
        Fixed atoms, used without normalisation. If given, `fit` trains only the encoder and the
        gates.
    dictionary_init : array-like of shape (n_components, n_features) or None, default=None
        Initial atoms, which are scaled to unit norm. If None, they are drawn from the samples.
    max_iter : int, default=20
        Maximum number of passes over X.
    tol : float, default=1e-3
        Tolerance of the stopping criterion: learning stops when the relative change of the mean
        energy between two passes is at most this value. With 0, all `max_iter` passes are made.
    max_time : float or None, default=None
        Maximum duration of learning, in seconds. When it is reached, `fit` completes the current
        training step and stops, without a warning; a pass that ends early counts in `n_iter_` and
        the curves. None sets no limit. `partial_fit` ignores the limit.
    batch_size : int or "auto", default="auto"
        Number of samples per training step. "auto" is 2 % of the samples, but at least 32 and at
        most 512, so that training makes enough steps on small data sets. `partial_fit` uses 512.
    learning_rate : float, callable or "auto", default="auto"
        Initial learning rate, which decays linearly to zero over `max_iter` passes of `fit`, or
        over `max_time` if that ends first. A callable takes the completed fraction of training,
        from 0 to 1, and returns the rate: `lambda done: 1e-3` for a constant rate,
        `lambda done: 5e-4 * (1 + cos(pi * done))` for cosine decay. `partial_fit` uses the initial
        rate. "auto" is 3e-3. Steps of biases, thresholds and gains are multiplied by the scale of
        the data, so that the same rate suits data of any scale.
    code_max_iter : int, default=20
        Maximum number of alternations between codes and units when optimal codes are inferred.
    code_tol : float, default=1e-3
        Tolerance of inference, which stops when the duality gap of an optimal code, relative to
        1/2 ||x||^2, is at most this value. The gap is that of the codes of a window, given its
        units.
    missing_values : float or None, default=None
        Placeholder for missing entries of X, `np.nan` or a number. The reconstruction error ignores
        missing entries. The encoder treats them as zeros. It must be None if X is sparse.
    backend : {"auto", "numpy", "numba", "cupy"}, default="auto"
        Library that performs the computations. "auto" uses CuPy if X is a CuPy array, and Numba
        otherwise.
    warm_start : bool, default=False
        Whether `fit` continues from the previous fit instead of starting anew.
    random_state : int, RandomState instance or None, default=None
        Seed or generator of the random numbers. Pass an int for reproducible results. It determines
        the initial atoms and gates, and the order of the samples.
    verbose : int, default=0
        Verbosity level. If it is not zero, a line is printed after each pass.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Atoms of unit norm.
    what_components_ : ndarray of shape (n_what, n_components)
        Weights of the components in each unit: A, with rows of unit norm, or the pools P.
    alpha_ : float
        Weight of the sparsity penalty in the last fit.
    encoder_ : encoder
        The encoder f. `forward(X)` returns its codes, and `parameters` is a dict of its arrays.
    encoder_components_ : ndarray of shape (n_components, n_features)
        Filters of the encoder, the columns of W.
    n_iter_ : int
        Number of passes over X.
    objective_curve_ : ndarray of shape (n_iter_,)
        Mean energy per window in each pass.
    seconds_curve_ : ndarray of shape (n_iter_,)
        Seconds from the start of learning to the end of each pass.
    sparsity_curve_ : ndarray of shape (n_iter_,)
        Fraction of non-zero entries of the optimal codes in each pass.
    usage_ : ndarray of shape (n_components,)
        Fraction of the samples whose optimal code used each atom in the last pass.
    n_replaced_ : int
        Number of unused atoms that were replaced by samples.
    unconverged_ : float
        Fraction of the codes in the last pass whose duality gap is above the larger of `code_tol`
        and 1e-3.
    n_features_in_ : int
        Number of features seen during :term:`fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during :term:`fit`, if X has names that are all strings.

    See Also
    --------
    PSD : Predictive sparse decomposition of single samples.
    GroupSparsePSD : Pools of components on a map, without time.
    sklearn_ebm.datasets.sample_moving_patches : Sequences of patches of photographs and films.
    sklearn_ebm.inspection.WhatWhereDisplay : Display of the atoms of each unit.

    Notes
    -----
    Given the units, the codes are those of a weighted L1 penalty, and have a duality gap. Given the
    codes, the units have a closed form ("product"), or are the solution of a convex problem
    ("gated"). Inference alternates between the two, starting from u = 0, so that the energy never
    rises. It is not convex in both together, and ends at a stationary point, which may be a local
    minimum.

    For "product", the gain is (u + epsilon) P with a small number epsilon, such that components of
    pools with u = 0 have a finite cost.

    X may be a sparse matrix on the host, in `fit` and in all other methods. Products with sparse X
    are sparse, and X is never converted to a dense array. Sparse and dense X give the same results,
    up to rounding errors. Dask arrays are not supported, since windows may extend over chunks.

    References
    ----------
    K. Gregor, Y. LeCun (2011). Efficient learning of sparse invariant representations,
    arXiv:1105.5307. K. Gregor, Y. LeCun (2010). Emergence of complex-like cells in a temporal
    product network with local receptive fields, arXiv:1006.0448.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ebm import WhatWherePSD
    >>> from sklearn_ebm.datasets import sample_moving_patches
    >>> images = np.random.default_rng(0).standard_normal((2, 40, 40))
    >>> X, groups = sample_moving_patches(images, 6, 100, n_frames=3, random_state=0)
    >>> model = WhatWherePSD(24, n_what=4, gamma=1.0, max_iter=3, tol=0, random_state=0)
    >>> what = model.fit(X, groups=groups).transform(X, groups=groups)
    >>> what.shape
    (300, 4)
    """

    _batch_sizes = ENCODER_BATCHES
    _has_independent_samples = False
    _model_attributes = (
        "components_", "alpha_", "what_components_", "encoder_", "encoder_components_",
    )  # fmt: skip
    _needs_fit = ("n_components", "n_what", "coupling", "n_frames", "dictionary")
    _needs_new_learner = ("n_what", "coupling")
    _needs_fit_to_encode = _free_to_change = ("alpha", "gamma", "beta")
    _specifications = ()
    _fit_derives = ("alpha",)
    # fixed counterparts of the parameters of other models
    encoder = "relu"
    positive = True
    relative_alpha = False
    solver = "auto"
    _parameter_constraints: dict = {
        **{name: kind for name, kind in COMMON_CONSTRAINTS.items() if name not in UNUSED},
        **PREDICTION_CONSTRAINTS,
        "n_what": [Interval(Integral, 1, None, closed="left"), None],
        "coupling": [StrOptions({"gated", "product"})],
        "n_frames": [Interval(Integral, 1, None, closed="left")],
        "gamma": [Interval(Real, 0, None, closed="neither")],
        "output": [StrOptions({"what", "where", "simple", "both"})],
    }

    def __init__(
        self,
        n_components: int | None = None,
        *,
        n_what: int | None = None,
        coupling: Literal["gated", "product"] = "gated",
        n_frames: int = 3,
        alpha: float | Scale = "scale",
        gamma: float = 4.0,
        beta: float = 1.0,
        output: Literal["what", "where", "simple", "both"] = "what",
        inference: Inference = "encoder",
        dictionary: ArrayLike | None = None,
        dictionary_init: ArrayLike | None = None,
        max_iter: int = 20,
        tol: float = 1e-3,
        max_time: float | None = None,
        batch_size: BatchSize = "auto",
        learning_rate: LearningRate = "auto",
        code_max_iter: int = 20,
        code_tol: float = 1e-3,
        missing_values: float | None = None,
        backend: Backend = "auto",
        warm_start: bool = False,
        random_state: RandomState = None,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.n_what = n_what
        self.coupling = coupling
        self.n_frames = n_frames
        self.alpha = alpha
        self.gamma = gamma
        self.beta = beta
        self.output = output
        self.inference = inference
        self.dictionary = dictionary
        self.dictionary_init = dictionary_init
        self.max_iter = max_iter
        self.tol = tol
        self.max_time = max_time
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.code_max_iter = code_max_iter
        self.code_tol = code_tol
        self.missing_values = missing_values
        self.backend = backend
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    # ------------------------------------------------------------------------- parts of the model
    def _atoms(self):
        return FrameAtoms(self.n_components, self.dictionary, self.dictionary_init)

    def _penalty_kind(self):
        return WhatWherePenalty(self.coupling, self.n_what, int(self.n_frames), float(self.gamma))

    def _prediction(self):
        schedule = learning_rate_schedule(self.learning_rate, AUTOMATIC_RATE)
        return Prediction(self.encoder, float(self.beta), schedule)

    # ------------------------------------------------------------------------------------ learning
    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: MatrixLike,
        y: object = None,
        sample_weight: ArrayLike | None = None,
        mask: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Learn from X in passes over shuffled batches of windows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Frames. Those of a sequence are consecutive rows in the order of time.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weight, in the objective, of the window that ends at each sample.
        mask : array-like of the shape of X or None, default=None
            1, or True, for observed values. The reconstruction error ignores all other values,
            which may be NaN.
        groups : array-like of shape (n_samples,) or None, default=None
            Label of the sequence of each sample. The samples of a sequence must be consecutive
            rows. With None, each sample is a sequence of its own.

        Returns
        -------
        WhatWherePSD
            The estimator itself. If Ctrl-C interrupts the fit (KeyboardInterrupt), the estimator
            remains usable, as it was after the last complete batch.

        Raises
        ------
        ValueError
            If the samples of a sequence are not consecutive.
        """
        with refusable(self) as attempt:
            return WhatWhereLearning(self, attempt, groups).fit(X, sample_weight, mask)

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: MatrixLike,
        y: object = None,
        sample_weight: ArrayLike | None = None,
        mask: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Learn from one more chunk of data, in one pass.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Frames of whole sequences, as in `fit`.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weight, in the objective, of the window that ends at each sample.
        mask : array-like of the shape of X or None, default=None
            1, or True, for observed values, as in `fit`.
        groups : array-like of shape (n_samples,) or None, default=None
            Label of the sequence of each sample, as in `fit`.

        Returns
        -------
        WhatWherePSD
            The model after one step for each batch of X.
        """
        with refusable(self) as attempt:
            return WhatWhereLearning(self, attempt, groups).partial_fit(X, sample_weight, mask)

    def fit_transform(
        self,
        X: MatrixLike,
        y: object = None,
        sample_weight: ArrayLike | None = None,
        mask: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Array:
        """Fit the model, and compute the features of the samples.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Frames. Those of a sequence are consecutive rows in the order of time.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weight, in the objective, of the window that ends at each sample.
        mask : array-like of the shape of X or None, default=None
            1, or True, for observed values, as in `fit`.
        groups : array-like of shape (n_samples,) or None, default=None
            Label of the sequence of each sample, as in `fit`.

        Returns
        -------
        ndarray of shape (n_samples, n_features_out)
            Features, as returned by `transform`.
        """
        return self.fit(X, y, sample_weight, mask, groups).transform(X, mask, groups)

    # ----------------------------------------------------------------------------------- inference
    def transform(
        self,
        X: MatrixLike,
        mask: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Array:
        """Compute the features of the window that ends at each sample.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Frames. Those of a sequence are consecutive rows in the order of time.
        mask : array-like of the shape of X or None, default=None
            1, or True, for observed values, as in `fit`.
        groups : array-like of shape (n_samples,) or None, default=None
            Label of the sequence of each sample, as in `fit`.

        Returns
        -------
        ndarray of shape (n_samples, n_what), (n_samples, n_components) or \
                (n_samples, n_what + n_components)
            Features in the dtype of X, as specified by `output`. Units are those of the window;
            codes are those of the sample itself, the last frame of its window.
        """
        frames, parts = self._read(X, mask, groups)
        code, activity = frames.codes(parts)
        if self.output == "simple":
            return code
        penalty, xp = parts.penalty.on(frames.data.backend), array_namespace(code)
        what = penalty.what(activity)
        if self.output == "what":
            return what
        where = code / penalty.gain(what)
        return where if self.output == "where" else xp.concat([what, where], axis=1)

    def energy(
        self,
        X: MatrixLike,
        mask: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Array:
        """Compute the minimum over z and u of the energy of the window that ends at each sample.

        The energy is not convex in both together; the result is that of the alternation of `fit`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Frames. Those of a sequence are consecutive rows in the order of time.
        mask : array-like of the shape of X or None, default=None
            1, or True, for observed values, as in `fit`.
        groups : array-like of shape (n_samples,) or None, default=None
            Label of the sequence of each sample, as in `fit`.

        Returns
        -------
        ndarray of shape (n_samples,)
            Energies, in squared units of X.
        """
        frames, parts = self._read(X, mask, groups)
        return frames.energies(parts)

    def score_samples(
        self,
        X: MatrixLike,
        mask: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Array:
        """Return the negative energy of the window that ends at each sample.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Frames. Those of a sequence are consecutive rows in the order of time.
        mask : array-like of the shape of X or None, default=None
            1, or True, for observed values, as in `fit`.
        groups : array-like of shape (n_samples,) or None, default=None
            Label of the sequence of each sample, as in `fit`.

        Returns
        -------
        ndarray of shape (n_samples,)
            Negative energies. Higher is better.
        """
        return -self.energy(X, mask, groups)

    def score(
        self,
        X: MatrixLike,
        y: object = None,
        mask: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> float:
        """Return the mean negative energy of the windows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Frames. Those of a sequence are consecutive rows in the order of time.
        y : None
            Ignored.
        mask : array-like of the shape of X or None, default=None
            1, or True, for observed values, as in `fit`.
        groups : array-like of shape (n_samples,) or None, default=None
            Label of the sequence of each sample, as in `fit`.

        Returns
        -------
        float
            Mean of `score_samples`, in squared units of X. Higher is better. Scores of models with
            different parameters of the energy are not comparable.
        """
        return float(self.score_samples(X, mask, groups).mean())

    def _read(self, X, mask, groups):
        """Return the frames of a call, and the parts of the fitted model."""
        self._ready()
        data = read(self, X, mask)
        check_weight(float(self.gamma), data.X.dtype, "gamma")
        windows = Windows(groups, data.X, int(self.n_frames))
        windows.warn_of_no_groups()
        return Frames(data, windows), self._state.parts

    def generate(self, what: ArrayLike, where: ArrayLike) -> Array:
        """Generate samples from units and codes: x = (where * h(what)) D.

        To move what a window shows, hold `what` and pass the `where` of another window.

        Parameters
        ----------
        what : array-like of shape (n_samples, n_what)
            Units u, as returned by `transform` with `output="what"`.
        where : array-like of shape (n_samples, n_components)
            Codes divided by their gain, as returned by `transform` with `output="where"`.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            Samples.

        Raises
        ------
        ValueError
            If shapes do not match, units are negative, or samples overflow.
        """
        self._ready()
        n_what, n_components = self.what_components_.shape
        dtype = self.components_.dtype
        what = checked_features("what", what, n_what, dtype)
        where = checked_features("where", where, n_components, dtype)
        return generated(self._state.parts, what, where)

    def inverse_transform(self, X: MatrixLike) -> Array:
        """Reconstruct samples from features.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_what + n_components) or (n_samples, n_components)
            Features as returned by `transform` with `output="both"` or `output="simple"`.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            Reconstructions.

        Raises
        ------
        ValueError
            If `output` is "what" or "where", because these features do not determine the codes.
        """
        self._ready()
        if self.output == "simple":
            return super().inverse_transform(X)
        if self.output != "both":
            raise ValueError(
                f"Features with output={self.output!r} cannot be inverted, because many codes have "
                "the same features. Set output='both' or output='simple'."
            )
        X = checked_features("X", X, self._n_features_out, self.components_.dtype)
        n_what = self.what_components_.shape[0]
        return self.generate(X[:, :n_what], X[:, n_what:])

    def _has_anyway(self, name, value):
        if name == "gamma":
            return self.coupling == "product"
        n_what, n_components = self.what_components_.shape
        if name == "n_what":
            return number_of_units(value, n_components) == n_what
        return super()._has_anyway(name, value)

    def _as_network(self):
        return NoNetwork(self)

    @property
    def _n_features_out(self):
        self._ready()
        n_what, n_components = self.what_components_.shape
        return {"what": n_what, "both": n_what + n_components}.get(self.output, n_components)
