"""The contract of energies: functions that a criterion makes low on the data.

`tests/contracts/test_energies.py` checks every implementation.
"""

from typing import Any, Protocol


class Energy(Protocol):
    """A function E(x, z) of a sample x and its inferred variables z.

    z holds the codes, the hidden units or the labels of the samples, one sample per row. It is None
    for an energy of x alone. An energy never runs a solver or a sampler: the caller passes z. The
    energy computes in the dtype and on the device of x, and preserves float32.

    `value`, `input_gradient` and `parameter_gradients` take z as fixed. If z minimises E(x, z), the
    gradients are also those of F(x) = min_z E(x, z), by the envelope theorem. If the energy offers
    `free_energy`, they accept z=None and return the gradients of F(x) = -log sum_z exp(-E(x, z)).

    An energy holds the backend whose kernels it calls. It is not pickled with the energy.

    An energy may offer the following capabilities. If a required capability is missing or None,
    `sklearn_ebm.protocols.require` raises an error that names it.

    - ``problem(x)``: the energy as a function of z, which a solver minimises.
    - ``free_energy(x, y=None)``: F(x) in closed form; y clamps labels. `y` may be missing in
      energies without labels.
    - ``bound(x, z)``: an upper bound of F(x), if only a bound is known.
    - ``conditionals``: an object with `gibbs_step(hidden, visible, keys, mean=None)`, which samples
      each part of the state given the rest, and with the conditional means. Contrastive learning
      requires it.
    - ``input_gradient(x, z)``: gradient of E with respect to x, for Hamiltonian Monte Carlo.
    - ``derivatives(x)``: an object with `gradient()`, with `laplacian()`, the sum of the second
      derivatives of F by the entries of x, and with `parameter_gradients(direction, weight=None)`:
      gradients with respect to the parameters of
      sum_n <direction_n, grad F(x_n)> + weight_n laplacian F(x_n), with both factors constant. With
      None, the second term is missing. Score matching requires it.
    - ``flips(x)``: an object with `changes()`, which is F(x with one entry flipped) - F(x) for each
      entry of binary samples, and with `parameter_gradients(weight)` of the weighted sum of these
      changes. Ratio matching, minimum probability flow and the pseudo-likelihood require it.
    - ``path(base)``: a path of distributions from a base, whose partition function is known, to
      this one. Annealed importance sampling requires it.
    - ``log_partition()``: the logarithm of the partition function, if it is known, with
      ``log_partition_gradients()``, its gradients by the names of the parameters. The exact
      likelihood requires it.
    - ``at(x)``: an object with `value()` and `parameter_gradients(weight)`, which share their
      computations. Learning is then faster.
    - ``is_binary`` (bool): whether samples consist of zeros and ones.
    - ``gibbs_sweep(x, keys)``: samples each entry of binary samples in place, with a pair of keys
      for random numbers, such that the distribution of the energy is invariant. Without it, chains
      of binary energies move by single flips.
    - ``responses(x)``: features of samples, of shape (n_samples, n_outputs).
    - ``limit_responses(covariance, limit)``: shortens filters whose responses have a standard
      deviation above a limit, for data with a covariance. Score matching uses it.
    - ``n_free_directions`` (int): number of directions of x in which E is constant, so that exp(-E)
      has no finite integral.
    - ``project()``: projects the parameters onto their allowed range, after each step.
    - ``scales``: units of parameters by name, to which steps of optimizers are proportional.
    - ``with_parameters(parameters)``: the energy with other arrays of the same names, for example
      on a device; ``copy()`` and ``astype(dtype)``: the energy with copies, or in a dtype.
    - ``fits(limit)``: whether the magnitudes of all parameters are below a limit.
    """

    parameters: dict[str, Any]
    """Trained arrays by name. Criteria change them in place."""

    def value(self, x, z):
        """Return E(x, z) of each sample.

        Parameters
        ----------
        x : array of shape (n_samples, n_features)
            Samples.
        z : array of shape (n_samples, n_components) or None
            Inferred variables.

        Returns
        -------
        array of shape (n_samples,)
        """

    def parameter_gradients(self, x, z, weight):
        """Return the gradients of sum_n weight_n E(x_n, z_n) with respect to the parameters.

        Parameters
        ----------
        x : array of shape (n_samples, n_features)
            Samples.
        z : array of shape (n_samples, n_components) or None
            Inferred variables.
        weight : array of shape (n_samples,)
            Weights of the samples. They may be negative.

        Returns
        -------
        dict of str to array
            Gradients in the shapes of the parameters, by name.
        """

    def on(self, backend):
        """Return the energy with the kernels of a backend, and with the same parameters.

        Without this call, the energy uses the backend of x.
        """
