"""Launches and memory traffic of a learning step on a CUDA device, counted without a device.

NumPy arrays take the place of CuPy arrays. Each operation on them counts as one kernel that reads
its inputs and writes its outputs, and each fused kernel as one launch that reads all of its arrays
and writes those that its source does not declare constant. Fused kernels compute nothing here: the
reference computes their results. The counts are those of two passes less those of one pass, divided
by the number of steps.

The table compares three times of a step: that of the memory traffic and of the products on a card
of the H200 class, that of the launches, and that for which the host waits for results of the
device. A step is short of the device if the launches and waits take longer than the work. The
times are computed, not measured. They are lower bounds: several operations of CuPy are more than
one kernel, and arithmetic other than products of matrices is not counted.
"""

import functools
import re
import sys
import types
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.machinery import ModuleSpec

import numpy as np

from benchmarks import _common

BYTES_PER_SECOND = 4.8e12  # memory of an H200
FLOPS = 67e12  # single precision without tensor cores
LAUNCH = 4e-6  # seconds between two launches from Python
WAIT = 15e-6  # seconds until the host has a number of the device
UNCOUNTED = ("reshape", "transpose", "broadcast_to", "may_share_memory", "shape", "ndim", "size")
COPIES = ("astype", "copy", "argmax", "argmin", "argsort", "cumsum", "repeat", "take", "nonzero")


@dataclass
class Counts:
    """What a part of the program asks of a device."""

    launches: int = 0
    n_bytes: int = 0
    flops: int = 0
    waits: int = 0
    is_paused: bool = False

    def add(self, inputs, outputs, flops=0):
        """Count one kernel."""
        if not self.is_paused:
            self.launches += 1
            self.n_bytes += sum(each.nbytes for each in (*inputs, *outputs))
            self.flops += flops

    def wait(self):
        """Count a wait of the host for the device."""
        self.waits += not self.is_paused

    @contextmanager
    def paused(self):
        """Count nothing."""
        before, self.is_paused = self.is_paused, True
        try:
            yield
        finally:
            self.is_paused = before


COUNTS = Counts()


# ----------------------------------------------------------------------- arrays in place of CuPy's
class DeviceArray(np.ndarray):
    """An array on the host whose operations are counted as if it were on a device."""

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **options):
        plain = [_plain(each) for each in inputs]
        if out is not None:
            options["out"] = tuple(_plain(each) for each in out)
        result = getattr(ufunc, method)(*plain, **options)
        arrays = [each for each in plain if isinstance(each, np.ndarray)]
        outputs = [np.asarray(result)] if result is not None else []
        COUNTS.add(arrays, outputs, _flops(ufunc, arrays, outputs))
        return out[0] if out is not None else _on_device(result)

    def __array_function__(self, function, kinds, inputs, options):
        return counted(function)(*inputs, **options)

    def __getitem__(self, index):
        found = self.view(np.ndarray)[_plain(index)]
        return _counted_unless_view(found, [self])

    def __setitem__(self, index, value):
        value = _plain(value)
        target = self.view(np.ndarray)
        target[_plain(index)] = value
        COUNTS.add([value] if isinstance(value, np.ndarray) else [], [target[_plain(index)]])

    def get(self):
        """Return the array on the host."""
        COUNTS.wait()
        return np.array(self.view(np.ndarray))

    def __bool__(self):
        return bool(self.get())

    def __float__(self):
        return float(self.get())

    def __int__(self):
        return int(self.get())

    def __index__(self):
        return self.get().__index__()


def _flops(function, inputs, outputs):
    """Return the additions and multiplications of a product of matrices; zero for others."""
    return 2 * inputs[0].shape[-1] * outputs[0].size if function is np.matmul else 0


def _method(name):
    def call(self, *inputs, **options):
        plain = [_plain(each) for each in inputs]
        found = getattr(self.view(np.ndarray), name)(*plain, **options)
        return _counted_unless_view(found, [self])

    return call


for _name in COPIES:
    setattr(DeviceArray, _name, _method(_name))


