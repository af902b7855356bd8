"""Comparison of the package with published results, each with the protocol of its paper."""
