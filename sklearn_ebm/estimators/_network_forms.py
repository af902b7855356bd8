"""Models as modules of a network, which `FineTunedClassifier` trains with labels.

`sklearn_ebm.learning._modules` describes the interface of these classes.
"""

import copy

from sklearn_ebm.backends import copied
from sklearn_ebm.estimators._fitted import keep, row_decoder
from sklearn_ebm.factors import (
    Filled,
    OneHot,
    PooledFeatures,
    PooledMaps,
    as_encoder,
    with_encoder,
)


class NetworkForm:
    """Base class of models as modules. Subclasses implement `modules` and `trained`.

    Parameters
    ----------
    model : estimator
        Fitted or unfitted model, which is not changed.
    """

    def __init__(self, model):
        self.model = model

    @property
    def obstacle(self):
        """Reason why the model cannot be trained with labels. Empty if it can."""
        return ""

    @property
    def export_obstacle(self):
        """Reason why a model with a network cannot be exported. Empty if it can."""
        return ""


class SparseNetwork(NetworkForm):
    """Encoder of a sparse model."""

    @property
    def obstacle(self):
        """Reason why the model cannot be trained with labels. Empty if it can."""
        if "inference" not in self.model._parameter_constraints:
            return (
                "it has no encoder, and its codes are minima of the energy. Use PSD, ConvPSD or, "
                "for a fitted coder, LISTAEncoder(dictionary=coder)."
            )
        is_optimal = self.model.inference == "optimal"
        return "optimal codes have no derivative. Set inference='encoder'." if is_optimal else ""

    def modules(self, dtype):
        """Return the features of the fitted model as modules."""
        model = self.model
        model._ready()
        parts, inputs = model._state.parts, model._inputs()
        if parts.refusal:
            raise ValueError(parts.refusal)
        encoder = inputs.encoder_of_rows(parts.encoder.copy().astype(dtype).rescaled())
        missing = inputs.missing_values
        return [encoder] if missing is None else [Filled(missing), encoder]

    def trained(self, modules):
        """Return a copy of the model with a trained encoder, from which learning can continue."""
        (module,) = (each for each in modules if each.parameters)
        encoder = self.model._state.parts.encoder.with_parameters(module.parameters)
        tuned = copy.deepcopy(self.model)
        trainer = tuned._learner_to_go_on()
        trainer.criterion.replace_encoder(encoder.astype(trainer.dtype).copy())
        keep(tuned, trainer)
        return tuned


class NoNetwork(NetworkForm):
    """Model whose features depend on several samples."""

    @property
    def obstacle(self):
        """Reason why the model cannot be trained with labels."""
        return "its features depend on all samples of a window. Use PSD."


class PooledNetwork(SparseNetwork):
    """Encoder of a model with pools, followed by the pooled features."""

    def modules(self, dtype):
        modules, output = super().modules(dtype), self.model.output
        if output != "simple":
            modules.append(PooledFeatures(self.model._pools, with_code=output == "both"))
        return modules


class MapNetwork(SparseNetwork):
    """Encoder of a model with a pool around each unit of a map, followed by the pooled features."""

    @property
    def export_obstacle(self):
        """Reason why the model cannot be exported."""
        return "its filters differ between positions, for which there are no layers. Use ConvPSD."

    def modules(self, dtype):
        modules, model = super().modules(dtype), self.model
        if model.output != "simple":
            penalty, decoder = model._state.parts.penalty, row_decoder(model)
            modules.append(PooledMaps(penalty.sigma, decoder.map_shape[:2]))
        return modules


class AutoEncoderNetwork(NetworkForm):
    """Encoder of an auto-encoder."""

    def modules(self, dtype):
        """Return the features of the fitted model as modules."""
        self.model._ready()
        return [self.model._state.parts.encoder.copy().astype(dtype).rescaled()]

    def trained(self, modules):
        """Return a copy of the model with a trained encoder. Tied decoders change as well."""
        (encoder,) = modules
        self.model._ready()
        parts, tuned = self.model._state.parts, copy.deepcopy(self.model)
        trainer = tuned._learner_to_go_on()
        trainer.criterion.replace_energy(
            parts.with_encoder(encoder.copy().astype(parts.output.bias.dtype))
        )
        tuned._keep(trainer)
        return tuned


class BilinearNetwork(NetworkForm):
    """Probabilities of the hidden units of a density model."""

    def modules(self, dtype):
        """Return the features of the fitted model as modules."""
        model = self.model
        model._ready()
        encoder, missing = as_encoder(model._energy).astype(dtype).rescaled(), model.missing_values
        base = model._base
        values = None if missing is None else copied(base.placeholder())
        if base.categories is not None:
            return [OneHot(base.categories, missing, values), encoder]
        return [encoder] if missing is None else [Filled(missing, values), encoder]

    def trained(self, modules):
        """Return a copy of the model with the weights and biases of a trained encoder."""
        (encoder,) = (each for each in modules if each.parameters)
        self.model._ready()
        tuned = copy.deepcopy(self.model)
        trainer = tuned._learner_to_go_on()
        trainer.criterion.restart_with(with_encoder(self.model._energy, encoder))
        tuned._keep(trainer)
        return tuned
