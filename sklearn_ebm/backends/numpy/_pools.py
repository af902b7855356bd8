"""Pooled features of codes."""

from sklearn_ebm.backends._namespace import array_namespace


def pool_norms(code, pools):
    """sqrt(sum_j w_gj z_j^2) of every pool.

    Parameters
    ----------
    code : array of shape (n_samples, n_components)
        Codes.
    pools : Pools
        Weights w_gj.

    Returns
    -------
    norms : array of shape (n_samples, n_pools)
    """
    return array_namespace(code).sqrt((code * code) @ pools.like(code).T)


def pool_spread(values, pools):
    """sum_g values_g w_gj of every component, the transpose of the sums in `pool_norms`.

    Parameters
    ----------
    values : array of shape (n_samples, n_pools)
        One number for each pool.
    pools : Pools
        Weights w_gj.

    Returns
    -------
    spread : array of shape (n_samples, n_components)
    """
    return values @ pools.like(values)
