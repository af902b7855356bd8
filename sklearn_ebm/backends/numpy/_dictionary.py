"""Moments of codes and data, and block coordinate descent on atoms of unit norm."""

from scipy import sparse

from sklearn_ebm.backends._namespace import array_namespace, diagonal, put_rows

STILL = 64  # squared movement of an atom, in roundings, at which power iterations end
SMALLEST_USE = 1e-12  # share of the largest second moment below which an atom is treated as unused


def add_moments(code_moment, cross_moment, code, X, weight):
    """Compute A += sum_n w_n z_n' z_n and B += sum_n w_n z_n' x_n, in place.

    Parameters
    ----------
    code_moment : array of shape (n_components, n_components)
        A.
    cross_moment : array of shape (n_components, n_features)
        B.
    code : array of shape (n_samples, n_components)
        Codes, mostly zero.
    X : array or csr_array of shape (n_samples, n_features)
        Data.
    weight : array of shape (n_samples,)
        Weight of each sample.
    """
    weighted = code * weight[:, None]
    code_moment += weighted.T @ code
    if sparse.issparse(X):
        product = (sparse.csr_array(weighted.T) @ X).tocoo()
        cross_moment[product.row, product.col] += product.data  # each entry occurs once
    else:
        cross_moment += weighted.T @ X


def residuals(X, code, dictionary):
    """Return x - z D of each row.

    Parameters
    ----------
    X : array of shape (n_samples, n_features)
        Data.
    code : array of shape (n_samples, n_components)
        Codes.
    dictionary : array of shape (n_components, n_features)
        Atoms.

    Returns
    -------
    array of shape (n_samples, n_features)
        The part of each row that its code does not explain.
    """
    return X - code @ dictionary


def update_atoms(dictionary, code_moment, cross_moment, is_positive=False):
    """Sweep once: d_j <- normalise(d_j + (B_j - A_j D) / A_jj) (Mairal et al. 2009, alg. 2).

    Parameters
    ----------
    dictionary : array of shape (n_components, n_features)
        Atoms of unit norm, updated in place.
    code_moment : array of shape (n_components, n_components)
        A = sum z' z.
    cross_moment : array of shape (n_components, n_features)
        B = sum z' x.
    is_positive : bool, default=False
        Whether atoms are non-negative: negative entries are set to zero before normalisation.
    """
    xp = array_namespace(dictionary)
    floor = SMALLEST_USE * float(xp.max(diagonal(code_moment)))
    for j in range(dictionary.shape[0]):
        use = code_moment[j, j]
        if float(use) <= floor:
            continue
        atom = dictionary[j, :] + (cross_moment[j, :] - code_moment[j, :] @ dictionary) / use
        if is_positive:
            atom = xp.maximum(atom, xp.zeros_like(atom))
        norm = float(xp.sum(atom * atom)) ** 0.5
        if norm > float(xp.finfo(dictionary.dtype).smallest_normal):
            dictionary[j, :] = atom / norm


def update_projected_atoms(dictionary, code_moment, cross_moment, project):
    """Sweep once: d_j <- project(d_j + (B_j - A_j D) / A_jj) (Mairal et al. 2010, alg. 2).

    Each step minimises the energy of all past codes over one atom in a convex set, so that the
    energy does not increase.

    Parameters
    ----------
    dictionary, code_moment, cross_moment
        As in `update_atoms`; the atoms are in the set.
    project : callable
        Function that maps atoms of shape (1, n_features) to the closest ones in the set.
    """
    xp = array_namespace(dictionary)
    floor = SMALLEST_USE * float(xp.max(diagonal(code_moment)))
    for j in range(dictionary.shape[0]):
        use = code_moment[j, j]
        if float(use) <= floor:
            continue
        atom = dictionary[j, :] + (cross_moment[j, :] - code_moment[j, :] @ dictionary) / use
        atom = project(atom[None, :])[0, :]
        if float(xp.sum(atom * atom)) > float(xp.finfo(dictionary.dtype).smallest_normal):
            dictionary[j, :] = atom


def update_atoms_by_svd(dictionary, residual, code, weight, n_steps):
    """Replace each atom and its coefficients by the leading singular vectors, one after another.

    The vectors are those of E = r + z_j' d_j, restricted to the samples that use atom j. They are
    computed by power iterations from the current coefficients, which end when the atom does not
    move any more. Atoms without use do not change.

    Parameters
    ----------
    dictionary : array of shape (n_components, n_features)
        Atoms of unit norm, updated in place.
    residual : array of shape (n_samples, n_features)
        r = X - ZD, updated in place.
    code : array or csr_array of shape (n_samples, n_components)
        Codes Z, updated in place.
    weight : array of shape (n_samples,)
        Weight of each sample.
    n_steps : int
        Largest number of power iterations.
    """
    if sparse.issparse(code):
        _update_by_dense_codes(dictionary, residual, code, weight, n_steps)
        return
    xp = array_namespace(dictionary)
    still = STILL * float(xp.finfo(dictionary.dtype).eps)
    for j in range(dictionary.shape[0]):
        rows = xp.nonzero(code[:, j])[0]
        if rows.shape[0] == 0:
            continue
        value, weights = xp.take(code[:, j], rows), xp.take(weight, rows)
        error = xp.take(residual, rows, axis=0) + value[:, None] * dictionary[j, :]
        for _ in range(n_steps):
            before = xp.asarray(dictionary[j, :], copy=True)
            atom = (weights * value) @ error
            norm = float(xp.sum(atom * atom)) ** 0.5
            if not norm > float(xp.finfo(dictionary.dtype).smallest_normal):
                break
            dictionary[j, :] = atom / norm
            value = error @ dictionary[j, :]
            if float(xp.sum((dictionary[j, :] - before) ** 2)) <= still:
                break
        put_rows(code[:, j], rows, value)
        put_rows(residual, rows, error - value[:, None] * dictionary[j, :])


def _update_by_dense_codes(dictionary, residual, code, weight, n_steps):
    dense = code.toarray()
    update_atoms_by_svd(dictionary, residual, dense, weight, n_steps)
    entries = code.tocoo()
    code.data[...] = dense[entries.row, entries.col]
