"""The initial atoms of one call of `fit` or `partial_fit`, and the alpha that depends on them."""

import functools

from sklearn.utils import check_random_state

from sklearn_ebm.backends import to_host
from sklearn_ebm.estimators._largest_alphas import largest_alphas
from sklearn_ebm.factors import resolve_penalty


class FirstAtoms:
    """Initial atoms, which are drawn at the first request.

    Parameters
    ----------
    learning : DictionaryLearning
        Provides the model and its atoms.
    """

    def __init__(self, learning):
        self.learning = learning
        self.drawn = None

    @functools.cached_property
    def random_state(self):
        """Generator of the random numbers of this call."""
        return check_random_state(self.learning.model.random_state)

    def initial(self, data, weights):
        """Return the initial atoms, and the table of connections or None."""
        if self.drawn is None:
            self.drawn = self.learning.atoms.initial(data.X, weights, self.random_state)
        return self.drawn

    def largest_alpha(self, data, weights, rows, kind):
        """Return the smallest alpha for which all codes are zero.

        Parameters
        ----------
        data : Data
            Samples.
        weights : array of shape (n_samples,) or None
            Weight of each sample. Only samples with a positive weight count.
        rows : slice
            Rows that count.
        kind : Penalty
            Penalty as specified by the user.

        Returns
        -------
        float
            One if codes are zero for every alpha.
        """
        atoms, (dictionary, _) = self.learning.atoms, self.initial(data, weights)
        decoder = atoms.decoder(dictionary, data.shape).on(data.backend)
        n_components, positive = dictionary.shape[0], bool(self.learning.model.positive)
        factor = resolve_penalty(kind, n_components, 1.0, positive)
        alphas = to_host(
            largest_alphas(
                data.rows[rows, ...], decoder, atoms.penalty(factor, n_components), data.backend,
                "relative_alpha=True", "Set relative_alpha=False.",
            )
        )  # fmt: skip
        if weights is not None:
            alphas = alphas * (to_host(weights)[rows] > 0)
        return float(alphas.max()) or 1.0
