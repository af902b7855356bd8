"""Scores of classes that depend on the direction of a code, not on its length."""

from sklearn_ebm.backends import array_namespace, squared_norms
from sklearn_ebm.factors.decoders._linear import shorten
from sklearn_ebm.protocols import ModuleMixin

LONGEST = 5.0  # norm of the coefficients of a class, as in Rolfe & LeCun (2013), appendix A


class DirectionHead(ModuleMixin):
    """The scores z C' / ||z|| of the classes; zero if z is zero.

    Parameters
    ----------
    coefficients : array of shape (n_classes, n_components)
        C.
    """

    def __init__(self, coefficients):
        self.parameters = {"coefficients": coefficients}

    @property
    def longest(self):
        """Upper limit of the norm of the coefficients of a class."""
        return LONGEST

    def forward(self, x, tape=None, stream=None):
        """Return the scores of codes, shape (n_samples, n_classes)."""
        norm = _norms(x)
        direction = x / norm
        scores = direction @ self.parameters["coefficients"].T
        if tape is not None:
            tape.kept = {"direction": direction, "norm": norm, "scores": scores}
        return scores

    def backward(self, tape, dy, input_gradient=True):
        """Return the gradients with respect to the codes (or None), and to C.

        With u = z / ||z||, dz = (du - (du . u) u) / ||z|| and du . u = dy . scores.
        """
        direction, norm, scores = (tape.kept[name] for name in ("direction", "norm", "scores"))
        gradients = {"coefficients": dy.T @ direction}
        if not input_gradient:
            return None, gradients
        along = array_namespace(dy).sum(dy * scores, axis=1)[:, None]
        return (dy @ self.parameters["coefficients"] - along * direction) / norm, gradients

    def project(self):
        """Scale the coefficients of a class with a norm above `LONGEST` to this norm."""
        shorten(self.parameters["coefficients"], LONGEST)


def _norms(code):
    """Return the norm of each row as a column; one for rows of zeros."""
    xp = array_namespace(code)
    norm = xp.sqrt(squared_norms(code))[:, None]
    return xp.where(norm > 0, norm, xp.ones_like(norm))
