"""Results of the package beside published ones, each by the protocol of its paper."""
