"""Every instance of every kernel compiles for each architecture; NVRTC does not require a GPU."""

import ctypes
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from sklearn_ebm.backends import _rules
from sklearn_ebm.backends.cupy._sources import FAMILIES, OPTIONS, RULES

ARCHITECTURES = ("sm_75", "sm_80", "sm_90")  # Turing, Ampere and Hopper


class Compiler:
    """The NVRTC functions that are needed for a compilation, called through ctypes."""

    def __init__(self, path):
        self._library = ctypes.CDLL(str(path))
        self._library.nvrtcGetErrorString.restype = ctypes.c_char_p

    def _call(self, function, *arguments):
        status = getattr(self._library, function)(*arguments)
        return self._library.nvrtcGetErrorString(status).decode()

    def _read(self, program, what):
        size = ctypes.c_size_t()
        assert self._call(f"nvrtcGet{what}Size", program, ctypes.byref(size)) == "NVRTC_SUCCESS"
        text = ctypes.create_string_buffer(size.value)
        assert self._call(f"nvrtcGet{what}", program, text) == "NVRTC_SUCCESS"
        return text.raw

    def compile(self, code, instances, options):
        """Return machine code, the names of the instances in it, and the log of the compiler."""
        program = ctypes.c_void_p()
        self._call(
            "nvrtcCreateProgram", ctypes.byref(program), code.encode(), b"kernels.cu", 0, None, None
        )
        for instance in instances:
            self._call("nvrtcAddNameExpression", program, instance.encode())
        encoded = [option.encode() for option in options]
        array = (ctypes.c_char_p * len(encoded))(*encoded)
        status = self._call("nvrtcCompileProgram", program, len(encoded), array)
        log = self._read(program, "ProgramLog").rstrip(b"\0").decode()
        assert status == "NVRTC_SUCCESS", log
        names = [self._lowered(program, instance) for instance in instances]
        binary = self._read(program, "CUBIN")
        self._call("nvrtcDestroyProgram", ctypes.byref(program))
        return binary, names, log

    def _lowered(self, program, instance):
        name = ctypes.c_char_p()
        status = self._call("nvrtcGetLoweredName", program, instance.encode(), ctypes.byref(name))
        assert status == "NVRTC_SUCCESS", f"{instance}: {status}"
        return bytes(name.value)


@pytest.fixture(scope="module")
def nvrtc():
    found = importlib.util.find_spec("nvidia")
    roots = [] if found is None else found.submodule_search_locations
    libraries = [path for root in roots for path in Path(root).rglob("libnvrtc.so.*")]
    if not libraries:
        pytest.skip("NVRTC is not installed: pip install nvidia-cuda-nvrtc")
    return Compiler(max(libraries))


@pytest.mark.each_value
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_instance_compiles_without_a_warning(nvrtc, family, architecture):
    source = FAMILIES[family]
    options = [*OPTIONS, f"--gpu-architecture={architecture}"]
    binary, names, log = nvrtc.compile(source.code, source.instances, options)
    assert log == ""
    assert len(set(names)) == len(source.instances)
    for name in names:  # a function's code is a section of this name in the binary
        assert b".text." + name + b"\0" in binary


def test_nvrtc_sees_what_is_wrong(nvrtc):
    wrong = FAMILIES["proximal"].code.replace("__syncthreads();", "__syncthread();")
    with pytest.raises(AssertionError, match="__syncthread"):
        nvrtc.compile(wrong, FAMILIES["proximal"].instances, OPTIONS)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_kernel_of_a_source_has_instances(family):
    source = FAMILIES[family]
    assert source.code.count("__global__") == len(source.kernels)
    assert len(source.instances) == 2 * len(source.kernels) * max(1, len(source.rules))


def test_every_rule_has_a_functor():
    rules = [name for name, kind in vars(_rules).items() if hasattr(kind, "_fields")]
    assert set(RULES) == set(rules)


def test_importing_the_backend_does_not_load_cupy():
    script = "import sys, sklearn_ebm.backends.cupy; print('cupy' in sys.modules)"
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=root
    )
    assert done.stdout.strip() == "False"
