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
    if pools.is_separable:
        rows, columns = pools.windows_like(code)
        result[...] = _combined(code * code, rows, columns.T)
    else:
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
    if pools.is_separable:
        rows, columns = pools.windows_like(values)
        result[...] = _combined(values, rows.T, columns)
    else:
        multiply_into(values, pools.like(values), result)


def _combined(values, left, right):
    """Return left M right for the map M of each row, as rows."""
    xp, n_rows = array_namespace(values), values.shape[0]
    maps = xp.reshape(values, (n_rows, left.shape[1], right.shape[0]))
    shape = n_rows, left.shape[0] * right.shape[1]
    return xp.reshape(left @ maps @ right, shape)
