"""Common parts of all tests: data, dtypes, and the requirements of a GPU run.

The number of threads is not set: the launcher must be correct for any number.
"""

import gc
import os
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from numba_cache import open_cache

from tests.grids import repeats, thin_out

os.environ["NUMBA_CACHE_DIR"] = str(open_cache())  # Numba reads it once, at import
os.environ.setdefault("MPLBACKEND", "Agg")  # neither a window nor a display is needed

PATCH_SIZE = 8
N_DRAWN = 1000  # per photograph; about half of the patches are too flat
N_PATCHES = 300
N_ATOMS = 96  # overcomplete: 1.5 atoms per pixel


def pytest_addoption(parser):
    parser.addoption(
        "--gpu",
        action="store_true",
        help="run tests marked gpu; an error without one",
    )
    parser.addoption(
        "--examples",
        type=int,
        help="cases that a property test draws; by default a few of each kind",
    )

    parser.addoption(
        "--all-cases",
        action="store_true",
        help="run all cases of the tests marked pairwise or exhaustive",
    )


def pytest_configure(config):
    if config.getoption("--gpu"):
        missing = _what_a_gpu_run_misses()
        if missing:
            raise pytest.UsageError(f"--gpu was asked for, but {missing}")


@contextmanager
def _without_coverage():
    """Suspend the measurement of coverage, which doubles the time of Python code."""
    tracer = sys.gettrace()
    if not _is_coverage(tracer):
        yield
        return
    tracer.stop()
    try:
        yield
    finally:
        tracer.start()


@pytest.hookimpl(wrapper=True)
def pytest_pycollect_makeitem():
    """List the cases of a test without coverage; modules are imported before, with it."""
    with _without_coverage():
        return (yield)


def pytest_collection_finish():
    """Keep coverage and the garbage collector away from what tests do not create.

    Numba compiles a quarter faster without coverage. Tests and compiled kernels leave millions of
    objects; if the collector looked through them again and again, tests would take twice as long.
    """
    gc.freeze()
    from numba.core import event

    class Pause(event.Listener):
        def __init__(self):
            self.pauses = []  # a stack, since a kernel may compile others

        def on_start(self, _):
            self.pauses.append(_without_coverage())
            self.pauses[-1].__enter__()

        def on_end(self, _):
            gc.freeze()
            self.pauses.pop().__exit__(None, None, None)

    event.register("numba:compile", Pause())


def _is_coverage(tracer):
    """Return whether a trace function is coverage's C tracer rather than a debugger."""
    return type(tracer).__name__ == "CTracer"


def pytest_collection_modifyitems(config, items):
    with _without_coverage():
        _select(config, items)


def _select(config, items):
    if not config.getoption("--all-cases"):
        kept = thin_out(items)
        left_out = {*items} - {*kept}
        config.hook.pytest_deselected(items=[item for item in items if item in left_out])
        items[:] = kept
    for item in repeats(items):
        item.add_marker("no_cover")  # coverage would double the time and show nothing new
    if config.getoption("--gpu"):
        return
    skip = pytest.mark.skip(reason="needs a GPU: make test-gpu")
    for item in items:
        if "gpu" in item.keywords:
            item.add_marker(skip)


def _what_a_gpu_run_misses():
    try:
        import cupy
    except ImportError as error:
        from sklearn_ebm._extras import install_hint

        return f"CuPy cannot be imported ({error}). {install_hint('cuda12', 'cuda13')}"
    try:
        n_devices = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        return f"the CUDA driver says: {error}"
    return None if n_devices else "the CUDA driver finds no device"


@pytest.fixture(params=[np.float32, np.float64], ids=["float32", "float64"])
def dtype(request):
    """Both dtypes of models; restrict it by `@pytest.mark.parametrize("dtype", [...])`."""
    return np.dtype(request.param)


@pytest.fixture(scope="session")
def patches():
    """(300, 64) float64, read-only: patches of photographs, each of mean zero and unit variance."""
    from sklearn.datasets import load_sample_image
    from sklearn.feature_extraction.image import extract_patches_2d

    drawn = []
    for seed, name in enumerate(["china.jpg", "flower.jpg"]):
        gray = load_sample_image(name).mean(axis=2)
        shape = (PATCH_SIZE, PATCH_SIZE)
        drawn.append(extract_patches_2d(gray, shape, max_patches=N_DRAWN, random_state=seed))
    flat = np.concatenate(drawn).reshape(-1, PATCH_SIZE**2)
    textured = flat[flat.std(axis=1) > 5.0]  # of 255 levels: sky and shadow are mainly noise
    chosen = np.random.default_rng(0).choice(textured, N_PATCHES, replace=False)
    centred = chosen - chosen.mean(axis=1, keepdims=True)
    return _read_only(centred / centred.std(axis=1, keepdims=True))


@pytest.fixture(scope="session")
def dictionary():
    """(96, 64) float64, read-only: random rows of unit norm, the same in each run."""
    rows = np.random.default_rng(0).standard_normal((N_ATOMS, PATCH_SIZE**2))
    return _read_only(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def _read_only(array):
    """Make an array read-only: tests must not change shared data, and models must accept it."""
    array.setflags(write=False)
    return array


@pytest.fixture(scope="session")
def data_home():
    """The folder of SKLEARN_EBM_DATA, for tests on real data sets that are too large to include."""
    folder = os.environ.get("SKLEARN_EBM_DATA")
    if not folder:
        pytest.skip("SKLEARN_EBM_DATA is not set: it names the folder with the real data sets")
    if not Path(folder).is_dir():
        pytest.skip(f"SKLEARN_EBM_DATA={folder} is not a folder")
    return Path(folder)


@pytest.fixture(scope="session")
def cupy():
    """The CuPy module, for tests marked gpu."""
    return pytest.importorskip("cupy")
