"""Predictive sparse decomposition with a penalty on pools of components."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from sklearn_ebm._sklearn import StrOptions
from sklearn_ebm._typing import (
    Array,
    ArrayLike,
    Backend,
    BatchSize,
    Encoder,
    Inference,
    LearningRate,
    MatrixLike,
    MatrixSolver,
    RandomState,
    Scale,
    Size,
)
from sklearn_ebm.estimators._atoms import Atoms
from sklearn_ebm.estimators._dictionary_learning import DictionaryLearning
from sklearn_ebm.estimators._network_forms import PooledNetwork
from sklearn_ebm.estimators._psd import PSD, prediction_of
from sklearn_ebm.estimators._sparse_model import SOLVERS_OF_NORMS, SparseModel
from sklearn_ebm.factors import GroupPenalty, PooledFeatures, Pools, group_norm
from sklearn_ebm.factors.penalties._group_penalty import two_numbers
from sklearn_ebm.inputs._checks import check_codes, require_magnitude
from sklearn_ebm.layers._state import is_same
from sklearn_ebm.learning._batch_sizes import ENCODER_BATCHES

GROUPS = ("groups", "map_shape", "pool_shape", "pool_stride", "pool_weights", "torus")


class PoolsPenalty:
    """Penalty on the norms of pools.

    Parameters
    ----------
    pools : Pools
        Weights of the components in each pool.
    """

    separable = False

    def __init__(self, pools):
        self.pools = pools

    def resolve(self, n_components, alpha, positive=False):
        """Return the penalty factor for an alpha."""
        return group_norm(alpha, self.pools, positive)


class PooledAtoms(Atoms):
    """Atoms of a model whose features are codes, features of pools, or both."""

    def read_codes(self, model, X, decoder, name="X"):
        if model.output == "pooled":
            raise ValueError(
                "Pooled features cannot be inverted, because many codes have the same pooled "
                "features. Set output='simple' or output='both'."
            )
        X = check_codes(X, name, accept_sparse="csr")
        if model.output == "both" and X.shape[1] == model._n_features_out:
            X = X[:, : decoder.code_size]
        return super().read_codes(model, X, decoder, name)


class PooledLearning(DictionaryLearning):
    """One call of `fit` or `partial_fit` of a model with pools."""

    def _follow(self, trainer, data):
        model, last = self.model, self.model._last_state
        is_first = not last.fitted_with  # a continued fit keeps weights that users have set
        if is_first or model._change_since_fit(GROUPS, last.fitted_with):
            model._pools = self._kind().pools(trainer.criterion.dictionary.shape[0])
        super()._follow(trainer, data)

    def _kind(self):
        model = self.model
        return GroupPenalty(
            model.groups,
            map_shape=model.map_shape,
            pool_shape=model.pool_shape,
            pool_stride=model.pool_stride,
            pool_weights=model.pool_weights,
            torus=model.torus,
        )


class GroupSparsePSD(SparseModel):
    """Predictive sparse decomposition with a penalty on groups of components (pools).

    The energy of a sample x and its code z is::

        E(x, z) = 1/2 ||x - z D||^2 + alpha sum_g ||z_g|| + beta/2 ||z - f(x)||^2

    where ||z_g|| = sqrt(sum_j w_gj z_j^2) is the pooled feature of group g. The penalty favours
    codes in which few pools are active, so components that are often active together are learned in
    the same pool. The pooled features, which `transform` returns by default, change little if one
    component of a pool replaces another. If the pools are overlapping windows on a two-dimensional
    map, neighbouring atoms become similar: the model learns a topographic map.

    Parameters
    ----------
    n_components : int or None, default=None
        Number of atoms. If None, it is the number of atoms in `dictionary` or `dictionary_init` if
        one of them is given, the number of places on the map if `map_shape` is given, and the
        number of features otherwise.
    groups : int, list of int arrays, or None, default=None
        Components of each group, disjoint or overlapping. An int divides the components into groups
        of that many neighbours; the last group may be smaller. None uses windows on the map if
        `map_shape` is given, and groups of four otherwise.
    map_shape : tuple of two ints or None, default=None
        Rows and columns of the map of components, numbered row by row. The groups are then windows
        on this map.
    pool_shape : int or tuple of two ints, default=(6, 6)
        Number of rows and columns of a window. An int applies to both.
    pool_stride : int or tuple of two ints, default=1
        Number of rows and columns between neighbouring windows. An int applies to both.
    pool_weights : {"gaussian", "uniform"} or array-like of shape (n_pools,), default="gaussian"
        Weights of the components in a window: decreasing from its centre, or equal. An array
        contains a positive factor for the norm of each group, with equal weights in windows. The
        weights in `groups` are one.
    torus : bool, default=True
        Whether windows wrap around the edges of the map; otherwise they are cut there.
    alpha : float or "scale", default="scale"
        Weight of the sparsity penalty, in `fit` and `transform` alike. Larger values give sparser
        codes. "scale" is the root mean square of the training data, which is 1 for data of unit
        variance; the codes are then proportional to the scale of the data.
    relative_alpha : bool, default=False
        Whether `alpha` is a share, at most 1, of the smallest alpha for which all codes are zero.
        `fit` computes the latter from the training samples and the initial or fixed atoms, as
        `alpha_max` does, and `partial_fit` from its first batch; `alpha_` is the product. Requires
        a penalty with a dual norm.
    beta : float, default=1.0
        Weight of the prediction term beta/2 ||z - f(x)||^2. With larger values, the codes are
        closer to their predictions f(x).
    encoder : {"shrinkage", "tanh", "smooth_shrinkage", "lista", "lfista", "lcod", "drsae"}, \
            default="shrinkage"
        Architecture of the encoder f. "shrinkage" is sh(x W + b), where sh is soft thresholding
        with trained thresholds; "tanh" is gain * tanh(x W + b) with trained gains;
        "smooth_shrinkage" is a smooth approximation of sh with trained slopes and locations.
        "lista", "lfista" and "lcod" unroll `n_steps` steps of ISTA, FISTA and greedy coordinate
        descent, as in `LISTAEncoder`. "drsae" unrolls ISTA for non-negative codes and suits
        `positive=True`.
    n_steps : int, default=3
        Number of steps of an unrolled encoder. Ignored by the other encoders.
    output : {"pooled", "simple", "both"}, default="pooled"
        Features that `transform` returns: "pooled" for the pooled features ||z_g||, "simple" for
        the codes z, and "both" for the codes followed by the pooled features.
    inference : {"encoder", "optimal"}, default="encoder"
        Code that `transform` returns: "encoder" for the prediction f(x), "optimal" for the optimal
        code argmin_z E(x, z), which takes longer.
    positive : bool, default=False
        Whether optimal codes are constrained to be non-negative.
    dictionary : array-like of shape (n_components, n_features) or None, default=None
        Fixed atoms, used without normalisation. If given, `fit` trains only the encoder.
    dictionary_init : array-like of shape (n_components, n_features) or None, default=None
        Initial atoms, which are scaled to unit norm. If None, they are drawn from the samples.
    solver : {"auto", "active_set", "cd", "block_cd", "fista", "ista"}, default="auto"
        Algorithm that infers optimal codes. "active_set" is exact and usually the fastest on the
        CPU; "cd" is coordinate descent. Both require a separable penalty, such as ||z||_1.
        "block_cd" is block coordinate descent and requires disjoint groups with equal weights.
        "fista" and "ista" are proximal gradient methods with and without acceleration; "fista"
        requires a convex penalty, and "ista" accepts any penalty. "auto" selects a solver that
        suits the penalty and the backend.
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
    code_max_iter : int, default=1000
        Maximum number of iterations of `solver` when optimal codes are inferred.
    code_tol : float, default=1e-4
        Tolerance of inference, which stops when the duality gap of an optimal code, relative to
        1/2 ||x||^2, is at most this value.
    missing_values : float or None, default=None
        Placeholder for missing entries of X, `np.nan` or a number. The reconstruction error ignores
        missing entries. The encoder treats them as zeros. It must be None if X is sparse.
    sparse_output : bool, default=False
        Whether `transform` returns a CSR array, with one row per sample.
    backend : {"auto", "numpy", "numba", "cupy"}, default="auto"
        Library that performs the computations. "auto" uses CuPy if X is a CuPy array, and Numba
        otherwise.
    warm_start : bool, default=False
        Whether `fit` continues from the previous fit instead of starting anew.
    random_state : int, RandomState instance or None, default=None
        Seed or generator of the random numbers. Pass an int for reproducible results. It determines
        the initial atoms and the order of the samples.
    verbose : int, default=0
        Verbosity level. If it is not zero, a line is printed after each pass.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Atoms of unit norm.
    alpha_ : float
        Weight of the sparsity penalty in the last fit.
    encoder_ : encoder
        The encoder f. `forward(X)` returns its codes, and `parameters` is a dict of its arrays.
    encoder_components_ : ndarray of shape (n_components, n_features)
        Filters of the encoder, the columns of W.
    pool_weights_ : ndarray of shape (n_pools, n_components)
        Weights w_gj of the components in each pool.
    n_iter_ : int
        Number of passes over X.
    objective_curve_ : ndarray of shape (n_iter_,)
        Mean energy per sample in each pass.
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
    PSD : Predictive sparse decomposition with a penalty on single components.
    GroupPenalty : The same penalty for other models.
    sklearn_ebm.inspection.TopographicMapDisplay : Display of the atoms on their map.

    Notes
    -----
    With `solver="auto"`, codes are inferred by block coordinate descent if the pools are disjoint
    and each has a single weight, and otherwise by accelerated steps on majorants. Both stop on the
    duality gap. `GroupPenalty` describes how alpha is scaled.

    X may be a sparse matrix on the host, in `fit` and in all other methods. Products with sparse X
    are sparse, and X is never converted to a dense array. Sparse and dense X give the same results,
    up to rounding errors.

    References
    ----------
    K. Kavukcuoglu, M. Ranzato, R. Fergus, Y. LeCun (2009). Learning invariant features through
    topographic filter maps, CVPR, eq. 2 and 3.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.preprocessing import scale
    >>> from sklearn_ebm import GroupSparsePSD
    >>> X = scale(load_digits().data)
    >>> psd = GroupSparsePSD(map_shape=(6, 6), pool_shape=(3, 3), tol=1e-2, random_state=0).fit(X)
    >>> psd.transform(X[:5]).shape
    (5, 36)
    """

    _batch_sizes = ENCODER_BATCHES
    _model_attributes = (*PSD._model_attributes, "pool_weights_")
    _needs_fit = (*PSD._needs_fit, *GROUPS)
    # there is no `penalty`
    _needs_fit_to_encode = _free_to_change = ("alpha", "relative_alpha", "beta", "positive")
    _learning = PooledLearning
    _prediction = prediction_of
    _parameter_constraints: dict = {
        **{name: kind for name, kind in PSD._parameter_constraints.items() if name != "penalty"},
        "solver": SOLVERS_OF_NORMS,
        "groups": "no_validation",  # checked once the number of components is known
        "map_shape": "no_validation",
        "pool_shape": "no_validation",
        "pool_stride": "no_validation",
        "pool_weights": "no_validation",
        "torus": ["boolean"],
        "output": [StrOptions({"pooled", "simple", "both"})],
    }

    def __init__(
        self,
        n_components: int | None = None,
        *,
        groups: int | Sequence[ArrayLike] | None = None,
        map_shape: Sequence[int] | None = None,
        pool_shape: Size = (6, 6),
        pool_stride: Size = 1,
        pool_weights: Literal["gaussian", "uniform"] | ArrayLike = "gaussian",
        torus: bool = True,
        alpha: float | Scale = "scale",
        relative_alpha: bool = False,
        beta: float = 1.0,
        encoder: Encoder = "shrinkage",
        n_steps: int = 3,
        output: Literal["pooled", "simple", "both"] = "pooled",
        inference: Inference = "encoder",
        positive: bool = False,
        dictionary: ArrayLike | None = None,
        dictionary_init: ArrayLike | None = None,
        solver: MatrixSolver = "auto",
        max_iter: int = 20,
        tol: float = 1e-3,
        max_time: float | None = None,
        batch_size: BatchSize = "auto",
        learning_rate: LearningRate = "auto",
        code_max_iter: int = 1000,
        code_tol: float = 1e-4,
        missing_values: float | None = None,
        sparse_output: bool = False,
        backend: Backend = "auto",
        warm_start: bool = False,
        random_state: RandomState = None,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.alpha = alpha
        self.relative_alpha = relative_alpha
        self.beta = beta
        self.encoder = encoder
        self.n_steps = n_steps
        self.inference = inference
        self.positive = positive
        self.dictionary = dictionary
        self.dictionary_init = dictionary_init
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.max_time = max_time
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.code_max_iter = code_max_iter
        self.code_tol = code_tol
        self.missing_values = missing_values
        self.sparse_output = sparse_output
        self.backend = backend
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose
        self.groups = groups
        self.map_shape = map_shape
        self.pool_shape = pool_shape
        self.pool_stride = pool_stride
        self.pool_weights = pool_weights
        self.torus = torus
        self.output = output

    def _penalty_kind(self):
        return PoolsPenalty(self._pools)

    def _atoms(self):
        otherwise = None
        if self.n_components is None and self.map_shape is not None:
            rows, columns = two_numbers(self.map_shape, "map_shape")
            otherwise = rows * columns
        return PooledAtoms(self.n_components, self.dictionary, self.dictionary_init, otherwise)

    def _take_over(self, state, replaced):
        is_known = self._pools is not None and "pool_weights_" not in replaced
        if not is_known or (
            state.parts is None and not is_same(self.pool_weights_, self._pools.weights)
        ):
            self._pools = self._checked_pools(state)
        return super()._take_over(state, replaced)

    def _checked_pools(self, state):
        """Return the pools of the fitted weights, which users may have replaced."""
        weights = self._checked_attribute("pool_weights_", state)
        require_magnitude(weights, "pool_weights_")
        if np.any(weights < 0) or not np.all(weights.any(axis=0)) or not weights.any(axis=1).all():
            raise ValueError(
                "pool_weights_ must be non-negative, with at least one positive weight for each "
                "pool and each component."
            )
        return Pools(np.array(weights))

    def _features(self, data):
        if self.output == "simple":
            return super()._features(data)
        code = self._state.parts.code(data)
        if self.output == "both":
            return PooledFeatures(self._pools, with_code=True, backend=data.backend).forward(code)
        takes_its_place = self._pools.n_pools == code.shape[1]  # avoids another large array
        return self._pools.norms(code, data.backend, result=code if takes_its_place else None)

    def _as_network(self):
        return PooledNetwork(self)

    @property
    def _n_features_out(self):
        self._ready()
        n_pools, n_components = self.pool_weights_.shape
        return {"pooled": n_pools, "simple": n_components, "both": n_pools + n_components}[
            self.output
        ]

    def inverse_transform(self, X: MatrixLike) -> Array:
        """Reconstruct samples from codes.

        Parameters
        ----------
        X : {array-like, sparse array} of shape (n_samples, n_components)
            Codes. With `output="both"`, also codes followed by pooled features, which are ignored.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            Reconstructions.

        Raises
        ------
        ValueError
            If `output="pooled"`, because pooled features do not determine the codes.
        """
        return super().inverse_transform(X)
