"""Optional capabilities of parts: methods and flags that an implementation may leave out."""


def offers(part, capability):
    """Return whether a part has an optional method or attribute that is not None.

    Parameters
    ----------
    part : object
        An implementation of one of the protocols.
    capability : str
        Name of the method or attribute.

    Returns
    -------
    bool
        False if the attribute is missing or None.
    """
    return getattr(part, capability, None) is not None
