"""Sums over pools of components, and over the pools of each component."""

from sklearn_ebm.backends._namespace import array_namespace, multiply_into


def pool_norms(code, pools, result):
    """Compute sqrt(sum_j w_gj z_j^2) for each pool.

    Parameters
    ----------
    code : array of shape (n_samples, n_components)
        Codes.
    pools : Pools
        Weights w_gj.
    result : array of shape (n_samples, n_pools)
        Receives the norms; may be the array of codes if there are as many pools.
    """
    multiply_into(code * code, pools.like(code).T, result)
    result[...] = array_namespace(code).sqrt(result)


def pool_spread(values, pools, result):
    """Compute sum_g values_g w_gj for each component, the transpose of the sums in `pool_norms`.

    Parameters
    ----------
    values : array of shape (n_samples, n_pools)
        One number for each pool.
    pools : Pools
        Weights w_gj.
    result : array of shape (n_samples, n_components)
        Receives the sums.
    """
    multiply_into(values, pools.like(values), result)
