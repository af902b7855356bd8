"""The disk cache of compiled kernels: results are correct even if the cache fails."""

import errno
import importlib.util
import os
import pickle
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from numba.core import caching, config

from sklearn_ebm.backends.numba import _kernel_cache, _shipped

CALLEE = "sklearn_ebm.backends.numba._callee_of_a_test"
SOURCE = f"""
from {CALLEE} import plus
from sklearn_ebm.backends.numba._rules import kernel

@kernel
def increment(value):
    return plus(value)

@kernel
def square(value):
    return value * value
"""
CALLEE_SOURCE = """
from sklearn_ebm.backends.numba._rules import kernel

@kernel
def plus(value):
    return value + type(value)({term})
"""


class Folder:
    """A module with kernels that inline kernels of another module, and the cache of both."""

    def __init__(self, path):
        self.path = path
        self.cache = path / "cache"
        self.write(term=1)

    def write(self, term):
        (self.path / "callee.py").write_text(CALLEE_SOURCE.format(term=term))
        (self.path / "kernels.py").write_text(SOURCE)

    def fresh(self):
        """Import the module as in a new process."""
        _kernel_cache._source.cache_clear()
        _kernel_cache._announce_compilation.cache_clear()
        _shipped.shipped_levels.cache_clear()
        _kernel_cache._warned.clear()
        self._imported(CALLEE, "callee.py")
        return self._imported("kernels_of_a_test", "kernels.py")

    def _imported(self, name, file):
        spec = importlib.util.spec_from_file_location(name, self.path / file)
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    def files(self, suffix):
        """Return the paths of the index files or data files of `square`."""
        return sorted(self.cache.rglob(f"kernels.square*{suffix}"))


