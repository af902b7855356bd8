"""Fused kernels for the CPU, compiled by Numba at first use and cached on disk."""

from sklearn_ebm.backends.numba._adam import adam_step
from sklearn_ebm.backends.numba._bernoulli import (
    bernoulli_mean,
    bernoulli_sample,
    softplus_sums,
)
from sklearn_ebm.backends.numba._categorical import categorical_sample
from sklearn_ebm.backends.numba._constrained import constrained_codes
from sklearn_ebm.backends.numba._contrast import ascend, project
from sklearn_ebm.backends.numba._contrastive import contrastive_steps
from sklearn_ebm.backends.numba._convolution import correlate, correlate_kernels, synthesize
from sklearn_ebm.backends.numba._convolutional_moments import add_code_moment, update_kernels
from sklearn_ebm.backends.numba._dictionary import (
    add_moments,
    residuals,
    update_atoms,
    update_atoms_by_svd,
)
from sklearn_ebm.backends.numba._encoders import (
    logistic_backward,
    shrink_backward,
    shrink_preactivation,
    smooth_shrink_backward,
    smooth_shrink_preactivation,
    tanh_backward,
    tanh_preactivation,
)
from sklearn_ebm.backends.numba._flips import flip_slopes, flip_sums
from sklearn_ebm.backends.numba._gates import gate_units
from sklearn_ebm.backends.numba._gibbs import gibbs_step
from sklearn_ebm.backends.numba._ising import ising_sweep
from sklearn_ebm.backends.numba._joint_descent import joint_descent
from sklearn_ebm.backends.numba._lasso import (
    active_set,
    active_set_path,
    block_descent,
    coordinate_descent,
    feature_sign,
    inhibited_descent,
    proximal_gradient,
    pursue,
    quadratic,
)
from sklearn_ebm.backends.numba._launcher import map_pieces
from sklearn_ebm.backends.numba._local import (
    local_correlate,
    local_correlate_kernels,
    local_synthesize,
)
from sklearn_ebm.backends.numba._local_contrast import (
    local_contrast,
    local_contrast_backward,
    scale_contrast,
    smooth_maps,
)
from sklearn_ebm.backends.numba._local_descent import local_descent
from sklearn_ebm.backends.numba._pool_lengths import pool_length_slopes, pool_lengths
from sklearn_ebm.backends.numba._proximal import proximal_step
from sklearn_ebm.backends.numba._random import add_normal, uniform
from sklearn_ebm.backends.numba._rank_one import update_rank_one_kernels
from sklearn_ebm.backends.numba._recurrent import discriminative_steps
from sklearn_ebm.backends.numba._rounding import gap_with_rounding
from sklearn_ebm.backends.numba._sparse_rows import to_csr
from sklearn_ebm.backends.numba._unrolled import (
    greedy_steps,
    greedy_steps_backward,
    unrolled_step,
    unrolled_step_backward,
)
from sklearn_ebm.backends.numba._windows import pool_norms, pool_spread
from sklearn_ebm.backends.numpy import flip_factors, to_device, update_projected_atoms

name = "numba"
pieces_at_once = 1

__all__ = [
    "active_set",
    "active_set_path",
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
