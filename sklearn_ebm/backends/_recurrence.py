"""Learning of unrolled codes with labels as plain data, for the kernels of any backend."""

from typing import Any, NamedTuple


class Recurrence(NamedTuple):
    """Parameters of a recurrent coder; see `sklearn_ebm.factors._recurrent_coder`."""

    weights: Any  # (n_features, n_components)
    lateral: Any  # (n_components, n_components)
    threshold: Any  # (n_components,)
    dictionary: Any  # (n_components, n_features)
    coefficients: Any  # (n_classes, n_components)


class Descent(NamedTuple):
    """Settings of several steps of gradient descent."""

    batch_size: int
    n_steps: int  # of the encoder
    alpha: float
    label_weight: float
    rates: Any  # (3, n_batches), of the encoder, of the dictionary and of the classes
    longest: Any  # norms of filters, atoms and coefficients of a class
    limit: float  # no further step is made if the mean energy of a batch exceeds this value
