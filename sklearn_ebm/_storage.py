"""Objects as plain dictionaries, so that stored estimators contain no private classes.

An estimator is composed of many private objects: encoders, penalties, moments, optimizers. A file
that named their classes could not be read by a version that renames one, and a loader such as skops
would ask the user to trust each of them. The state of an estimator therefore contains a dictionary
in place of each object::

    {"sklearn_ebm": "Adam", "state": {"n_steps": 12, ...}}

The names belong to the file format. Only classes registered by `stored` have one, so that loading
a file cannot create any other object. Objects and arrays that are shared remain shared.
"""

NAME, STATE = "sklearn_ebm", "state"
_CLASSES: dict = {}


def stored(cls):
    """Register a class whose instances are stored as dictionaries, under the name of the class.

    Parameters
    ----------
    cls : type
        A named tuple, or a class whose instances can be pickled.

    Returns
    -------
    type
        The class itself.

    Raises
    ------
    ValueError
        If another class has the same name.
    """
    if cls.__name__ in _CLASSES:
        raise ValueError(f"Two classes named {cls.__name__} cannot be stored.")
    _CLASSES[cls.__name__] = cls
    return cls


def to_plain(value, known=None):
    """Return a value in which dictionaries replace the instances of registered classes.

    Parameters
    ----------
    value : object
        Containers are searched; other objects that are not registered are returned unchanged.
    known : dict or None, default=None
        Values that have been converted, by identity, with their results.

    Returns
    -------
    object
        The plain value.
    """
    known = {} if known is None else known
    if id(value) not in known:
        if _CLASSES.get(type(value).__name__) is type(value):
            state = value._asdict() if isinstance(value, tuple) else value.__getstate__()
            plain = {NAME: type(value).__name__, STATE: to_plain(state or {}, known)}
        else:
            plain = _converted(value, known, to_plain)
        known[id(value)] = value, plain  # the value must not be collected while its id is in use
    return known[id(value)][1]


def from_plain(plain, known=None):
    """Return the value that `to_plain` has converted.

    Parameters
    ----------
    plain : object
        Result of `to_plain`, possibly read from a file.
    known : dict or None, default=None
        Plain values that have been converted, by identity, with their results.

    Returns
    -------
    object
        The value, with new containers.

    Raises
    ------
    ValueError
        If the class of an object is unknown.
    """
    known = {} if known is None else known
    if id(plain) not in known:
        if type(plain) is dict and NAME in plain:
            value = _created(plain[NAME], from_plain(plain[STATE], known))
        else:
            value = _converted(plain, known, from_plain)
        known[id(plain)] = plain, value
    return known[id(plain)][1]


def _converted(value, known, convert):
    """Return a container with converted values; other objects are returned unchanged."""
    if type(value) is dict:
        return {key: convert(entry, known) for key, entry in value.items()}
    if type(value) in (list, tuple):
        return type(value)(convert(entry, known) for entry in value)
    return value


def _created(name, state):
    """Return an object with a given state."""
    if name not in _CLASSES:
        raise ValueError(
            f"The model contains an object of the unknown kind {name!r}. It was probably stored by "
            "another version of sklearn_ebm. Load it with that version, or fit it again."
        )
    cls = _CLASSES[name]
    if issubclass(cls, tuple):
        return cls(**state)
    created = object.__new__(cls)
    if hasattr(cls, "__setstate__"):
        created.__setstate__(state)
    else:
        vars(created).update(state)
    return created
