"""The fitted attributes of a model with a dictionary, and the private arrays behind them.

Learning leaves `Parts`, and the fitted attributes are read-only views of their arrays. If a user
replaces an attribute, new parts are made from the attributes.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sklearn_ebm.backends import array_namespace, copied, read_only
from sklearn_ebm.factors import LinearDecoder, same_penalty
from sklearn_ebm.inputs._checks import check_dictionary, require_atoms
from sklearn_ebm.layers._state import Stateful, is_same


@dataclass
class Parts:
    """The private arrays of a fitted model.

    Attributes
    ----------
    decoder : LinearDecoder or ConvolutionalDecoder
        Holds the dictionary, and caches what was derived from it.
    penalty : penalty factor or None, default=None
        The penalty on the codes.
    encoder : encoder factor or None, default=None
        None if the model has no encoder.
    table : array of bool or None, default=None
        Channels that each kernel of a convolutional model reads. None if all kernels read all.
    refusal : str, default=""
        Why the encoder does not suit the parameters. Empty if it does.
    """

    decoder: Any
    penalty: Any = None
    encoder: Any = None
    table: Any = None
    refusal: str = ""


class DictionaryState(Stateful):
    """The part of `DictionaryModel` that handles fitted attributes.

    A subclass creates learners, penalties and decoders. It has the parameters `n_components` and
    `dictionary`.
    """

    _model_attributes = ("components_",)
    _needs_fit = ("n_components", "dictionary")
    _needs_new_moments = ("components_",)  # attributes that the moments of learning depend on

    def _new_learner(self, learner, replaced):
        """A learner that starts from the fitted attributes; it keeps moments that still hold."""
        encoder = self._parts.encoder
        if encoder is not None:
            encoder = encoder.copy()
            encoder.project()
        if learner is None or not replaced.isdisjoint(self._needs_new_moments):
            dictionary = copied(self._parts.decoder.dictionary)
            dictionary = dictionary if self._is_fixed() else self._unit_atoms(dictionary)
            return self._learner_of(dictionary, encoder, self._parts.table)
        if encoder is not None:
            learner.replace_encoder(encoder)
        return learner

    def _keep(self, learner):
        """Set every fitted attribute from the state of learning."""
        vars(self).update(self._fitted(learner))

    def _fitted(self, learner):
        """The fitted attributes by name, from the state of learning."""
        parts = self._parts_of(learner)
        attributes = {**self._reports(learner), **self._published(parts)}
        return self._left(learner, attributes, parts)

    def _reports(self, learner):
        """Fitted attributes that describe how learning went."""
        curves = self._fitted_curves(learner.curves, learner.dictionary)
        return {
            **curves,
            "n_replaced_": learner.online.n_replaced,
            "unconverged_": learner.curves.unconverged,
        }

    def _parts_of(self, learner):
        """Copies of what a learner has learned."""
        decoder = self._new_decoder(copied(learner.dictionary))
        return Parts(decoder, self._learned_penalty(learner))

    def _learned_penalty(self, learner):
        """The penalty factor that a learner follows."""
        return learner.penalty

    def _published(self, parts):
        """The fitted attributes that are the model."""
        return {"components_": parts.decoder.dictionary}

    def _take_over(self, state, replaced):
        parts = self._parts_from(state, replaced)
        parts.penalty = self._fitted_penalty(state, replaced)
        if replaced or state.parts is None:
            published = self._published(parts)
            vars(self).update({name: read_only(value) for name, value in published.items()})
        return parts

    def _parts_from(self, state, replaced):
        """Parts from the fitted attributes, some of which were replaced."""
        if state.parts is None or "components_" in replaced:
            dictionary = copied(self._checked_attribute("components_", state))
            require_atoms(dictionary, "components_")
            return Parts(self._new_decoder(dictionary))
        if state.is_open:  # cached values may no longer hold
            return Parts(self._new_decoder(state.parts.decoder.dictionary))
        return replace(state.parts)

    @property
    def _parts(self):
        return self._state.parts

    def _new_decoder(self, components):
        return LinearDecoder(components)

    @staticmethod
    def _fitted_curves(curves, dictionary):
        xp = array_namespace(dictionary)
        usage = xp.zeros(dictionary.shape[0])
        if curves.usage is not None:
            usage += curves.usage
        return {
            "n_iter_": len(curves.objective),
            "objective_curve_": np.asarray(curves.objective),
            "seconds_curve_": np.asarray(curves.seconds),
            "sparsity_curve_": np.asarray(curves.sparsity),
            "usage_": usage,
        }

    def _snapshot(self):
        """Fitted attributes for callbacks that want a usable model in the middle of fit."""
        return {"n_features_in_": self.n_features_in_, **self._fitted(self._learner)}

    def _fitted_penalty(self, state, replaced):
        """The penalty factor of a fitted model."""
        try:
            return self._new_penalty(self.components_.shape[0])
        except ValueError as error:
            raise ValueError(f"{error} Call fit to learn a model for this penalty.") from error

    def _is_given(self, dictionary):
        """Whether the parameter `dictionary` has the same atoms."""
        given = check_dictionary(self.dictionary, None, dictionary.shape[1], dictionary.dtype)
        return is_same(given, dictionary)

    def _has_anyway(self, name, value):
        if name == "n_components":
            return value is None or value == self.components_.shape[0]
        if name == "penalty":
            return same_penalty(value, self._last_state.fitted_with[name])
        return name == "dictionary" and (value is None or self._is_given(self.components_))
