"""Squared lengths of the sums of the filters of pools, weighted by responses, and their gradients.

With the products M_jk of the filters, the squared length of a pool g is

    sum_jk p_gj s_j M_jk p_gk s_k.
"""

from itertools import pairwise

import numpy as np

from sklearn_ebm.backends._namespace import array_namespace, is_cupy


def pool_lengths(response, pools, gram, result):
    """Compute the squared lengths of all pools for each sample.

    Parameters
    ----------
    response : array of shape (n_samples, n_components)
        s.
    pools : Pools
        Weights p.
    gram : array of shape (n_components, n_components)
        M, symmetric.
    result : array of shape (n_samples, n_pools)
        Receives the squared lengths.
    """
    for number, (members, share) in enumerate(_members_of(pools, response)):
        pulls = _columns(response, members) * share
        xp = array_namespace(response)
        result[:, number] = xp.sum(pulls @ _block(gram, members) * pulls, axis=1)


def pool_length_slopes(response, pools, gram, factor, slopes, gram_slopes):
    """Compute the gradients of sum_ng factor_ng lengths_ng.

    Parameters
    ----------
    response : array of shape (n_samples, n_components)
        s.
    pools : Pools
        Weights p.
    gram : array of shape (n_components, n_components)
        M, symmetric.
    factor : array of shape (n_samples, n_pools)
        Factor of each squared length.
    slopes : array of shape (n_samples, n_components)
        Receives the gradient with respect to s.
    gram_slopes : array of shape (n_components, n_components)
        Receives the gradient with respect to M.
    """
    slopes[...] = 0
    gram_slopes[...] = 0
    for number, (members, share) in enumerate(_members_of(pools, response)):
        pulls = _columns(response, members) * share
        scaled = factor[:, number : number + 1] * pulls
        moved = 2 * share * (scaled @ _block(gram, members))
        products = pulls.T @ scaled
        if isinstance(slopes, np.ndarray) or is_cupy(slopes):
            slopes[:, members] += moved
            gram_slopes[members[:, None], members] += products
            continue
        places = [int(member) for member in members]
        for row, j in enumerate(places):  # the standard assigns to single indices only
            slopes[:, j] += moved[:, row]
            for column, k in enumerate(places):
                gram_slopes[j, k] += products[row, column]


def _members_of(pools, like):
    """Return the components of each pool and their weights, on the device of an array."""
    xp = array_namespace(like)

    def make():
        pairs = []
        for first, end in pairwise(pools.starts):
            members, weights = pools.members[first:end], pools.member_weights[first:end]
            pairs.append((xp.asarray(members), xp.asarray(weights, dtype=like.dtype)))
        return pairs

    return pools.remember(("members", xp.__name__, str(like.dtype)), make)


def _columns(matrix, members):
    return array_namespace(matrix).take(matrix, members, axis=1)


def _block(gram, members):
    return _columns(array_namespace(gram).take(gram, members, axis=0), members)
