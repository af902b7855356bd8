"""What compiled kernels depend on: the processor that they are compiled for, and their cache."""

import llvmlite.binding
import numba

from sklearn_ebm.backends.numba._kernel_cache import KernelCache


def cpu_name():
    """Return LLVM's name of the processor that kernels are compiled for."""
    return numba.config.CPU_NAME or llvmlite.binding.get_host_cpu_name()


def cache_folder():
    """Return the directory of compiled kernels, or None if no directory is writable."""
    try:
        return KernelCache(cpu_name).cache_path
    except RuntimeError:
        return None
