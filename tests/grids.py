"""Selection of the cases of large grids for `make test`; --all-cases (`make test-all`) runs all.

- `@pytest.mark.pairwise("dtype", "border")` runs, for each combination of the other parameters, few
  cases that cover every pair of values of the named ones (of all parameters if none is named).
- `@pytest.mark.each_value("dtype", "border")` runs few cases that cover every single value.
- `@pytest.mark.exhaustive` on a test or a parameter runs it only with --all-cases.
"""

from itertools import combinations

MARKERS = {"each_value": 1, "pairwise": 2}  # number of parameters that are covered together


def thin_out(items):
    """Return the items to run, in order."""
    kept = [item for item in items if item.get_closest_marker("exhaustive") is None]
    grids = {}
    for item in kept:
        for marker in filter(None, map(item.get_closest_marker, MARKERS)):
            values = {name: id(value) for name, value in item.callspec.params.items()}
            names = marker.args or tuple(values)
            others = tuple(value for name, value in values.items() if name not in names)
            # a case that is skipped without a GPU covers nothing
            place = MARKERS[marker.name], item.nodeid.split("[")[0], "gpu" in item.keywords, others
            grids.setdefault(place, {})[item] = tuple(values[name] for name in names)
    left_out = {item for grid in grids.values() for item in grid}
    for (strength, *_), grid in grids.items():
        left_out -= {*covering(grid, strength)}
    return [item for item in kept if item not in left_out]


def repeats(items):
    """Return the items whose parameters all occurred in earlier cases of the same test."""
    seen, repeated = {}, []
    for item in items:
        if hasattr(item, "callspec"):
            parts = {*item.callspec.id.split("-")}
            known = seen.setdefault(item.nodeid.split("[")[0], set())
            if parts <= known:
                repeated.append(item)
            known |= parts
    return repeated


def covering(grid, strength=2):
    """Return cases that cover every pair of values of the grid, by a greedy choice.

    Parameters
    ----------
    grid : dict
        Values of the parameters by case.
    strength : int, default=2
        Number of parameters whose values are covered together: 2 for pairs, 1 for single values.

    Returns
    -------
    list
        Cases, each of which adds as many pairs as any of the remaining ones.
    """
    missing = {case: _shown(values, strength) for case, values in grid.items()}
    chosen = []
    while missing:
        best = max(missing, key=lambda case: len(missing[case]))  # the first of several
        shown = missing.pop(best)
        chosen.append(best)
        missing = {case: left for case, pairs in missing.items() if (left := pairs - shown)}
    return chosen


def _shown(values, strength):
    """Return the combinations of `strength` values that a case covers."""
    return {*combinations(enumerate(values), min(strength, len(values)))}
