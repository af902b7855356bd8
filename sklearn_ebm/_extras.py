"""Commands that install the optional dependencies of the package."""


def install_hint(*extras):
    """Return the sentences that tell a user how to install one of the extras."""
    return (
        f"Install it with {_commands('sklearn-ebm', extras)}. In a clone of the repository, use "
        f"{_commands('.', extras)}."
    )


def _commands(package, extras):
    # Some shells expand brackets without quotation marks.
    return " or ".join(f'`pip install "{package}[{extra}]"`' for extra in extras)
