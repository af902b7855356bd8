"""The host on which the CUDA kernels are tested detects errors that a device would not report."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

N_THREADS = 4
CODE = """
__global__ void reverse(double* array) {
    scratch[threadIdx.x] = array[threadIdx.x];
    __syncthreads();
    array[threadIdx.x] = scratch[blockDim.x - 1 - threadIdx.x];
}
__global__ void reverse_without_barrier(double* array) {
    scratch[threadIdx.x] = array[threadIdx.x];
    array[threadIdx.x] = scratch[blockDim.x - 1 - threadIdx.x];
}
__global__ void barrier_for_some(double* array) {
    if (array[threadIdx.x] > 1) __syncthreads();
}
__global__ void beyond_shared_memory(double*) { scratch[blockDim.x] = 1; }
__global__ void beyond_the_array(double* array) { array[blockDim.x] = 1; }
"""
NAMES = (
    "reverse",
    "reverse_without_barrier",
    "barrier_for_some",
    "beyond_shared_memory",
    "beyond_the_array",
)


@pytest.fixture(scope="module")
def run(host_library, host_module):
    library = host_library("small", CODE, NAMES)

    def launch(name, *more_arguments, backwards=False):
        array = np.arange(float(N_THREADS))
        function = host_module(library, NAMES, N_THREADS, backwards).get_function(name)
        function((1,), (N_THREADS,), (array, *more_arguments), shared_mem=array.nbytes)
        return array

    return launch


@pytest.mark.parametrize("backwards", [False, True])
def test_threads_meet_at_barriers(run, backwards):
    assert_array_equal(run("reverse", backwards=backwards), np.arange(N_THREADS)[::-1])


def test_a_missing_barrier_reads_shared_memory_that_is_not_written_yet(run):
    forwards = run("reverse_without_barrier")
    backwards = run("reverse_without_barrier", backwards=True)
    assert np.isnan(forwards).sum() == np.isnan(backwards).sum() == N_THREADS // 2
    assert not np.array_equal(forwards, backwards, equal_nan=True)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("barrier_for_some", "threads of a block differ in the barriers"),
        ("beyond_shared_memory", "more shared memory than it was given"),
        ("beyond_the_array", "Arrays are not equal"),
    ],
)
def test_a_wrong_kernel_is_an_error(run, name, complaint):
    with pytest.raises(AssertionError, match=complaint):
        run(name)


def test_arguments_that_the_kernel_does_not_have_are_an_error(run):
    with pytest.raises(AssertionError, match="number or sizes of the arguments"):
        run("reverse", np.uint32(1))
