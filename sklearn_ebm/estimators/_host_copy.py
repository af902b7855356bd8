"""Copies of models on the host."""

from __future__ import annotations

import io
import pickle
from typing import Any

from sklearn_ebm._typing import Estimator
from sklearn_ebm.backends import is_cupy, to_host


def host_copy(model: Estimator) -> Any:
    """Copy a fitted model from a CUDA device to the host.

    All CuPy arrays are replaced by NumPy arrays, so that the copy runs on the host, and can be
    pickled for a machine without a GPU. The copy is deep.

    Parameters
    ----------
    model : estimator
        A fitted model, a pipeline that contains models, or any other object that can be pickled.

    Returns
    -------
    object
        The copy. Parameters are not changed: if `backend="cupy"`, set it to "auto" to compute on
        the host.

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
    """Pickler that stores CuPy arrays as NumPy arrays. Arrays that are shared remain shared."""

    def reducer_override(self, item):
        if is_cupy(item):
            return to_host(item).__reduce_ex__(pickle.HIGHEST_PROTOCOL)
        return NotImplemented
