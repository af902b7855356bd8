"""What models with an encoder share: codes by f(x) or by the optimum, and its attributes."""

import copy
from numbers import Real

from scipy import sparse
from sklearn.utils.validation import check_is_fitted

from sklearn_ebm._sklearn import Interval, StrOptions
from sklearn_ebm.backends import to_host
from sklearn_ebm.estimators._base import DictionaryModel
from sklearn_ebm.estimators._parts import EncoderPart
from sklearn_ebm.estimators._sizes import data_size
from sklearn_ebm.estimators._validation import check_magnitude
from sklearn_ebm.factors.encoders import Scale


class EncodingModel(DictionaryModel):
    """A dictionary, and an encoder f; `inference` says whose codes `transform` gives."""

    def transform(self, X):
        """Encode X: f(X), or optimal codes with `inference="optimal"`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data.

        Returns
        -------
        ndarray of shape (n_samples, n_components) or csr_array
            Codes in the type of X; CSR with `sparse_output=True`. Of `GroupSparsePSD`, what its
            `output` says.
        """
        check_is_fitted(self)
        features = self._features(*self._prepare(X, reset=False))
        if self.sparse_output and not sparse.issparse(features):
            features = sparse.csr_array(to_host(features))
        return features

    def _features(self, X, mask, backend):
        """What `transform` gives, of data that were checked."""
        if self.inference == "optimal":
            return self._optimal(X, mask, backend, self.sparse_output)
        return self._encode(X, backend)

    def _encode(self, X, backend):
        return self.encoder_.astype(X.dtype).encode(X, backend)

    _encoder_part = EncoderPart

    def _tuning_obstacle(self):
        is_optimal = self.inference == "optimal"
        return "optimal codes have no derivative; set inference='encoder'." if is_optimal else ""

    def _tuning_parts(self, dtype):
        """What `transform` is as parts of a network; see `sklearn_ebm.estimators._parts`."""
        return [self._encoder_part(self, self.encoder_.copy().astype(dtype))]

    def _tuned(self, encoder):
        """A copy of the model with another encoder, from which learning would go on."""
        tuned = copy.deepcopy(self)
        learner = tuned._learner
        learner.replace_encoder(encoder.astype(self.encoder_.parameters["weights"].dtype).copy())
        tuned._keep(learner)
        return tuned

    def _first_scale(self, dictionary, X, weights, first):
        return Scale.of(dictionary, data_size(X, weights, first, self._sparsity()))

    def _check_range(self, X, learner):
        """Adam squares gradients, which are products of X with codes, each in its unit."""
        check_magnitude(X, degree=4, unit=learner.encoder.scale.data)

    def _has_work(self):
        """A given dictionary still needs its encoder."""
        return True

    @staticmethod
    def _fitted_encoder(learner):
        encoder = learner.encoder.copy()
        return {"encoder_": encoder, "encoder_components_": encoder.filters}


class JointModel(EncodingModel):
    """Dictionary and encoder learn together, and codes are drawn to what the encoder says."""

    _weight_names = ("alpha", "beta")

    _parameter_constraints: dict = {
        **EncodingModel._parameter_constraints,
        "beta": [Interval(Real, 0, None, closed="neither")],
        "inference": [StrOptions({"encoder", "optimal"})],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
    }

    def _encoder_weights(self):
        return {"beta": float(self.beta), "learning_rate": float(self.learning_rate)}

    def _predictor(self, dtype, backend):
        encoder = self.encoder_.astype(dtype)
        return lambda X: encoder.encode(X, backend)

    def _fitted(self, learner):
        return {**super()._fitted(learner), **self._fitted_encoder(learner)}
