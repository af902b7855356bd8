"""Block coordinate descent over atoms on the unit sphere."""

from sklearn_ebm.backends._namespace import array_namespace

SMALLEST_USE = 1e-12  # share of the largest second moment below which an atom counts as unused


def update_atoms(dictionary, code_moment, cross_moment):
    """Sweep once, in place: d_j <- normalise(d_j + (B_j - A_j D) / A_jj) (Mairal 2009, alg. 2).

    Parameters
    ----------
    dictionary : array of shape (n_components, n_features)
        Atoms of unit norm, replaced.
    code_moment : array of shape (n_components, n_components)
        A = sum z' z.
    cross_moment : array of shape (n_components, n_features)
        B = sum z' x.
    """
    xp = array_namespace(dictionary)
    floor = SMALLEST_USE * float(xp.max(xp.linalg.diagonal(code_moment)))
    for j in range(dictionary.shape[0]):
        use = code_moment[j, j]
        if float(use) <= floor:
            continue
        atom = dictionary[j, :] + (cross_moment[j, :] - code_moment[j, :] @ dictionary) / use
        norm = float(xp.sum(atom * atom)) ** 0.5
        if norm > float(xp.finfo(dictionary.dtype).smallest_normal):
            dictionary[j, :] = atom / norm
