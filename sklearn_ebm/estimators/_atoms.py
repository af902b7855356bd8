"""Atoms of models whose samples are rows: checks, initial values, decoders and learners.

`Filters` is the counterpart for images. After an input adapter has read the samples, models of rows
and of images differ only in these two classes.
"""

from typing import Any

from scipy import sparse

from sklearn_ebm._sklearn import ExampleOf
from sklearn_ebm.backends import array_namespace
from sklearn_ebm.factors import ENCODERS, L0Penalty, LinearDecoder
from sklearn_ebm.inputs._checks import check_codes, check_dictionary
from sklearn_ebm.layers._state import is_same
from sklearn_ebm.learning._batch_sizes import AUTO
from sklearn_ebm.learning._distributed import samples_of
from sklearn_ebm.learning._first_atoms import first_dictionary, positive_rows, unit_rows
from sklearn_ebm.learning._online_dictionary import OnlineDictionary, projected
from sklearn_ebm.learning._samples import Samples
from sklearn_ebm.learning._trainer import Trainer
from sklearn_ebm.learning.criteria import LEARNING_TOL, Dictionary

ATOM_CONSTRAINT = [  # constraint of the parameter `atom_constraint`
    ExampleOf("project", "SparseAtoms(0.1) or SmoothAtoms((8, 8))"),
    None,
]


class DenseEncoders:
    """Encoders of models whose samples are rows."""

    kinds: dict[str, Any] = ENCODERS

    def first(self, name, decoder, alpha, scale, table=None, **settings):
        """Return the initial encoder."""
        kind = self.kinds[name]
        return kind.from_dictionary(
            decoder.dictionary, decoder.lipschitz, alpha, scale=scale, **settings
        )

    def to_use(self, encoder, table=None):
        """Return the encoder for samples that users pass."""
        return encoder


