"""Base class of the terms that keep an auto-encoder from reconstructing every sample."""

from sklearn_ebm.backends import array_namespace
from sklearn_ebm.backends._rules import positive_or_one


class Regularizer:
    """A term R(x), a function of the code f(x) and of the parameters of the encoder.

    A subclass implements `differentiate`. By default, the rows of the dictionary of an energy with
    untied weights have a norm of at most one. Otherwise, large rows would compensate for small
    codes, and the term would have no effect.
    """

    def differentiate(self, encoder, code, weight):
        """Return the term and its derivatives.

        Parameters
        ----------
        encoder : AffineEncoder
            f.
        code : array of shape (n_samples, n_components)
            Output of the encoder.
        weight : array of shape (n_samples,) or None
            Weight of each sample in the derivatives.

        Returns
        -------
        values : array of shape (n_samples,)
            The term of each sample.
        by_code : array of shape (n_samples, n_components)
            Derivatives with respect to the code, times the weights of the samples.
        direct : dict of str to array
            Derivatives with respect to parameters of the encoder for a given code, by name, as
            weighted sums over the samples.
        """
        raise NotImplementedError

    def project(self, energy):
        """Move the parameters of an energy in place to the nearest allowed values."""
        dictionary = energy.dictionary
        if dictionary is not None:
            norms = norms_of(dictionary, axis=1)
            dictionary /= array_namespace(norms).maximum(norms, norms * 0 + 1)

    def tangent(self, energy, gradients):
        """Remove the parts of gradients along which a step would leave the allowed values."""
        dictionary = energy.dictionary
        if dictionary is not None:
            xp, gradient = array_namespace(dictionary), gradients["dictionary"]
            norms = norms_of(dictionary, axis=1)
            share = xp.sum(gradient * dictionary, axis=1, keepdims=True)
            rounding = 4 * float(xp.finfo(dictionary.dtype).eps)
            is_stopped = (norms >= 1 - rounding) & (share < 0)
            gradient -= xp.where(is_stopped, share, 0 * share) * dictionary
        return gradients


def norms_of(values, axis):
    """Return the norms of rows or columns, with the axis kept."""
    xp = array_namespace(values)
    return xp.sqrt(xp.sum(values * values, axis=axis, keepdims=True))


def unit_columns(values):
    """Divide columns by their norms, in place; columns of zeros stay zero."""
    values /= positive_or_one(norms_of(values, axis=0))


def weighted(values, weight):
    """Return rows times the weights of the samples."""
    return values if weight is None else values * weight[:, None]
