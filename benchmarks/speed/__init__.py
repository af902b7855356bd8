"""Time, memory and accuracy of the package and its peers, measured in one run."""
