"""What a network is trained for: the loss of its scores, and the score of its predictions.

`TASKS` contains them by the kind of the targets, as `sklearn.utils.multiclass.type_of_target` names
it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from sklearn_ebm.factors import SCORE_LOSSES
from sklearn_ebm.learning.criteria._scores import R2, Accuracy, SubsetAccuracy


class Task(NamedTuple):
    """Loss that training minimises, and score that early stopping maximises."""

    loss: Callable[..., Any]
    score: Any


TASKS = {
    "multiclass": Task(SCORE_LOSSES["cross_entropy"], Accuracy()),
    "multilabel": Task(SCORE_LOSSES["binary_cross_entropies"], SubsetAccuracy()),
    "continuous": Task(SCORE_LOSSES["squared_error"], R2()),
}
