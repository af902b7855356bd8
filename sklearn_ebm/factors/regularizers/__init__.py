"""Terms that keep an auto-encoder from reconstructing every sample; `REGULARIZERS` names them."""

from sklearn_ebm.factors.regularizers._contractive import Contraction
from sklearn_ebm.factors.regularizers._saturating import Saturation
from sklearn_ebm.factors.regularizers._sparse import Sparsity

REGULARIZERS = {"contractive": Contraction, "saturating": Saturation, "sparse": Sparsity}

__all__ = ["REGULARIZERS", "Contraction", "Saturation", "Sparsity"]
