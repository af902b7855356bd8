"""Block coordinate descent over atoms, one launch for a sweep."""

import numpy as np

from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends.cupy import _launch
from sklearn_ebm.backends.numpy._dictionary import SMALLEST_USE

N_THREADS = 1024  # one block has the whole processor
# One processor reads some 100 GB/s; the reference spends some 100 microseconds on each atom's
# launches and answers. Both are estimates: where they meet was not measured.
LARGEST_DICTIONARY = 8 * 2**20  # bytes


def update_atoms(dictionary, code_moment, cross_moment):
    """Fused sweep over the atoms; see `sklearn_ebm.backends.numpy.update_atoms`.

    Each atom needs the ones before it, so blocks would have to wait for one another at every atom.
    One block does the sweep alone, from the device's cache: the reference's loop asks for several
    launches and two answers to the host for each atom, which take longer than the arithmetic at
    the usual sizes (hundreds of atoms on patches). A dictionary of many megabytes, or with atoms
    too long for shared memory, goes to the reference, whose products then fill the device.
    """
    n_atoms, n_features = dictionary.shape
    n_parts = N_THREADS // min(n_features, N_THREADS)
    shared_bytes = (n_parts * n_features + N_THREADS) * dictionary.dtype.itemsize
    too_large = shared_bytes > _launch.MAX_SHARED_BYTES or dictionary.nbytes > LARGEST_DICTIONARY
    if too_large or not _launch.fusible(dictionary):
        reference.update_atoms(dictionary, code_moment, cross_moment)
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