def _plain(value):
    """Return a value with arrays of the host."""
    if isinstance(value, DeviceArray):
        return value.view(np.ndarray)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(_plain, value))
    if type(value) in (tuple, list):
        return type(value)(map(_plain, value))
    return value


def _on_device(value):
    """Return a value with arrays of the device."""
    if isinstance(value, np.generic | np.ndarray):
        return np.asarray(value).view(DeviceArray)
    if type(value) in (tuple, list):
        return type(value)(map(_on_device, value))
    return value


def _arrays(value):
    """Yield the arrays in nested tuples and lists."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, tuple | list):
        for each in value:
            yield from _arrays(each)


def _counted_unless_view(found, inputs):
    outputs = [*_arrays(_on_device(found))]
    if not any(np.may_share_memory(array, each) for array in inputs for each in outputs):
        COUNTS.add([], outputs + outputs)  # reads as much as it writes
    return _on_device(found)


def counted(function):
    """Return a function of NumPy for arrays of the device; results that are views are free."""

    @functools.wraps(function)
    def call(*inputs, **options):
        plain = _plain(inputs)
        found = function(*plain, **{name: _plain(value) for name, value in options.items()})
        arrays, outputs = [*_arrays(plain)], [*_arrays(_on_device(found))]
        is_view = any(np.may_share_memory(a, b) for a in arrays for b in outputs)
        if options.get("out") is not None or not (is_view or function.__name__ in UNCOUNTED):
            COUNTS.add(arrays, outputs, _flops(function, arrays, outputs))
        return options["out"] if options.get("out") is not None else _on_device(found)

    return call


class Library(types.ModuleType):
    """The functions of NumPy under the name of CuPy."""

    ndarray = DeviceArray

    def __init__(self, name, source):
        super().__init__(name)
        self.__spec__ = ModuleSpec(name, None)
        self._source = source

    def __getattr__(self, name):
        found = getattr(self._source, name)
        if isinstance(found, types.ModuleType):
            return Library(f"{self.__name__}.{name}", found)
        return counted(found) if callable(found) and not isinstance(found, type) else found


# ------------------------------------------------------------------------------------ fused kernels
def count_launches():
    """Replace the launches of fused kernels by counts, and their results by the reference's."""
    from sklearn_ebm.backends import cupy, numpy
    from sklearn_ebm.backends.cupy import _launch

    for name, module in [*sys.modules.items()]:
        if name.startswith("sklearn_ebm.backends.cupy") and hasattr(module, "launch"):
            module.launch = _count_launch
    _launch.as_struct = lambda rule, dtype: np.zeros(1, dtype)
    for name in cupy.__all__:
        fused = getattr(cupy, name)
        if callable(fused) and fused is not getattr(numpy, name, None):
            setattr(cupy, name, _fused(name, fused, _reference(name)))


def _count_launch(family, kernel, shape, arguments, rule=None, shared_bytes=0):
    if shape[0]:
        is_constant = _constants(family, kernel)
        arrays = [each for each in arguments if isinstance(each, DeviceArray)]
        written = [
            each for each, constant in zip(arrays, is_constant, strict=False) if not constant
        ]
        COUNTS.add(arrays, written)


@functools.cache
def _constants(family, kernel):
    """Return whether each pointer of a kernel is declared constant."""
    from sklearn_ebm.backends.cupy._sources import FAMILIES

    code = FAMILIES[family].code
    (declared,) = re.findall(rf"__global__[^;{{]*\b{kernel}\(([^)]*)\)", code)[:1]
    return ["const" in each for each in declared.split(",") if "*" in each]


def _fused(name, fused, reference):
    """Return a function that counts the launches of a kernel, and returns results of the host."""
    if isinstance(fused, functools.partial):  # the reference with fused parts
        parts = {key: _fused(key, part, _reference(key)) for key, part in fused.keywords.items()}
        return functools.partial(fused.func, *fused.args, **parts)
    if reference is None or name in ("map_pieces", "to_device"):
        return fused

    def call(*inputs, **options):
        arrays = [*_arrays(inputs)]
        before = [np.array(_plain(each)) for each in arrays]
        with COUNTS.paused():
            found = _on_device(reference(*_plain(inputs), **options))
        after = [np.array(_plain(each)) for each in arrays]
        _write(arrays, before)
        if name == "coordinate_descent":  # as many sweeps, although they change nothing here
            inputs = *inputs[:3], found[1]
        fused(*inputs, **options)
        _write(arrays, after)
        return found

    return call


