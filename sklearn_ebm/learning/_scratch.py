"""Temporary folders for arrays that are too large for memory.

A folder is removed when its block ends or, if the block is interrupted, when the process exits.
Folders of processes that were killed are removed by a later process. It recognises them by a file
lock, which the operating system releases when a process ends, even if its number is reused.
"""

import atexit
import errno
import os
import platform
import shutil
import tempfile
import uuid
from pathlib import Path

import numpy as np

try:
    import fcntl
except ImportError:  # Windows does not remove open files
    fcntl = None

PREFIX = "sklearn_ebm_"
LOCK = "lock"
NOT_SUPPORTED = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
CHUNK = 2**20  # bytes of zeros to write at a time


class ScratchFolder:
    """A context manager for a temporary folder of arrays. The first array creates the folder."""

    def __init__(self):
        self.path = None
        self._process = os.getpid()
        self._lock = None

    def __enter__(self):
        remove_orphans()
        return self

    def __exit__(self, *exception):
        self.remove()

    def new_array(self, shape, dtype):
        """Create an array in a file of the folder.

        Parameters
        ----------
        shape : tuple of int
            Shape of the array.
        dtype : dtype
            Dtype of the array.

        Returns
        -------
        memmap of that shape
            The array, filled with zeros. Disk space is allocated for all of it.

        Raises
        ------
        OSError
            If the disk is full.
        """
        n_bytes = int(np.prod(shape, dtype=object)) * np.dtype(dtype).itemsize
        try:
            path = self._folder() / f"{uuid.uuid4().hex}.npy"
            array = np.lib.format.open_memmap(path, "w+", dtype, shape)
            with open(path, "r+b") as file:
                _reserve(file, array.offset, n_bytes)
        except OSError as error:
            place = self.path.parent if self.path else "the temporary directory"
            raise OSError(
                error.errno,
                f"{error.strerror or error}: {n_bytes / 1e6:.0f} MB are required in {place}. Free "
                "space there, or set the environment variable TMPDIR to another directory",
            ) from error
        return array

    def remove(self):
        """Remove the folder, unless this process is a fork of the owner."""
        if self.path is None or os.getpid() != self._process:
            return
        if self._lock is not None:
            self._lock.close()
        shutil.rmtree(self.path, ignore_errors=True)  # Windows keeps files that are still mapped
        atexit.unregister(self.remove)

    def _folder(self):
        if self.path is None:
            self.path = Path(tempfile.gettempdir(), f"{PREFIX}{uuid.uuid4().hex}")
            atexit.register(self.remove)
            self.path.mkdir(mode=0o700)
            self._lock = _new_lock(self.path)
        return self.path


def _new_lock(folder):
    """Return the open lock file of a folder, or None if the file system has no locks."""
    path = folder / f"{LOCK}.new"  # renamed once it is locked
    file = open(path, "w")
    try:
        file.write(f"{platform.node()}\n{os.getpid()}\n")
        file.flush()
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.rename(folder / LOCK)
    except OSError:
        file.close()
        return None
    return file


def remove_orphans():
    """Remove the folders of this user whose processes on this host have ended."""
    try:
        folders = list(Path(tempfile.gettempdir()).glob(f"{PREFIX}*"))
    except OSError:  # no temporary directory is usable
        return
    for folder in folders:
        try:
            if _is_own(folder) and _is_orphan(folder / LOCK):
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:  # another process removes it, or it has no lock
            continue


def _is_own(folder):
    return not hasattr(os, "getuid") or folder.lstat().st_uid == os.getuid()


def _is_orphan(lock):
    host, *_ = lock.read_text().splitlines() or [""]
    if host != platform.node():
        return False
    if fcntl is None:
        lock.unlink()  # an OSError if the file is open
        return True
    with open(lock, "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # an OSError if its owner is alive
        return True


def _reserve(file, first, n_bytes):
    """Allocate a part of a file on disk.

    If the disk is full, writing to a mapped file would end the process by a signal.
    """
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(file.fileno(), first, n_bytes)
            return
        except OSError as error:
            if error.errno not in NOT_SUPPORTED:
                raise
    file.seek(first)
    for begin in range(0, n_bytes, CHUNK):
        file.write(bytes(min(CHUNK, n_bytes - begin)))
    file.flush()
    os.fsync(file.fileno())  # some file systems report only here that the disk is full
