"""Bundles of arrays that enter a kernel together."""

from typing import Any, NamedTuple


class Lasso(NamedTuple):
    """min_z 1/2 z H z' - c z' + penalty(z), H = gram, for all rows c of `correlation` at once."""

    gram: Any
    correlation: Any
    half_norm: Any  # 1/2 ||x||^2, the energy of the zero code and the gap's unit
    rule: Any

    def row(self, n):
        """The problem of one sample."""
        return self._replace(
            correlation=self.correlation[n : n + 1], half_norm=self.half_norm[n : n + 1]
        )
