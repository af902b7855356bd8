"""Block coordinate descent on atoms, with one launch per sweep."""

import numpy as np

from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends.cupy import _launch
from sklearn_ebm.backends.numpy._dictionary import SMALLEST_USE

N_THREADS = 1024  # a single block uses a whole multiprocessor
# A multiprocessor reads about 100 GB/s; the reference takes about 100 microseconds for the launches
# and answers of each atom. Both are estimates: the break-even point was not measured.
LARGEST_DICTIONARY = 8 * 2**20  # bytes


def update_atoms(dictionary, code_moment, cross_moment, is_positive=False):
    """Fused sweep over the atoms; see `sklearn_ebm.backends.numpy.update_atoms`.

    Each atom depends on the previous ones, so that several blocks would wait at every atom. A
    single block therefore makes the sweep, from the device's cache. The reference's loop requires
    several launches and two answers to the host per atom, which take longer than the arithmetic at
    the usual sizes (hundreds of atoms on patches). The reference is used for a dictionary of many
    megabytes, or atoms too long for shared memory, since its products then use the device fully. It
    is also used for non-negative atoms.
    """
    n_atoms, n_features = dictionary.shape
    n_parts = N_THREADS // min(n_features, N_THREADS)
    shared_bytes = (n_parts * n_features + N_THREADS) * dictionary.dtype.itemsize
    too_large = shared_bytes > _launch.MAX_SHARED_BYTES or dictionary.nbytes > LARGEST_DICTIONARY
    if is_positive or too_large or not _launch.fusible(dictionary):
        reference.update_atoms(dictionary, code_moment, cross_moment, is_positive)
        return
    dtype = dictionary.dtype.type
    _launch.launch(
        "dictionary",
        "sweep_atoms",
        (1, N_THREADS),
        (
            dictionary,
            _launch.as_input(code_moment, dictionary),
            _launch.as_input(cross_moment, dictionary),
            dtype(SMALLEST_USE * float(code_moment.diagonal().max())),
            np.finfo(dictionary.dtype).tiny,
            np.uint32(n_atoms),
            np.uint32(n_features),
        ),
        shared_bytes=shared_bytes,
    )
