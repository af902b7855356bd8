"""Base class of criteria whose predictions have a score, such as the accuracy of labels."""

import math

from sklearn_ebm.learning.criteria._base import BaseCriterion, copied, mean_loss, put_back

WITHOUT_SCORE = {"loss", "weight", "n_samples"}  # entries of the report of samples without targets


class ScoredCriterion(BaseCriterion):
    """Curves of the loss and of the score, and snapshots of the parameters.

    Reports contain the sums of the score, unless samples have no targets.

    Parameters
    ----------
    score : object
        Quality of the predictions; see `sklearn_ebm.learning.criteria._scores`.
    watch : Watch
        Detects divergence.
    """

    def __init__(self, score, watch):
        super().__init__()
        self.score = score
        self.watch = watch

    # --------------------------------------------------------------------------------------- curves
    def summary(self, tally):
        """Return the entries of the curves for a pass."""
        return self._entries(tally, "objective", "")

    def held_out(self, report):
        """Return the entries of the curves for held-out samples."""
        return self._entries(report, "validation", "validation_")

    def _entries(self, report, loss, prefix):
        entries = {loss: mean_loss(report)}
        if not report.keys() <= WITHOUT_SCORE:
            entries[f"{prefix}{self.score.name}"] = self.score.of(report)
        return entries

    def label(self, curves):
        """Return the last entries of the curves as text."""
        score, text = self.score, f"loss {curves.last('objective'):.4g}"
        if curves[score.name]:
            text += f", {score.label} {score.text(curves.last(score.name))}"
        if curves["validation"]:
            loss, value = curves.last("validation"), curves.last(f"validation_{score.name}")
            text += f", held out {loss:.4g} and {score.text(value)}"
        return text

    def merit(self, entries):
        """Return the quality of a model on held-out samples: its score, then its loss."""
        loss = entries["validation"]
        if not math.isfinite(loss):
            return -math.inf, -math.inf
        return entries[f"validation_{self.score.name}"], -loss

    # ------------------------------------------------------------------------------------ snapshots
    def begin(self, entries):
        """Start a new fit; the initial loss may have any size."""
        self.watch.begin(entries["validation"])

    def snapshot(self):
        """Return a copy of the parameters."""
        return copied(self.parameters)

    def restore(self, kept):
        """Restore a snapshot."""
        put_back(self.parameters, kept)
