"""The CUDA kernels on a host: their source is compiled as C++ to test their results."""

import ctypes
import importlib
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

HEADER = Path(__file__).parent / "cupy" / "host.hpp"
# around each array, to detect reads and writes out of bounds
GUARD = np.arange(1000.0, 1064.0)
VERDICTS = (
    "fine",
    "number or sizes of the arguments differ from the kernel's",
    "threads of a block differ in the barriers that they pass",
    "the kernel uses more shared memory than it was given",
)
ENTRY = """
extern "C" int launch_{index}(const host::Launch* launch) {{
    return host::run(&{instance}, *launch);
}}
"""


class _Launch(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_uint) for name in ("grid", "block", "shared_bytes", "backwards")),
        ("n_arguments", ctypes.c_uint),
        ("arguments", ctypes.POINTER(ctypes.c_void_p)),
        ("sizes", ctypes.POINTER(ctypes.c_uint)),
    ]


class HostModule:
    """Replacement of `cupy.RawModule` for NumPy arrays.

    Blocks have at most `max_threads` threads, which run in reverse order if `backwards` is True.
    """

    def __init__(self, library, instances, max_threads, backwards):
        self._library = library
        self._instances = instances
        self._max_threads = max_threads
        self._backwards = backwards

    def get_function(self, name):
        """Return the instance as a function with the signature of a `cupy.RawKernel`."""
        entry = self._library[f"launch_{self._instances.index(name)}"]

        def function(grid, block, arguments, shared_mem=0):
            guarded = [_guarded(argument) for argument in arguments]
            values = [_by_value(array) for array in guarded]
            pointers = (ctypes.c_void_p * len(values))(*(value.ctypes.data for value in values))
            sizes = (ctypes.c_uint * len(values))(*(value.nbytes for value in values))
            threads = min(block[0], self._max_threads)
            launch = _Launch(
                max(1, grid[0]), threads, shared_mem, self._backwards, len(values), pointers, sizes
            )
            assert VERDICTS[entry(ctypes.byref(launch))] == "fine"
            for argument, array in zip(arguments, guarded, strict=True):
                _write_back(argument, array)

        return function


def _is_array(argument):
    """Return whether a device would receive a pointer; CuPy passes scalars and records by value."""
    return isinstance(argument, np.ndarray) and argument.dtype.names is None


def _guarded(argument):
    if not _is_array(argument):
        return argument
    assert argument.flags.c_contiguous
    return np.concatenate([GUARD, argument.ravel(), GUARD], dtype=argument.dtype, casting="unsafe")


def _by_value(argument):
    if _is_array(argument):
        return np.array([argument.ctypes.data + GUARD.size * argument.itemsize], dtype=np.uintp)
    assert isinstance(argument, np.ndarray | np.generic)  # CuPy would guess a number's type
    return np.atleast_1d(argument)


def _write_back(argument, array):
    if not _is_array(argument):
        return
    before, written, after = np.split(array, [GUARD.size, -GUARD.size])
    np.testing.assert_array_equal(before, GUARD.astype(argument.dtype))
    np.testing.assert_array_equal(after, GUARD.astype(argument.dtype))
    written = written.reshape(argument.shape)
    if argument.flags.writeable:
        argument[...] = written
    else:
        np.testing.assert_array_equal(argument, written)


@pytest.fixture(scope="session")
def host_library(tmp_path_factory):
    """Return a function from C++ source and instances to a library that launches each of them."""
    if not sys.platform.startswith("linux"):
        pytest.skip("the host shim needs Linux (ucontext)")
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("the host shim needs a C++ compiler: g++ was not found")
    folder = tmp_path_factory.mktemp("cuda_as_cpp")

    def build(name, code, instances):
        entries = (ENTRY.format(index=i, instance=each) for i, each in enumerate(instances))
        source = folder / f"{name}.cpp"
        source.write_text(f'#include "{HEADER}"\n{code}\n' + "".join(entries), encoding="utf-8")
        target = source.with_suffix(".so")
        options = "-std=c++17 -O1 -fno-strict-aliasing -Wall -Wextra -Werror -shared -fPIC".split()
        done = subprocess.run(
            [compiler, *options, str(source), "-o", str(target)], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return ctypes.CDLL(str(target))

    return build


@pytest.fixture(scope="session")
def host_module():
    """Return the class `HostModule`, for sources that are not the package's."""
    return HostModule


@pytest.fixture(scope="session")
def host_libraries(host_library):
    """Return the libraries of all families of kernels."""
    sources = importlib.import_module("sklearn_ebm.backends.cupy._sources")
    return {
        name: host_library(name, family.code, family.instances)
        for name, family in sources.FAMILIES.items()
    }


@pytest.fixture
def cupy_on_host(monkeypatch, host_libraries):
    """Return a function that returns the CuPy backend with its kernels on the host."""
    backend = importlib.import_module("sklearn_ebm.backends.cupy")
    launch = importlib.import_module("sklearn_ebm.backends.cupy._launch")

    def prepare(max_threads=1024, backwards=False):
        def load(family):
            instances = launch.FAMILIES[family].instances
            return HostModule(host_libraries[family], instances, max_threads, backwards)

        monkeypatch.setattr(launch, "load", load)
        monkeypatch.setattr(backend, "to_device", np.asarray)
        return backend

    return prepare
