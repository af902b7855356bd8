"""Contracts of the parts that models are composed of, as typing protocols."""

from sklearn_ebm.protocols._module import Module, ModuleMixin, Stream, Tape

__all__ = ["Module", "ModuleMixin", "Stream", "Tape"]
