"""Reference kernels for the array namespace: the executable specification of all backends."""

from sklearn_ebm.backends._namespace import to_csr
from sklearn_ebm.backends.numpy._adam import adam_step
from sklearn_ebm.backends.numpy._bernoulli import (
    bernoulli_mean,
    bernoulli_sample,
    softplus_sums,
)
from sklearn_ebm.backends.numpy._block_descent import block_descent
from sklearn_ebm.backends.numpy._categorical import categorical_sample
from sklearn_ebm.backends.numpy._constrained import constrained_codes
from sklearn_ebm.backends.numpy._contrast import ascend, project
from sklearn_ebm.backends.numpy._convolution import correlate, correlate_kernels, synthesize
from sklearn_ebm.backends.numpy._convolutional_moments import add_code_moment, update_kernels
from sklearn_ebm.backends.numpy._coordinate_descent import coordinate_descent, quadratic
from sklearn_ebm.backends.numpy._dictionary import (
    add_moments,
    residuals,
    update_atoms,
    update_atoms_by_svd,
    update_projected_atoms,
)
from sklearn_ebm.backends.numpy._encoders import (
    logistic_backward,
    shrink_backward,
    shrink_preactivation,
    smooth_shrink_backward,
    smooth_shrink_preactivation,
    tanh_backward,
    tanh_preactivation,
)
from sklearn_ebm.backends.numpy._feature_sign import active_set, active_set_path, feature_sign
from sklearn_ebm.backends.numpy._flips import flip_factors, flip_slopes, flip_sums
from sklearn_ebm.backends.numpy._gates import gate_units
from sklearn_ebm.backends.numpy._gibbs import gibbs_step
from sklearn_ebm.backends.numpy._inhibited_descent import inhibited_descent
from sklearn_ebm.backends.numpy._ising import ising_sweep
from sklearn_ebm.backends.numpy._joint_descent import joint_descent
from sklearn_ebm.backends.numpy._local import (
    local_correlate,
    local_correlate_kernels,
    local_synthesize,
)
from sklearn_ebm.backends.numpy._local_contrast import (
    local_contrast,
    local_contrast_backward,
    scale_contrast,
    smooth_maps,
)
from sklearn_ebm.backends.numpy._local_descent import local_descent
from sklearn_ebm.backends.numpy._pool_lengths import pool_length_slopes, pool_lengths
from sklearn_ebm.backends.numpy._pools import pool_norms, pool_spread
from sklearn_ebm.backends.numpy._proximal import proximal_step
from sklearn_ebm.backends.numpy._proximal_gradient import proximal_gradient
from sklearn_ebm.backends.numpy._pursuit import pursue
from sklearn_ebm.backends.numpy._random import add_normal, uniform
from sklearn_ebm.backends.numpy._rank_one import update_rank_one_kernels
from sklearn_ebm.backends.numpy._rounding import gap_with_rounding
from sklearn_ebm.backends.numpy._unrolled import (
    greedy_steps,
    greedy_steps_backward,
    unrolled_step,
    unrolled_step_backward,
)

name = "numpy"
pieces_at_once = 1  # pieces of the rows in one call of the kernels
contrastive_steps = None  # a solver's own loop of single steps is the reference
discriminative_steps = None  # likewise


def to_device(array):
    """Return the array as it is, since this backend computes in host memory."""
    return array


def map_pieces(work, n_rows, piece):
    """Call work(first, last) for consecutive pieces of `piece` rows."""
    for first in range(0, n_rows, piece):
        work(first, min(first + piece, n_rows))


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
