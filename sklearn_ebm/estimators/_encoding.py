"""What models with an encoder share: codes by f(x) or by the optimum, and its attributes."""

import copy
from dataclasses import replace
from numbers import Real

from scipy import sparse

from sklearn_ebm._sklearn import Interval, StrOptions
from sklearn_ebm.backends import to_host
from sklearn_ebm.estimators._base import DictionaryModel
from sklearn_ebm.factors.encoders import Encoder, Scale, placed
from sklearn_ebm.inputs._checks import check_magnitude, require_magnitude
from sklearn_ebm.inputs._sizes import data_size
from sklearn_ebm.layers._state import is_same
from sklearn_ebm.learning._parts import EncoderPart


class EncodingModel(DictionaryModel):
    """A dictionary, and an encoder f; `inference` says whose codes `transform` gives."""

    _model_attributes = ("components_", "encoder_", "encoder_components_")
    _free_to_change = ("alpha", "beta", "penalty", "positive")

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
        self._ready()
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
        return self._suitable_encoder().astype(X.dtype).encode(X, backend)

    def _suitable_encoder(self):
        """The encoder, if it was trained for the parameters."""
        if self._parts.refusal:
            raise ValueError(self._parts.refusal)
        return self._parts.encoder

    _encoder_part = EncoderPart

    def _tuning_obstacle(self):
        is_optimal = self.inference == "optimal"
        return "optimal codes have no derivative; set inference='encoder'." if is_optimal else ""

    def _tuning_parts(self, dtype):
        """What `transform` is as parts of a network; see `sklearn_ebm.learning._parts`."""
        self._ready()
        return [self._encoder_part(self, self._suitable_encoder().copy().astype(dtype))]

    def _tuned(self, encoder):
        """A copy of the model with another encoder, from which learning would go on."""
        tuned = copy.deepcopy(self)
        learner = tuned._learner_to_go_on()
        learner.replace_encoder(encoder.astype(learner.dtype).copy())
        tuned._keep(learner)
        return tuned

    def _first_scale(self, dictionary, X, weights, first):
        return Scale.of(dictionary, data_size(X, weights, first, self._sparsity()))

    def _check_range(self, X, learner):
        """Adam squares gradients, which are products of X with codes, each in its unit."""
        check_magnitude(X, degree=4, dtype=learner.dtype, unit=learner.encoder.scale.data)

    def _has_work(self):
        """A given dictionary still needs its encoder."""
        return True

    def _parts_of(self, learner):
        parts = super()._parts_of(learner)
        parts.encoder = learner.encoder.copy()
        return parts

    def _encoder_attributes(self, encoder):
        """Fitted attributes that are parts of an encoder's parameters, by name."""
        return {"encoder_components_": encoder.filters}

    def _published(self, parts):
        encoder = parts.encoder
        return {
            **super()._published(parts),
            "encoder_": encoder.read_only(),
            **self._encoder_attributes(encoder),
        }

    def _model_of(self, attributes):
        model = super()._model_of(attributes)
        if "encoder_" in model:
            parameters = getattr(model["encoder_"], "parameters", {})
            model.update({f"encoder_.{name}": value for name, value in parameters.items()})
        return model

    def _forms_of(self, attributes):
        forms = super()._forms_of(attributes)
        if "encoder_" in attributes:
            forms["encoder_"] = _form_of(attributes["encoder_"])
        return forms

    def _frozen(self, *names):
        frozen = super()._frozen(*names)
        if isinstance(frozen.get("encoder_"), Encoder):
            frozen["encoder_"] = frozen["encoder_"].read_only()
        return frozen

    def _parts_from(self, state, replaced):
        parts = super()._parts_from(state, replaced)
        encoder = None if state.parts is None else state.parts.encoder
        if encoder is None or replaced - {"components_"}:
            encoder = self._encoder_from(state, replaced)
        return replace(parts, encoder=encoder, refusal=self._refusal(state.fitted_with))

    def _encoder_from(self, state, replaced):
        """A copy of the encoder, which users may have replaced, as a whole or in parts."""
        encoder, form = self.encoder_, _form_of(self.encoder_)
        kind, names = state.forms.get("encoder_", form or ("fitted encoder", ()))
        if form != (kind, names):
            raise ValueError(
                f"encoder_ must be a {kind} with the parameters {[*names]}, got {encoder!r}."
            )
        parameters = {
            name: placed(self._checked_attribute(f"encoder_.{name}", state)) for name in names
        }
        for name, value in parameters.items():
            require_magnitude(value, f"encoder_.{name}")
        encoder = type(encoder)(parameters, **encoder.settings)
        for name, room in self._encoder_attributes(encoder).items():
            if name in replaced:
                room[...] = self._checked_attribute(name, state)
                require_magnitude(room, name)
        require_allowed(encoder)
        return encoder

    def _refusal(self, fitted_with):
        """Why the encoder does not suit the parameters; empty if it does."""
        return ""


def _form_of(encoder):
    """The name of its class, and those of its parameters; None if it is no encoder."""
    if not isinstance(encoder, Encoder):
        return None
    return type(encoder).__name__, (*encoder.parameters,)


def require_allowed(encoder):
    """Refuse parameters that training could not have left, such as negative thresholds."""
    projected = encoder.copy()
    projected.project()
    for name, value in encoder.parameters.items():
        if name != "weights" and not is_same(value, projected.parameters[name]):
            raise ValueError(f"encoder_.{name} has values out of range: see encoder_.project().")


class JointModel(EncodingModel):
    """Dictionary and encoder learn together, and codes are drawn to what the encoder says."""

    _weight_names = ("alpha", "beta")
    _needs_fit = (*EncodingModel._needs_fit, "encoder")
    _needs_fit_to_encode = ("alpha", "beta", "penalty", "positive")

    _parameter_constraints: dict = {
        **EncodingModel._parameter_constraints,
        "beta": [Interval(Real, 0, None, closed="neither")],
        "inference": [StrOptions({"encoder", "optimal"})],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
    }

    def _encoder_weights(self):
        return {"beta": float(self.beta), "learning_rate": float(self.learning_rate)}

    def _refusal(self, fitted_with):
        if self.inference == "optimal":
            return ""
        change = self._change_since_fit(self._needs_fit_to_encode, fitted_with)
        return change and f"{change} Optimal codes need no fit: set inference='optimal'."

    def _predictor(self, dtype, backend):
        encoder = self._parts.encoder.astype(dtype)
        return lambda X: encoder.encode(X, backend)
