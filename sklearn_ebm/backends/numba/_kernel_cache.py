"""The disk cache of compiled kernels. If the cache fails, kernels are compiled again.

Numba raises an exception if no directory is writable, if the disk is full and if a cache file is
damaged. This cache compiles the kernel instead, and issues one warning per process. A directory
that is not writable is still read: a container may have been built by another user.

Numba also loads a binary whose own source file is unchanged although a function that was inlined in
it has changed, and a file that another process wrote for another signature at the same time. Here
each file ends in a digest and records the sources and the signature that it was compiled from.

Kernels compiled for this machine come first, then those that a wheel brings along (`_shipped`).
"""

import functools
import hashlib
import importlib.util
import logging
import pickle
import re
import sys
import warnings
from pathlib import Path

import numba
from numba.core.caching import FunctionCache, IndexDataCacheFile

import sklearn_ebm.backends.numba._shipped as _shipped  # not the package, which has all kernels

IMPORTED = re.compile(rb"^(?:from|import) (sklearn_ebm[\w.]*)", re.MULTILINE)
DIGEST_SIZE = 16  # bytes

_warned = []


def cached_on_disk(dispatcher):
    """Return the dispatcher with a disk cache, or without one if Numba finds no directory."""
    try:
        dispatcher._cache = KernelCache(dispatcher.py_func)
    except Exception as error:  # RuntimeError without a directory, OSError from the disk
        _warn_once(_nowhere(error))
    return dispatcher


_Files = FunctionCache._impl_class
_UserProvided, _InTree = (  # their names begin with an underscore in some versions of Numba
    next(each for each in _Files._locator_classes if each.__name__.lstrip("_") == name)
    for name in ("UserProvidedCacheLocator", "InTreeCacheLocator")
)


class _WritableOrNot:
    """A directory of Numba's that is accepted although it may not be writable."""

    def ensure_cache_path(self):
        """Accept the directory: failures to write are handled when they occur."""


class _NamedDirectory(_WritableOrNot, _UserProvided):
    """The directory NUMBA_CACHE_DIR."""


class _PackageDirectory(_WritableOrNot, _InTree):
    """The directory `__pycache__` of the package."""


class KernelFiles(_Files):
    """Location and format of the files. Directories that are not writable are the last resort."""

    _locator_classes = [
        *_Files._locator_classes,
        _NamedDirectory,
        _PackageDirectory,
    ]


def _directories(function):
    """Return the directories that may hold kernels of a function, writable or not."""
    kinds = [_NamedDirectory] if numba.config.CACHE_DIR else []
    source = function.__code__.co_filename
    return [kind(function, source).get_cache_path() for kind in (*kinds, _PackageDirectory)]


class KernelCache(FunctionCache):
    """Numba's disk cache of one function. Failures are treated as cache misses.

    Parameters
    ----------
    function : function
        The Python function that is compiled.
    """

    _impl_class = KernelFiles

    def __init__(self, function):
        super().__init__(function)
        name, stamp = self._impl.filename_base, _digest_of_sources(function.__module__)
        self._cache_file = KernelFile(self._cache_path, name, stamp)
        self._readable = [
            KernelFile(path, name, stamp)
            for path in _directories(function)
            if path != self._cache_path
        ]
        self._shipped = {
            level: KernelFile(str(_shipped.COMPILED / level.cpu), name, stamp)
            for level in _shipped.shipped_levels()
        }

    def load_overload(self, sig, target_context):
        """Load the compiled function for these types, or return None."""
        loaded = None
        try:
            # Numba's method registers all that it can compile, which takes 0.3 s. Loading does not
            # need it, and a compilation registers it anyway.
            loaded = self._load_overload(sig, target_context)
        except Exception as error:  # rebuilding a damaged object may raise any exception
            _warn_once(_cannot("read", self._cache_path, error))
        if loaded is None:
            _announce_compilation()
        return loaded

    def _load_overload(self, sig, target_context):
        loaded = super()._load_overload(sig, target_context)
        if loaded is not None:
            return loaded
        key = self._index_key(sig, target_context.codegen())
        for file in self._readable:
            data = file.load(key)
            if data is not None:
                return self._impl.rebuild(target_context, data)
        return self._load_shipped(sig, target_context)

    def _load_shipped(self, sig, target_context):
        types, (triple, *_), code = self._index_key(sig, target_context.codegen())
        for level, file in self._shipped.items():
            data = file.load((types, (triple, level.cpu, level.features), code))
            if data is not None:
                return self._impl.rebuild(target_context, data)
        return None

    def save_overload(self, sig, data):
        """Save the compiled function for these types if possible."""
        try:
            super().save_overload(sig, data)
        except Exception as error:
            _warn_once(_cannot("write", self._cache_path, error))


