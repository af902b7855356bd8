"""Functions that are compiled as a part of kernels."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sklearn_ebm.backends.numba._rules import inner, kernel, routine


@inner
def _double(value):
    return value + value


@inner
def _quadruple(value):
    return _double(_double(value))


@routine
def _add_quadruples(values, result):
    for i in range(len(values)):
        result[i] += _quadruple(values[i])


@kernel
def _quadruples_twice(values, result):
    _add_quadruples(values, result)
    _add_quadruples(values, result)


def test_nested_fragments_work_in_a_kernel_as_in_python(dtype):
    values = np.arange(5, dtype=dtype)
    compiled, plain = np.zeros_like(values), np.zeros_like(values)
    _quadruples_twice(values, compiled)
    for _ in range(2):
        _add_quadruples(values, plain)
    assert_array_equal(compiled, 8 * values)
    assert_array_equal(plain, compiled)


@pytest.mark.parametrize("dtype", [np.int64])  # compiled for no other test
def test_only_the_kernel_becomes_machine_code(dtype, monkeypatch):
    from numba.core.codegen import CPUCodeLibrary

    emitted = []
    add = CPUCodeLibrary._finalize_final_module
    monkeypatch.setattr(
        CPUCodeLibrary,
        "_finalize_final_module",
        lambda library: (emitted.append(library.name), add(library)),
    )
    values = np.arange(5, dtype=dtype)
    _quadruples_twice.recompile()
    _quadruples_twice(values, np.zeros_like(values))
    assert {name for name in emitted if "quadruple" in name} == {"_quadruples_twice"}
