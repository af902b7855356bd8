"""Data sets that are too large for the package.

Each data set is a file of arrays. It is searched for in the folder of the environment variable
SKLEARN_EBM_DATA, and then in scikit-learn's data home. If neither folder contains it, it is
downloaded from OpenML.
"""

from __future__ import annotations

import os
import uuid
import zlib
from http.client import HTTPException
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from sklearn.datasets import fetch_openml, get_data_home
from sklearn.utils import Bunch

from sklearn_ebm._typing import Array

DATA_VARIABLE = "SKLEARN_EBM_DATA"
N_TRAIN = 60_000  # of 70,000 digits; as in the original order, the training set comes first

MNIST_DESCRIPTION = """MNIST handwritten digits

70,000 grey images of 28 x 28 pixels, values 0 to 255, in ten classes: 60,000 to train and 10,000 to
test, by different writers. Y. LeCun, C. Cortes, C. J. C. Burges; CC BY-SA 3.0.
LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition", 1998.
"""

MNIST_REMEDY = (
    "{reason}. Save the arrays X_train, y_train, X_test and y_test to one of the files named "
    "above, or call fetch_mnist with download_if_missing=True and an internet connection, which "
    "stores them in {target!r}."
)


def fetch_mnist(
    *,
    data_home: str | PathLike[str] | None = None,
    download_if_missing: bool = True,
    return_X_y: bool = False,
) -> Bunch | tuple[Array, Array]:
    """Load the MNIST data set of handwritten digits.

    The data are read from the file `mnist.npz` in the folder of the environment variable
    `SKLEARN_EBM_DATA`, or in the folder `sklearn_ebm` of scikit-learn's data home. If there is no
    such file, they are downloaded from OpenML and stored in the latter.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Data folder of scikit-learn. None uses `~/scikit_learn_data`.

    download_if_missing : bool, default=True
        Whether to download the data if they are not found. If False, an OSError is raised.

    return_X_y : bool, default=False
        Whether to return `(data, target)` instead of a Bunch.

    Returns
    -------
    :class:`~sklearn.utils.Bunch`, or tuple (data, target) if `return_X_y` is True
        The Bunch has the following attributes.

        data : ndarray of shape (70000, 784), uint8
            Pixels from 0 to 255. The first 60,000 rows are the training set.
        target : ndarray of shape (70000,), uint8
            Digits from 0 to 9.
        X_train, y_train, X_test, y_test : ndarray
            Views of the first 60,000 and the last 10,000 samples.
        image_shape : tuple (28, 28)
            Height and width of a digit.
        DESCR : str
            Description of the data set.

    Raises
    ------
    OSError
        If no file is found, and OpenML is not reachable or `download_if_missing=False`. The message
        lists the folders in which the file was searched for.
    ValueError
        If the file is damaged or lacks an array.

    Examples
    --------
    >>> from sklearn_ebm.datasets import fetch_mnist
    >>> mnist = fetch_mnist()                                                   # doctest: +SKIP
    >>> mnist.X_train.shape, mnist.X_test.shape                                 # doctest: +SKIP
    ((60000, 784), (10000, 784))
    """
    places = _places("mnist.npz", data_home)
    arrays = _read_first(places, ("X_train", "y_train", "X_test", "y_test"))
    if arrays is None:
        arrays = _download_mnist(places, data_home, download_if_missing)
    data = np.concatenate([arrays["X_train"], arrays["X_test"]]).reshape(-1, 784)
    target = np.concatenate([arrays["y_train"], arrays["y_test"]])
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        X_train=data[:N_TRAIN],
        y_train=target[:N_TRAIN],
        X_test=data[N_TRAIN:],
        y_test=target[N_TRAIN:],
        image_shape=(28, 28),
        DESCR=MNIST_DESCRIPTION,
    )


def _download_mnist(places, data_home, download_if_missing):
    """Download MNIST from OpenML to the cache. If that fails, raise an OSError with a remedy."""
    if not download_if_missing:
        reason = "Data not found and `download_if_missing` is False"
        raise OSError(_not_found(places, MNIST_REMEDY, reason=reason))
    parser = "auto" if find_spec("pandas") else "liac-arff"
    try:
        data, target = fetch_openml(
            "mnist_784",
            version=1,
            data_home=data_home,
            as_frame=False,
            parser=parser,
            return_X_y=True,
        )
    except (OSError, HTTPException) as error:  # URLError, timeouts, truncated answers
        reason = f"The download from OpenML failed ({error})"
        raise OSError(_not_found(places, MNIST_REMEDY, reason=reason)) from error
    images = np.asarray(data).astype(np.uint8).reshape(-1, 28, 28)
    digits = np.asarray(target).astype(np.uint8)
    arrays = {
        "X_train": images[:N_TRAIN],
        "y_train": digits[:N_TRAIN],
        "X_test": images[N_TRAIN:],
        "y_test": digits[N_TRAIN:],
    }
    _write_whole(places[-1], arrays)
    return arrays


def _places(name, data_home):
    """Return the paths to search, in order. The last one is the cache."""
    folder = os.environ.get(DATA_VARIABLE)
    cache = Path(get_data_home(data_home)) / "sklearn_ebm" / name
    return [Path(folder) / name, cache] if folder else [cache]


def _read_first(places, names):
    """Return the named arrays of the first file that exists, or None."""
    path = next((path for path in places if path.is_file()), None)
    if path is None:
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            found, arrays = file.files, {name: file[name] for name in names if name in file.files}
    except (BadZipFile, zlib.error, EOFError, ValueError, AttributeError, TypeError) as error:
        raise ValueError(
            f"{path} is damaged or is not an npz file: {error}. Delete the file."
        ) from error
    missing = [name for name in names if name not in arrays]
    if missing:
        raise ValueError(
            f"{path} must contain the arrays {[*names]}, got {sorted(found)}. Delete the file, or "
            f"add {missing}."
        )
    return arrays


def _write_whole(path, arrays):
    """Write a file under a temporary name and rename it, so that readers never find a partial file.

    The temporary name is unique, because several processes may download at the same time.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
    try:
        with open(part, "xb") as file:
            np.savez_compressed(file, **arrays)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _not_found(places, remedy, **words):
    """Return the message of an OSError: the missing file, the searched folders, and a remedy."""
    looked = " and ".join(str(path) for path in places)
    variable = os.environ.get(DATA_VARIABLE)
    state = repr(variable) if variable else "not set"
    return (
        f"{places[-1].name} was not found in {looked}. The environment variable {DATA_VARIABLE}, "
        f"which names the folder to search first, is {state}. "
        f"{remedy.format(target=str(places[-1]), **words)}"
    )
