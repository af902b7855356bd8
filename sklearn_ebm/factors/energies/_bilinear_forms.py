"""Conversions of a bilinear energy: to the units of the data, and to an encoder."""

from sklearn_ebm.backends import array_namespace
from sklearn_ebm.factors.encoders import LogisticEncoder, Scale
from sklearn_ebm.factors.encoders._encoder import root_mean_square


def in_data_units(energy):
    """Return W, c, b and, for real-valued units, s^2 in the units of the data, by name."""
    return energy.visible.in_data_units(energy.weights, energy.hidden_bias)


def largest_log_odds(energy):
    """Return the largest change of log-odds if a visible unit changes by its scale."""
    xp = array_namespace(energy.weights)
    return float(xp.max(xp.abs(energy.weights) / energy.visible.scale[:, None]))


def as_encoder(energy):
    """Return the probabilities of the hidden units as an encoder with its own parameters."""
    gain, origin = energy.visible.affine_signal()
    weights = energy.weights * gain[:, None]
    bias = energy.hidden_bias - origin @ weights
    scale = Scale(data=1 / root_mean_square(gain))
    return LogisticEncoder({"weights": weights, "bias": bias}, scale=scale).copy()


def with_encoder(energy, encoder):
    """Return an energy with the same visible units, whose hidden means are the encoder's codes."""
    energy = energy.copy()
    gain, origin = energy.visible.affine_signal()
    weights, bias = (encoder.parameters[name] for name in ("weights", "bias"))
    energy.weights[...] = weights / gain[:, None]
    energy.hidden_bias[...] = bias + origin @ weights
    return energy
