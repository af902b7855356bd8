"""The constraint contract: a convex set of the atoms of a dictionary."""

from typing import Any, Protocol


class AtomConstraint(Protocol):
    """A convex set of atoms that contains zero, defined by its projection.

    The optional attribute ``keeps_signs`` (bool, default False) declares that the projection of
    max(d, 0) is the closest non-negative atom in the set, so that the constraint can be combined
    with ``positive_dictionary=True``. A constraint must not change after it is passed to a model.
    """

    def project(self, atoms: Any) -> Any:
        """Return the closest atoms in the set, shape (n_atoms, n_features)."""
        ...