def _reference(name):
    """Return the function of the host: the reference, unless it would take minutes."""
    from sklearn_ebm.backends import numba, numpy

    return getattr(numba if name == "coordinate_descent" else numpy, name, None)


def _write(arrays, values):
    for array, value in zip(arrays, values, strict=True):
        if array.flags.writeable:
            array.view(np.ndarray)[...] = value


# ------------------------------------------------------------------------------------------- cases
def cases(n_steps, seed):
    """Yield the name of each case, the size of a batch, a model, and `n_steps` batches of data."""
    from sklearn_ebm import PSD, RBM, AutoEncoder, SparseCoder

    few = {"tol": 0, "random_state": 0}
    pixels = np.random.default_rng(seed).random((n_steps * 4096, 784), dtype=np.float32)
    digits = (pixels < 0.13).astype(np.float32)
    for size in (100, 4096):
        data = (digits[: n_steps * size],)
        yield "RBM, 1,024 units", size, RBM(1024, batch_size=size, **few), data
        yield "AutoEncoder, 1,000 units", size, AutoEncoder(1000, batch_size=size, **few), data
    X = _common.natural_patches(n_steps * 512, seed=seed, dtype=np.float32)
    sparse = {"alpha": 2.0, "batch_size": 512, **few}
    yield "SparseCoder, 256 atoms", 512, SparseCoder(256, **sparse), (X,)
    yield "PSD, 256 atoms", 512, PSD(256, **sparse), (X,)


def of_fit(model, data, n_passes):
    """Return the counts of a fit."""
    from sklearn.base import clone

    data = [_on_device(np.ascontiguousarray(each)) for each in data]
    before = Counts(COUNTS.launches, COUNTS.n_bytes, COUNTS.flops, COUNTS.waits)
    clone(model).set_params(max_iter=n_passes).fit(*data)
    return Counts(
        COUNTS.launches - before.launches,
        COUNTS.n_bytes - before.n_bytes,
        COUNTS.flops - before.flops,
        COUNTS.waits - before.waits,
    )


def record(report, case, few, more, n_steps):
    """Record the counts of a step, and the times that follow from them."""
    step = Counts(
        *(
            (getattr(more, name) - getattr(few, name)) / n_steps
            for name in ("launches", "n_bytes", "flops", "waits")
        )
    )
    work = max(step.n_bytes / BYTES_PER_SECOND, step.flops / FLOPS)
    overhead = LAUNCH * step.launches + WAIT * step.waits
    report.add(case, "launches", step.launches)
    report.add(case, "waits of the host", step.waits)
    report.add(case, "memory traffic", step.n_bytes / 2**20, "MiB")
    report.add(case, "time of the traffic and the products", 1e6 * work, "us")
    report.add(case, "time of the launches and the waits", 1e6 * overhead, "us")
    report.add(case, "launches and waits / work", overhead / work, "x")


def main():
    options = _common.options(__doc__)
    warnings.simplefilter("ignore")
    sys.modules["cupy"] = Library("cupy", np)
    import_module("sklearn_ebm.backends.cupy")
    count_launches()
    report = _common.Report("device_counts", "Launches and memory traffic of a step on a device")
    n_steps = 1 if options.quick else 3
    for name, size, model, data in cases(n_steps, options.seed):
        case = f"{name}, batches of {size:,}"
        record(report, case, of_fit(model, data, 1), of_fit(model, data, 2), n_steps)
    report.note(
        f"computed for {BYTES_PER_SECOND / 1e12:.1f} TB/s, {FLOPS / 1e12:.0f} Tflop/s, "
        f"{1e6 * LAUNCH:.0f} us for each launch and {1e6 * WAIT:.0f} us for each wait; float32"
    )
    report.save(options.results)


if __name__ == "__main__":
    main()