@pytest.fixture
def folder(tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
        patch.setattr(sys, "dont_write_bytecode", True)
        patch.setattr(_kernel_cache, "_warned", [])
        config.reload_config()  # Numba does this only at the next compilation
        yield Folder(tmp_path)
    config.reload_config()
    for name in (CALLEE, "kernels_of_a_test"):
        sys.modules.pop(name, None)


@pytest.fixture
def full_disk(monkeypatch):
    """Make Numba able to create a file, but not to fill it."""

    def full(path, mode="r", *args, **options):
        if "w" in mode:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return open(path, mode, *args, **options)

    monkeypatch.setattr(caching, "open", full, raising=False)


LEVEL = _shipped.Level("x86-64", "+sse2", frozenset({"sse2"}))
COMPILE = f"""
import pathlib, sys
from {__name__} import Folder
Folder(pathlib.Path(sys.argv[1])).fresh().square(3.0)
"""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """Compile `square` for a level of processors, and put the files where a wheel has them."""
    if not _shipped.runs_here(LEVEL):
        pytest.skip("the level is one of x86-64")
    sources, cache, compiled = (
        tmp_path_factory.mktemp(name) for name in ("sources", "cache", "compiled")
    )
    processor = {"NUMBA_CPU_NAME": LEVEL.cpu, "NUMBA_CPU_FEATURES": LEVEL.features}
    subprocess.run(
        [sys.executable, "-c", COMPILE, str(sources)],
        cwd=Path(__file__).parents[2],
        env=os.environ | processor | {"NUMBA_CACHE_DIR": str(cache)},
        check=True,
    )
    (compiled / LEVEL.cpu).mkdir()
    for path in cache.rglob("*.nb?"):
        shutil.copy(path, compiled / LEVEL.cpu)
    return compiled


@pytest.fixture
def shipped(compiled, monkeypatch):
    monkeypatch.setattr(_shipped, "COMPILED", compiled)
    monkeypatch.setattr(_shipped, "LEVELS", (LEVEL,))


def test_digests_contain_the_sources_of_modules_that_are_imported_later():
    _kernel_cache._source.cache_clear()
    kernels = [
        value
        for name, module in list(sys.modules.items())
        if name.startswith("sklearn_ebm.backends.numba.")
        for value in vars(module).values()
        if isinstance(getattr(value, "_cache", None), _kernel_cache.KernelCache)
    ]
    assert len(kernels) > 20
    for kernel in kernels:
        name = kernel.py_func.__module__
        digest = _kernel_cache._digest_of_sources(name)
        assert kernel._cache._cache_file._source_stamp == digest, name
        assert _kernel_cache._source(name), name


def is_cached(kernel):
    return sum(kernel.stats.cache_hits.values()) == 1


def test_a_new_process_loads_what_another_compiled(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for is_second in (False, True):
            kernels = folder.fresh()
            assert kernels.square(3.0) == 9.0
            assert is_cached(kernels.square) == is_second


def test_loading_does_not_register_what_numba_can_compile(folder, monkeypatch):
    folder.fresh().square(3.0)
    kernels, registered = folder.fresh(), []
    context = type(kernels.square.targetctx)
    monkeypatch.setattr(context, "refresh", lambda self: registered.append(self))
    assert kernels.square(3.0) == 9.0
    assert is_cached(kernels.square)
    assert not registered


def test_only_a_process_that_compiles_says_so_and_once(folder, caplog):
    for is_second in (False, True):
        caplog.clear()
        kernels = folder.fresh()
        kernels.square(3.0)
        kernels.increment(3.0)
        assert [record.name for record in caplog.records] == ["sklearn_ebm"] * (not is_second)


def test_a_kernel_of_the_wheel_is_not_compiled(folder, shipped, caplog):
    kernels = folder.fresh()
    assert kernels.square(3.0) == 9.0
    assert is_cached(kernels.square)
    assert caplog.records == []
    assert kernels.increment(3.0) == 4.0  # the wheel lacks it
    assert not is_cached(kernels.increment)


def test_kernels_of_the_wheel_are_left_alone_if_they_may_not_run_here(folder, shipped, monkeypatch):
    better = LEVEL._replace(required=LEVEL.required | {"a feature of no processor"})
    monkeypatch.setattr(_shipped, "LEVELS", (better,))
    kernels = folder.fresh()
    assert kernels.square(3.0) == 9.0
    assert not is_cached(kernels.square)


def test_kernels_of_the_wheel_are_left_alone_after_an_edit(folder, shipped):
    folder.write(term=2)
    kernels = folder.fresh()
    assert kernels.square(3.0) == 9.0
    assert not is_cached(kernels.square)


DAMAGES = {
    "empty": lambda content: b"",
    "half": lambda content: content[: len(content) // 2],
    "one byte short": lambda content: content[:-1],
    "zeros": lambda content: bytes(len(content)),
    "garbage": lambda content: np.random.default_rng(0).bytes(len(content)),
    "one bit": lambda content: content[:-50] + bytes([content[-50] ^ 1]) + content[-49:],
    "another object": lambda content: pickle.dumps({"a": 1}),
}


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_replaced_with_one_warning(folder, damage, suffix):
    kernels = folder.fresh()
    kernels.square(3.0), kernels.increment(1.0)
    for path in folder.cache.rglob(f"*{suffix}"):
        path.write_bytes(DAMAGES[damage](path.read_bytes()))
    kernels = folder.fresh()
    if (damage, suffix) == ("another object", ".nbi"):  # treated as an index of another version
        assert kernels.square(3.0) == 9.0
    else:
        with pytest.warns(UserWarning, match="cannot read .* NUMBA_CACHE_DIR") as caught:
            assert (kernels.square(3.0), kernels.increment(1.0)) == (9.0, 2.0)
        assert len(caught) == 1
    kernels = folder.fresh()
    assert kernels.square(3.0) == 9.0
    assert is_cached(kernels.square)


def test_kernels_compile_on_a_full_disk(folder, full_disk):
    kernels = folder.fresh()
    with pytest.warns(
        UserWarning, match="cannot write .* No space left .* free disk space"
    ) as caught:
        assert (kernels.square(3.0), kernels.increment(1.0)) == (9.0, 2.0)
    assert len(caught) == 1
    assert not list(folder.cache.rglob("*.tmp.*"))


def test_kernels_compile_without_a_writable_directory(folder, monkeypatch):
    """A file occupies the path of each directory, so that even a superuser cannot create it."""
    for name in ("cache", "__pycache__", "home"):
        (folder.path / name).write_text("")
    for variable in ("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(variable, str(folder.path / "home"))
    kernels = folder.fresh()
    with pytest.warns(UserWarning, match="cannot write .* NUMBA_CACHE_DIR") as caught:
        assert (kernels.square(3.0), kernels.increment(1.0)) == (9.0, 2.0)
    assert len(caught) == 1


def test_kernels_compile_if_numba_may_use_no_directory(folder, monkeypatch):
    (folder.path / "__pycache__").write_text("")
    monkeypatch.setattr(_kernel_cache.KernelFiles, "_locator_classes", [_kernel_cache._InTree])
    with pytest.warns(UserWarning, match="cannot cache .* NUMBA_CACHE_DIR") as caught:
        kernels = folder.fresh()
    assert len(caught) == 1
    assert (kernels.square(3.0), kernels.increment(1.0)) == (9.0, 2.0)


@pytest.fixture
def unwritable(monkeypatch):
    """Refuse to write into any directory, for a superuser too."""

    def refuse(*args, **options):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(caching.tempfile, "TemporaryFile", refuse)
    monkeypatch.setattr(_kernel_cache.KernelFile, "save", refuse)


@pytest.mark.parametrize("home_is_writable", [False, True])
def test_kernels_are_loaded_from_a_read_only_cache(
    folder, home_is_writable, monkeypatch, request, tmp_path_factory
):
    """A container was built by another user, and only the home directory is writable, if any."""
    kernels = folder.fresh()
    kernels.square(3.0)
    if home_is_writable:
        elsewhere = str(tmp_path_factory.mktemp("home"))
        monkeypatch.setattr(
            _kernel_cache._UserProvided, "from_function", classmethod(lambda *args: None)
        )
        monkeypatch.setattr(_kernel_cache._InTree, "get_cache_path", lambda locator: elsewhere)
    else:
        request.getfixturevalue("unwritable")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kernels = folder.fresh()
        assert kernels.square(3.0) == 9.0
    assert is_cached(kernels.square)


def test_data_of_another_signature_are_ignored(folder):
    """Two processes that compile at once may give two signatures the same file."""
    kernels = folder.fresh()
    kernels.square(3.0), kernels.square(3)
    first, second = folder.files(".nbc")
    first.write_bytes(second.read_bytes())
    kernels = folder.fresh()
    assert (kernels.square(2.5), kernels.square(3)) == (6.25, 9)


def test_an_edit_of_an_inlined_function_recompiles_its_callers(folder):
    assert folder.fresh().increment(1.0) == 2.0
    folder.write(term=5)
    assert folder.fresh().increment(1.0) == 6.0
