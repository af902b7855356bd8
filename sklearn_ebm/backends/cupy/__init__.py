"""Fused kernels for CUDA devices; the same functions as `sklearn_ebm.backends.numpy`.

CuPy is loaded by the first call, not by the import. The reference computes cases that kernels do
not support (penalties without a rule, rules without a functor, codes that are not contiguous). It
runs on the device as well.
"""

from sklearn_ebm.backends.cupy._adam import adam_step
from sklearn_ebm.backends.cupy._bernoulli import (
    bernoulli_mean,
    bernoulli_sample,
    softplus_sums,
)
from sklearn_ebm.backends.cupy._categorical import categorical_sample
from sklearn_ebm.backends.cupy._constrained import constrained_codes
from sklearn_ebm.backends.cupy._contrast import ascend
from sklearn_ebm.backends.cupy._convolution import correlate, correlate_kernels, synthesize
from sklearn_ebm.backends.cupy._coordinate_descent import coordinate_descent
from sklearn_ebm.backends.cupy._dictionary import update_atoms
from sklearn_ebm.backends.cupy._encoders import (
    shrink_preactivation,
    smooth_shrink_preactivation,
    tanh_preactivation,
)
from sklearn_ebm.backends.cupy._gibbs import gibbs_step
from sklearn_ebm.backends.cupy._inhibited_descent import inhibited_descent
from sklearn_ebm.backends.cupy._ising import ising_sweep
from sklearn_ebm.backends.cupy._local import (
    local_correlate,
    local_correlate_kernels,
    local_synthesize,
)
from sklearn_ebm.backends.cupy._pieces import PIECES_AT_ONCE as pieces_at_once
from sklearn_ebm.backends.cupy._pieces import map_pieces
from sklearn_ebm.backends.cupy._proximal import proximal_step
from sklearn_ebm.backends.cupy._random import add_normal, uniform
from sklearn_ebm.backends.cupy._unrolled import (
    greedy_steps,
    greedy_steps_backward,
    unrolled_step,
    unrolled_step_backward,
)
from sklearn_ebm.backends.numpy import (
    add_code_moment,
    add_moments,
    flip_factors,
    flip_slopes,
    flip_sums,
    gap_with_rounding,
    gate_units,
    local_contrast,
    local_contrast_backward,
    logistic_backward,
    pool_length_slopes,
    pool_lengths,
    pool_norms,
    pool_spread,
    project,
    pursue,
    quadratic,
    residuals,
    scale_contrast,
    shrink_backward,
    smooth_maps,
    smooth_shrink_backward,
    tanh_backward,
    to_csr,
    update_atoms_by_svd,
    update_kernels,
    update_projected_atoms,
    update_rank_one_kernels,
)

name = "cupy"
# A support for each sample branches too much for a device: solvers choose another kernel.
active_set = active_set_path = block_descent = feature_sign = joint_descent = None
local_descent = None  # same reason
contrastive_steps = None  # a device needs no threads that share pieces
discriminative_steps = None  # likewise
proximal_gradient = None  # same reason; steps of whole batches use a device fully


def to_device(array):  # pragma: needs a GPU
    """Return the array on the current CUDA device, without a copy if it is already there."""
    import cupy

    return cupy.asarray(array)


__all__ = [
    "active_set",
    "adam_step",
    "add_code_moment",
    "add_moments",
    "add_normal",
    "ascend",
    "bernoulli_mean",
    "bernoulli_sample",
    "block_descent",
    "categorical_sample",
    "constrained_codes",
    "contrastive_steps",
    "coordinate_descent",
    "correlate",
    "correlate_kernels",
    "discriminative_steps",
    "feature_sign",
    "flip_factors",
    "flip_slopes",
    "flip_sums",
    "gap_with_rounding",
    "gate_units",
    "gibbs_step",
    "greedy_steps",
    "greedy_steps_backward",
    "inhibited_descent",
    "ising_sweep",
    "joint_descent",
    "local_contrast",
    "local_contrast_backward",
    "local_correlate",
    "local_correlate_kernels",
    "local_descent",
    "local_synthesize",
    "logistic_backward",
    "map_pieces",
    "name",
    "pieces_at_once",
    "pool_length_slopes",
    "pool_lengths",
    "pool_norms",
    "pool_spread",
    "project",
    "proximal_gradient",
    "proximal_step",
    "pursue",
    "quadratic",
    "residuals",
    "scale_contrast",
    "shrink_backward",
    "shrink_preactivation",
    "smooth_maps",
    "smooth_shrink_backward",
    "smooth_shrink_preactivation",
    "softplus_sums",
    "synthesize",
    "tanh_backward",
    "tanh_preactivation",
    "to_csr",
    "to_device",
    "uniform",
    "unrolled_step",
    "unrolled_step_backward",
    "update_atoms",
    "update_atoms_by_svd",
    "update_kernels",
    "update_projected_atoms",
    "update_rank_one_kernels",
]
