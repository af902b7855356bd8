"""What a type checker infers for users' code. `make lint` checks this module; nothing runs it."""

from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

from sklearn_ebm import (
    PSD,
    RBM,
    ElasticNetPenalty,
    GroupPenalty,
    SparseCoder,
    ZCAWhitener,
    alpha_max,
)
from sklearn_ebm.datasets import load_natural_patches
from sklearn_ebm.inspection import DictionaryDisplay


def usage() -> None:
    X = load_natural_patches(100, patch_size=8)
    assert_type(X, NDArray[Any])
    coder = SparseCoder(64, alpha=0.1, penalty=GroupPenalty(8), random_state=0).fit(X)
    assert_type(coder, SparseCoder)
    assert_type(coder.score(X), float)
    assert_type(alpha_max(X, coder.components_), float | NDArray[Any])
    SparseCoder(alpha=0.1, penalty=ElasticNetPenalty(l1_ratio=0.9))
    assert_type(coder.partial_fit(X.tolist(), mask=None), SparseCoder)
    assert_type(RBM().fit(X).sample(5, random_state=np.random.RandomState(0)), NDArray[Any])
    assert_type(ZCAWhitener().fit(X).transform(X), NDArray[Any])
    assert_type(DictionaryDisplay.from_estimator(coder), DictionaryDisplay)
    PSD(alpha="scale", learning_rate=lambda share: 0.1 * (1 - share), backend="numpy")
    PSD(alpha="variance")  # type: ignore[arg-type]
    PSD(encoder="linear")  # type: ignore[arg-type]
