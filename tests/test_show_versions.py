"""The report for bugs names what is installed and where kernels are cached."""

import platform
import sys

import numba
import numpy as np
import pytest
import sklearn
from threadpoolctl import threadpool_info

import sklearn_ebm
from sklearn_ebm.backends.numba import _environment


def entries(text):
    """Return the printed values by name."""
    return dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)


@pytest.fixture
def report(capsys):
    sklearn_ebm.show_versions()
    return {name.strip(): value for name, value in entries(capsys.readouterr().out).items()}


def test_versions_are_those_of_the_loaded_packages(report):
    assert report["sklearn_ebm"] == sklearn_ebm.__version__
    assert report["numpy"] == np.__version__
    assert report["scikit-learn"] == sklearn.__version__
    assert report["numba"] == numba.__version__
    assert report["python"].startswith(platform.python_version())
    assert report["executable"] == sys.executable


def test_the_processor_is_the_one_that_numba_compiles_for(report, monkeypatch):
    from numba.core.registry import cpu_target

    assert report["processor"] == cpu_target.target_context.codegen().magic_tuple()[1]
    monkeypatch.setattr(numba.config, "CPU_NAME", "generic")
    assert _environment.cpu_name() == "generic"


def test_the_cache_is_below_the_directory_of_the_environment_variable(report):
    assert report["cache"].startswith(numba.config.CACHE_DIR)


def test_without_a_writable_directory_there_is_no_cache(monkeypatch):
    def refuse(function):
        raise RuntimeError("no locator available")  # as Numba does

    monkeypatch.setattr(_environment, "KernelCache", refuse)
    assert _environment.cache_folder() is None


def test_all_thread_pools_are_listed(capsys):
    sklearn_ebm.show_versions()
    text = capsys.readouterr().out
    assert all(pool["filepath"] in text for pool in threadpool_info())
