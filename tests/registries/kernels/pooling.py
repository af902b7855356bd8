"""Random arguments of the kernels of pools of components."""

import numpy as np

from tests.registries.kernels.draws import normal


def draw_codes(rng, dtype, n_rows, pools):
    code = normal(rng, dtype, n_rows, pools.n_components)
    return {"code": code, "pools": pools, "result": np.full((n_rows, pools.n_pools), np.nan, dtype)}


def draw_values(rng, dtype, n_rows, pools):
    values = normal(rng, dtype, n_rows, pools.n_pools)
    result = np.full((n_rows, pools.n_components), np.nan, dtype)
    return {"values": values, "pools": pools, "result": result}


def draw_lengths(rng, dtype, n_rows, pools):
    size = pools.n_components
    drawn = normal(rng, dtype, size, size)
    arguments = draw_codes(rng, dtype, n_rows, pools)
    return {
        "response": arguments["code"],
        "pools": pools,
        "gram": drawn + drawn.T,
        "result": arguments["result"],
    }


def draw_slopes(rng, dtype, n_rows, pools):
    arguments = draw_lengths(rng, dtype, n_rows, pools)
    del arguments["result"]
    return {
        **arguments,
        "factor": normal(rng, dtype, n_rows, pools.n_pools),
        "slopes": np.full_like(arguments["response"], np.nan),
        "gram_slopes": np.full_like(arguments["gram"], np.nan),
    }