class Atoms:
    """Dictionary of a model whose samples are rows, as described by its parameters.

    Parameters
    ----------
    n_components : int or None
        Number of atoms. If None, it is `otherwise` or the number of features.
    dictionary : array-like of shape (n_components, n_features) or None
        Fixed atoms.
    dictionary_init : array-like of shape (n_components, n_features) or None
        Initial atoms.
    otherwise : int or None, default=None
        Number of atoms if the user does not specify it.
    updates : type, default=OnlineDictionary
        Class of the updates of a learned dictionary.
    constraint : object with the method `project` or None, default=None
        Set of learned atoms in place of the atoms of unit norm.
    """

    encoders = DenseEncoders()
    learning_tol = LEARNING_TOL
    has_few_entries = True  # whether a code has one entry for each atom
    # fitted attributes that the moments depend on
    needs_new_moments: tuple[str, ...] = ("components_",)

    def __init__(
        self,
        n_components,
        dictionary,
        dictionary_init=None,
        otherwise=None,
        updates=OnlineDictionary,
        constraint=None,
    ):
        self.n_components = n_components
        self.given = dictionary
        self.init = dictionary_init
        self.otherwise = otherwise
        self.updates = updates
        self.constraint = constraint

    @property
    def is_fixed(self):
        """Whether the dictionary is given."""
        return self.given is not None

    @property
    def first(self):
        """Atoms specified by the user, or None, and the name of the parameter."""
        if self.is_fixed:
            return self.given, "dictionary"
        return self.init, "dictionary_init"

    def check_samples(self, X, alpha):
        """Refuse samples from which the model cannot learn."""

    def check_updates(self, model, data):
        """Refuse parameters and samples with which the dictionary cannot be updated."""
        _check_constraint(self)
        if not self.updates.fits_codes:
            return
        penalty, optimizer = model._penalty_kind(), model.optimizer
        if not isinstance(penalty, L0Penalty):
            raise ValueError(
                f"optimizer={optimizer!r} requires penalty=L0Penalty(...), got {penalty!r}. Use "
                "optimizer='online'."
            )
        unsupported = {
            "Dask arrays": data.source is not None,
            "missing values": data.mask is not None,
            "sparse X": sparse.issparse(data.X),
            "positive_dictionary=True": model.positive_dictionary,
            "atom_constraint": self.constraint is not None,
            f"batch_size={model.batch_size!r}": model.batch_size != AUTO,
        }
        for what, is_set in unsupported.items():
            if is_set:
                raise ValueError(
                    f"optimizer={optimizer!r} does not support {what}. Use optimizer='online'."
                )

    def initial(self, X, weights, random_state):
        """Return the initial atoms, and the table of connections or None."""
        return self.first_values(X, weights, random_state), None

    def first_values(self, X, weights, random_state):
        """Return the initial atoms, before connections are applied."""
        given, name = self.first
        if given is None:
            n_components = self.n_components or self.otherwise or X.shape[1]
            drawn = self.drawn(X, int(n_components), weights, random_state)
            return _constrained(self, positive_rows(drawn) if self.updates.is_positive else drawn)
        given = self.checked(given, self.n_components, X, name)
        if self.updates.is_positive:
            _require_positive(given, name)
        given = array_namespace(X).asarray(given, copy=True)
        return given if self.is_fixed else _constrained(self, self.normalized(given))

    def drawn(self, X, n_components, weights, random_state):
        """Draw the initial atoms from the samples."""
        return first_dictionary(X, n_components, random_state, weights)

    def checked(self, given, n_components, like, name="dictionary"):
        """Return given atoms as an array with the number of features and the dtype of `like`."""
        return check_dictionary(given, n_components, like.shape[1], like.dtype, name)

    def is_given(self, dictionary):
        """Return whether a dictionary equals the given atoms."""
        return is_same(self.checked(self.given, None, dictionary), dictionary)

    def normalized(self, dictionary, table=None):
        """Return the atoms scaled to norm one."""
        return unit_rows(dictionary)

    def decoder(self, dictionary, sample_shape):
        """Return the decoder for samples of a given shape."""
        return LinearDecoder(dictionary)

    def learning_decoder(self, dictionary):
        """Return the decoder from which the initial encoder is derived."""
        return LinearDecoder(dictionary)

    def penalty(self, factor, n_components):
        """Return the penalty on all codes of a sample, given the penalty on one code vector."""
        return factor

    def suits(self, decoder):
        """Return whether a decoder agrees with the parameters, regardless of its atoms."""
        return True

    def trainer(self, dictionary, encoder, table=None):
        """Return a trainer that starts from these atoms."""
        more = () if self.constraint is None else (self.constraint,)
        updates = self.updates(dictionary, *more)
        return Trainer(Dictionary(dictionary, self.is_fixed, encoder, updates))

    def to_follow(self):
        """Return further settings that the criterion must follow in this call, by name."""
        return {"fixed": self.is_fixed}

    def samples(self, data, weights, trainer):
        """Return the samples from which the trainer draws its batches."""
        return samples_of(data, weights, Samples(None, dtype=trainer.dtype))

    def is_already(self, name, value, model):
        """Return whether a fitted model already agrees with a new value of a parameter."""
        if name == "n_components":
            return value is None or value == model.components_.shape[0]
        return name == "dictionary" and (value is None or self.is_given(model.components_))

    def read_codes(self, model, X, decoder, name="X"):
        """Check codes that the user passes.

        Parameters
        ----------
        model : SparseModel
            Model that error messages name.
        X : array-like
            Codes.
        decoder : decoder factor
            Decoder for samples whose codes are passed as rows.
        name : str, default="X"
            Name of the codes in error messages.

        Returns
        -------
        code : array or sparse array of shape (n_samples, n_numbers)
        sample_shape : tuple of int
        """
        X = check_codes(X, accept_sparse="csr", input_name=name)
        if X.shape[1] != decoder.code_size:
            raise ValueError(
                f"{name} has {X.shape[1]} components, but {type(model).__name__} is expecting "
                f"{decoder.code_size} components as input."
            )
        return X, decoder.dictionary.shape[1:]


def _require_positive(given, name):
    if bool((given < 0).any()):
        raise ValueError(f"{name} must be non-negative with positive_dictionary=True.")


def _check_constraint(atoms):
    constraint = atoms.constraint
    if constraint is not None and atoms.is_fixed:
        raise ValueError(
            "atom_constraint must be None if dictionary is given, whose atoms are fixed, got "
            f"{constraint!r}. To learn atoms from these initial values, set dictionary_init."
        )
    if constraint is None or not atoms.updates.is_positive:
        return
    if not getattr(constraint, "keeps_signs", False):
        raise ValueError(
            "positive_dictionary=True requires a constraint whose projection keeps signs, such as "
            f"SparseAtoms; {type(constraint).__name__} is not such a constraint. Set "
            "positive_dictionary=False."
        )


def _constrained(atoms, dictionary):
    """Return the closest dictionary in the set of the constraint."""
    _check_constraint(atoms)
    return dictionary if atoms.constraint is None else projected(atoms.constraint, dictionary)
