"""Checks of the data that users pass, and their conversion to the form that models require."""