class KernelFile(IndexDataCacheFile):
    """Numba's index file and data files of one function, each with a digest at its end.

    Parameters
    ----------
    cache_path : str
        Directory of the files.
    filename_base : str
        Common beginning of their names.
    source_stamp : bytes
        Digest of the sources.
    """

    def __init__(self, cache_path, filename_base, source_stamp):
        super().__init__(cache_path, filename_base, source_stamp)
        self._version = f"{numba.__version__}, sealed"  # ignores files without a digest

    def save(self, key, data):
        """Save the data of a key, which identifies types and processor."""
        super().save(key, (self._source_stamp, key, data))

    def load(self, key):
        """Load the data of a key, or return None."""
        stamp, stored_key, data = super().load(key) or (None, None, None)
        # The file may contain data of another key or older sources: processes that save at the same
        # time can choose the same name, and a save can fail between the index and the data.
        return data if (stamp, stored_key) == (self._source_stamp, key) else None

    def _load_index(self):
        try:
            with open(self._index_path, "rb") as file:
                if pickle.load(file) != self._version:
                    return {}
                stamp, names = _unsealed(file.read())
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except Exception as error:  # damaged: the next save writes a new index
            _warn_once(_cannot("read", self._cache_path, error))
            return {}
        return names if stamp == self._source_stamp else {}

    def _load_data(self, name):
        return _unsealed(Path(self._data_path(name)).read_bytes())

    def _dump(self, obj):
        content = super()._dump(obj)
        return content + _digest(content)


@functools.cache
def _announce_compilation():
    """Log once per process why the first call takes seconds."""
    logging.getLogger("sklearn_ebm").warning(
        "Compiling kernels for this machine; this happens once."
    )


def _digest(content):
    return hashlib.blake2b(content, digest_size=DIGEST_SIZE).digest()


def _unsealed(content):
    content, digest = content[:-DIGEST_SIZE], content[-DIGEST_SIZE:]
    if digest != _digest(content):
        raise ValueError("the file is damaged")
    return pickle.loads(content)


def _digest_of_sources(module):
    """Return the digest of a module and of all modules of the package that it depends on."""
    sources, names = {}, [module]
    while names:
        name = names.pop()
        if name not in sources:
            sources[name] = _source(name)
            names += [found.decode() for found in IMPORTED.findall(sources[name])]
    return _digest(b"".join(_digest(sources[name]) for name in sorted(sources)))


@functools.cache
def _source(name):
    """Return the source of a module, also if it is imported only later."""
    module = sys.modules.get(name)
    spec = importlib.util.find_spec(name) if module is None else module.__spec__
    return spec.loader.get_data(spec.origin) if spec else b""


def _nowhere(error):
    named = numba.config.CACHE_DIR
    place = f"NUMBA_CACHE_DIR={named!r} is" if named else "the package and the home directory are"
    return (
        f"sklearn_ebm cannot cache compiled functions on disk, because {place} not writable "
        f"({type(error).__name__}). Every new process compiles them again, which takes several "
        "seconds. Set the environment variable NUMBA_CACHE_DIR to a writable directory."
    )


def _cannot(verb, path, error):
    return (
        f"sklearn_ebm cannot {verb} the compiled kernels in {path}: {type(error).__name__}: "
        f"{error}. They are compiled again. If this happens in every process, free disk space or "
        "set the environment variable NUMBA_CACHE_DIR to another directory."
    )


def _warn_once(message):
    if not _warned:
        _warned.append(message)
        warnings.warn(message, UserWarning, stacklevel=2)
