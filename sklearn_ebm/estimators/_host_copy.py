"""From a CUDA device back to the host: whole models at once."""

import io
import pickle

from sklearn_ebm.backends import is_cupy, to_host


def host_copy(model):
    """Copy a fitted model, with NumPy arrays in the place of all its CuPy arrays.

    The copy computes on the host and can be pickled for a machine without a GPU. It is deep, as
    pickling is.

    Parameters
    ----------
    model : estimator
        A model, a pipeline with models in it, or anything else that can be pickled.

    Returns
    -------
    object
        The copy. Where the model's `backend` is "cupy", the copy's is too: set it to "auto" to
        compute on the host.

    Examples
    --------
    >>> from sklearn_ebm import PSD, host_copy
    >>> import cupy                                                     # doctest: +SKIP
    >>> model = PSD(100).fit(cupy.asarray(X))                           # doctest: +SKIP
    >>> features = host_copy(model).transform(X)                        # doctest: +SKIP
    """
    pickled = io.BytesIO()
    _Pickler(pickled, pickle.HIGHEST_PROTOCOL).dump(model)
    return pickle.loads(pickled.getbuffer())


class _Pickler(pickle.Pickler):
    """Takes each CuPy array for the NumPy array of its values; shared ones stay shared."""

    def reducer_override(self, item):
        if is_cupy(item):
            return to_host(item).__reduce_ex__(pickle.HIGHEST_PROTOCOL)
        return NotImplemented
