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


def rows_of(part, index):
    """Return a part for some of the samples.

    Parameters
    ----------
    part : object
        An implementation of one of the protocols. It has the method `rows` if it differs from
        sample to sample.
    index : slice or array of int
        Samples.

    Returns
    -------
    object
        The part itself if it is the same for all samples.
    """
    return part.rows(index) if offers(part, "rows") else part


def require(part, capability, user, remedy):
    """Raise a ValueError if a part lacks a capability.

    Parameters
    ----------
    part : object
        An implementation of one of the protocols.
    capability : str
        Name of the method or attribute.
    user : str
        What requires the capability, and of what kind of part: "loss='energy' requires a penalty".
    remedy : str
        A sentence that names an alternative.

    Raises
    ------
    ValueError
        If the attribute is missing or None.
    """
    if not offers(part, capability):
        name = getattr(part, "name", type(part).__name__)
        raise ValueError(f"{user} with `{capability}`; {name} does not define it. {remedy}")
