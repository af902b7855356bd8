"""Predictive sparse decomposition with pools that are learned with."""

import numpy as np

from sklearn_ebm._sklearn import StrOptions
from sklearn_ebm.estimators._psd import PSD
from sklearn_ebm.factors import GroupPenalty, Pools, group_norm
from sklearn_ebm.factors.penalties._group_penalty import two_numbers
from sklearn_ebm.inputs._checks import require_magnitude
from sklearn_ebm.layers._state import is_same
from sklearn_ebm.learning._parts import PoolPart

GROUPS = ("groups", "map_shape", "pool_shape", "pool_stride", "pool_weights", "torus")


class GroupSparsePSD(PSD):
    """E(x, z) = 1/2 ||x - zD||^2 + alpha sum_g ||z_g|| + beta/2 ||z - f(x)||^2: invariant features.

    ||z_g|| = sqrt(sum_j w_gj z_j^2) is the feature of a pool of components. Few pools are on at a
    time, so that components which often are on together come to share pools; `transform` gives the
    pools' features, which change little where one component of a pool takes over from another. On a
    map whose pools overlap, neighbours become similar: a topographic map.

    Parameters
    ----------
    n_components : int or None, default=None
        Atoms; None takes as many as the map has places, or as there are features.
    groups : int, list of int arrays, or None, default=None
        Components of each pool, disjoint or overlapping; a number makes pools of as many
        neighbours, of which the last may be smaller. None takes the map, or pools of four.
    map_shape : tuple of two ints or None, default=None
        Rows and columns of the map on which the components lie, row by row; pools are windows on it
        then.
    pool_shape : tuple of two ints, default=(6, 6)
        Rows and columns of a window.
    pool_stride : int or tuple of two ints, default=1
        Rows and columns from one window to the next.
    pool_weights : {"gaussian", "uniform"} or array-like of shape (n_pools,), default="gaussian"
        How weights fall from the middle of a window to its edges; groups that are given have
        weights of one. An array gives each pool's norm a positive factor, and windows are "uniform"
        then.
    torus : bool, default=True
        Whether windows wrap around the edges of the map; otherwise they are cut there.
    alpha : float, default=1.0
        Weight of the sparsity, above zero. One suits data of unit variance.
    beta : float, default=1.0
        Weight of the prediction.
    encoder : {"shrinkage", "tanh", "smooth_shrinkage", "lista", "lfista", "lcod"}, \
            default="shrinkage"
        f, as in `PSD`.
    n_steps : int, default=3
        Steps of an encoder that is unrolled; the others have none.
    output : {"pooled", "simple", "both"}, default="pooled"
        Whether `transform` gives the pools' features ||z_g||, the codes z, or the codes and then
        the pools' features.
    inference : {"encoder", "optimal"}, default="encoder"
        Whether `transform` gives f(x) or argmin_z E(x, z).
    positive : bool, default=False
        Constrain optimal codes to be positive.
    dictionary : array-like of shape (n_components, n_features) or None, default=None
        Given atoms, used as they are; `fit` trains the encoder on them.
    dictionary_init : array-like of shape (n_components, n_features) or None, default=None
        Where learning starts; None starts from random samples.
    solver : {"auto", "active_set", "cd", "block_cd", "fista", "ista"}, default="auto"
        How optimal codes are inferred: "block_cd" for disjoint pools with one weight each, "fista"
        and "ista" for any; the others are for components by themselves.
    max_iter : int, default=20
        Passes over X.
    tol : float, default=1e-3
        Relative change of the mean energy from one pass to the next at which learning stops; 0
        makes all passes.
    batch_size : int, default=512
        Samples for each step.
    learning_rate : float, default=3e-3
        First step size of Adam on the encoder, for data of unit variance: steps of biases,
        thresholds and gains are in proportion to the size of the data. It falls linearly to zero
        over `max_iter` passes.
    code_max_iter : int, default=1000
        Rounds, sweeps or steps of inference.
    code_tol : float, default=1e-4
        Duality gap relative to 1/2 ||x||^2 at which an optimal code is good.
    missing_values : float or None, default=None
        Entries of X with this value, `np.nan` or a number, are left out of the reconstruction;
        the encoder sees zeros there.
    sparse_output : bool, default=False
        Whether `transform` returns a CSR array.
    backend : {"auto", "numpy", "numba", "cupy"}, default="auto"
        Where to compute; "auto" follows the data.
    warm_start : bool, default=False
        Whether `fit` goes on from where the last one ended.
    random_state : int, RandomState instance or None, default=None
        First atoms and order of the samples.
    verbose : int, default=0
        Print a line for each pass.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Atoms of unit norm.
    encoder_ : encoder
        f, with `parameters` by name and `encode(X)`.
    encoder_components_ : ndarray of shape (n_components, n_features)
        The encoder's filters, the columns of W.
    pool_weights_ : ndarray of shape (n_pools, n_components)
        Weights w_gj of the squares in each pool.
    n_iter_ : int
        Passes made.
    objective_curve_ : ndarray of shape (n_iter_,)
        Mean energy a sample in each pass.
    seconds_curve_ : ndarray of shape (n_iter_,)
        Seconds from the start of learning to the end of each pass.
    sparsity_curve_ : ndarray of shape (n_iter_,)
        Share of the optimal codes' entries that were not zero in each pass.
    usage_ : ndarray of shape (n_components,)
        Share of the samples whose optimal code used each atom in the last pass.
    n_replaced_ : int
        Atoms without use that were replaced by samples.
    unconverged_ : float
        Share of the last pass's codes whose duality gap is above the larger of `code_tol` and 1e-3.
    n_features_in_ : int
        Features seen in fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, where X had any.

    See Also
    --------
    PSD : The same with each component by itself.
    GroupPenalty : The penalty for other models.
    sklearn_ebm.inspection.TopographicMapDisplay : Shows the map.

    Notes
    -----
    Disjoint pools with one weight each are solved by block coordinate descent, others by
    accelerated steps on majorants; both to a duality gap. See `GroupPenalty` for what alpha means.

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

    _model_attributes = (*PSD._model_attributes, "pool_weights_")
    _needs_fit = (*PSD._needs_fit, *GROUPS)
    _needs_fit_to_encode = _free_to_change = ("alpha", "beta", "positive")  # groups are the penalty
    _pools = None  # weights w_gj
    _parameter_constraints: dict = {
        **PSD._parameter_constraints,
        "groups": "no_validation",  # they are checked with the number of components, which names
        "map_shape": "no_validation",  # the offender
        "pool_shape": "no_validation",
        "pool_stride": "no_validation",
        "pool_weights": "no_validation",
        "torus": ["boolean"],
        "output": [StrOptions({"pooled", "simple", "both"})],
    }

    def __init__(
        self,
        n_components=None,
        *,
        groups=None,
        map_shape=None,
        pool_shape=(6, 6),
        pool_stride=1,
        pool_weights="gaussian",
        torus=True,
        alpha=1.0,
        beta=1.0,
        encoder="shrinkage",
        n_steps=3,
        output="pooled",
        inference="encoder",
        positive=False,
        dictionary=None,
        dictionary_init=None,
        solver="auto",
        max_iter=20,
        tol=1e-3,
        batch_size=512,
        learning_rate=3e-3,
        code_max_iter=1000,
        code_tol=1e-4,
        missing_values=None,
        sparse_output=False,
        backend="auto",
        warm_start=False,
        random_state=None,
        verbose=0,
    ):
        self.n_components = n_components
        self.alpha = alpha
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
        return GroupPenalty(
            self.groups,
            map_shape=self.map_shape,
            pool_shape=self.pool_shape,
            pool_stride=self.pool_stride,
            pool_weights=self.pool_weights,
            torus=self.torus,
        )

    def _wanted_components(self, X):
        if self.n_components is None and self.map_shape is not None:
            rows, columns = two_numbers(self.map_shape, "map_shape")
            return rows * columns
        return super()._wanted_components(X)

    def _published(self, parts):
        return {**super()._published(parts), "pool_weights_": np.array(self._pools.weights)}

    def _new_penalty(self, n_components):
        state = self._last_state
        is_set = "pool_weights_" in state.replaced  # and groups are as they were
        if not is_set or self._change_since_fit(GROUPS, state.fitted_with):
            self._pools = self._penalty_kind().pools(n_components)
        return self._pooled()

    def _pooled(self):
        return group_norm(self._sparsity(), self._pools, bool(self.positive))

    def _fitted_penalty(self, state, replaced):
        is_set = "pool_weights_" in replaced
        if is_set or not (state.parts or is_same(self.pool_weights_, self._pools.weights)):
            self._pools = self._checked_pools(state)
        return self._pooled()

    def _checked_pools(self, state):
        """Pools of the fitted weights, which users may have replaced."""
        weights = self._checked_attribute("pool_weights_", state)
        require_magnitude(weights, "pool_weights_")
        if np.any(weights < 0) or not np.all(weights.any(axis=0)) or not weights.any(axis=1).all():
            raise ValueError(
                "pool_weights_ must not be negative, and every pool and every component must have "
                "a weight above zero."
            )
        return Pools(np.array(weights))

    def _features(self, X, mask, backend):
        if self.output == "simple":
            return super()._features(X, mask, backend)
        is_optimal = self.inference == "optimal"
        code = self._optimal(X, mask, backend) if is_optimal else self._encode(X, backend)
        if self.output == "both":
            return PoolPart(self._pools, with_code=True).apply(code, backend)
        takes_its_place = self._pools.n_pools == code.shape[1]  # which spares a large array
        return self._pools.norms(code, backend, result=code if takes_its_place else None)

    def _tuning_parts(self, dtype):
        output = [] if self.output == "simple" else [PoolPart(self._pools, self.output == "both")]
        return super()._tuning_parts(dtype) + output

    @property
    def _n_features_out(self):
        self._ready()
        n_pools, n_components = self.pool_weights_.shape
        return {"pooled": n_pools, "simple": n_components, "both": n_pools + n_components}[
            self.output
        ]

    def inverse_transform(self, X):
        """Reconstruction z D of codes; pooled features alone do not tell one.

        Parameters
        ----------
        X : {array-like, sparse array} of shape (n_samples, n_components)
            Codes, or with `output="both"` codes and the pools' features, which are left out.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            In the space of the data.

        Raises
        ------
        ValueError
            If X is what `transform` gives with `output="pooled"`.
        """
        self._ready()
        if self.output == "pooled":
            raise ValueError(
                "Pooled features have no inverse: many codes have the same. Transform with "
                "output='simple' or 'both'."
            )
        return super().inverse_transform(X)

    def _code_part(self, features):
        if self.output == "both" and features.shape[1] == self._n_features_out:
            return features[:, : self.components_.shape[0]]
        return features
