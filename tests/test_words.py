"""Public classes use the same words for the same things, in particular for parameters."""

import inspect
from collections import defaultdict

import pytest
from sklearn.externals._numpydoc.docscrape import ClassDoc

import sklearn_ebm

CLASSES = {
    name: thing
    for name in sklearn_ebm.__all__
    if inspect.isclass(thing := getattr(sklearn_ebm, name))
}
TUNED = "FineTunedClassifier", "FineTunedRegressor"
CONVOLUTIONAL = ("ConvSparseCoder", "ConvPSD")
CONTINUED = {  # common beginnings of descriptions, by their last words; classes may extend them
    "alpha": "Larger values give sparser codes.",
    "atom_constraint": "which returns the closest atoms in a convex set.",
    "batch_size": "per training step.",
    "class_weight": "multiplied by `sample_weight`.",
    "code_tol": "is at most this value.",
    "dictionary": "used without normalisation.",
    "estimator": "fitted stage and its output on disk.",
    "groups": "the last group may be smaller.",
    "learning_rate": "for cosine decay.",
    "loss": "Criterion that training minimises.",
    "map_shape": "numbered row by row.",
    "max_iter": "Maximum number of passes over X",
    "max_time": "None sets no limit.",
    "missing_values": "The reconstruction error ignores missing entries.",
    "momentum": "added to each step.",
    "n_chains": 'Number of persistent chains of "pcd"',
    "n_components": "Number of atoms.",
    "n_steps": "Number of steps",
    "penalty": "`value` and `prox` (see :ref:`add_a_penalty`).",
    "pool_shape": "An int applies to both",
    "pool_stride": "An int applies to both.",
    "random_state": "Pass an int for reproducible results.",
    "validation_fraction": "Fraction of the samples",
    "warm_start": "instead of starting anew.",
}
DIFFERENT = {  # parameters with another meaning in these classes
    "alpha": ("AutoEncoder", "DrSAEClassifier"),  # of any regulariser; of energies alone
    "backend": (*TUNED, "ZCAWhitener"),  # follows the steps; NumPy for all work
    "batch_size": (*CONVOLUTIONAL, "LocalPSD"),  # crops
    "dictionary": (*CONVOLUTIONAL, "LISTAEncoder"),  # kernels; a fitted coder
    "dictionary_init": (*CONVOLUTIONAL, "DrSAEClassifier"),  # kernels; from noise
    "crop_size": ("LocalPSD",),  # of tiles
    "encoder": ("ConvPSD", "LISTAEncoder", "LocalPSD"),  # convolutional; unrolled; local
    "estimator": ("EstimatorEnergy", "EnergyOutlierDetector"),  # any estimator with an energy
    "code_max_iter": ("LocalPSD", "WhatWherePSD"),  # of FISTA; of alternations
    "gamma": ("SmoothAtoms", "WhatWherePSD"),  # of differences; of units
    "image_shape": ("Flattener",),  # required of images as well
    "inference": ("LISTAEncoder", "WhatWherePSD"),  # also of energies; of units
    "mode": ("Pooler", "Rectifier"),  # of pooling; of rectification
    "kernel_size": ("LocalPSD",),  # no filters are given
    "n_components": (
        *CONVOLUTIONAL,
        "AutoEncoder",
        "EnergyModel",
        "LocalPSD",
        "RBM",
    ),  # hidden units; filters; per pixel
    "n_iter_no_change": (*TUNED, "LISTAEncoder"),  # stops; lowers the rate
    "noise_level": ("AutoEncoder", "EnergyModel"),  # of several kinds of noise
    "output": ("LocalPSD", "WhatWherePSD"),  # not both; of units and codes
    "penalty": ("AutoEncoder", "LISTAEncoder"),  # by its gradient; also of a fitted coder
    "optimizer": (
        "AutoEncoder",
        "DrSAEClassifier",
        "EnergyModel",
        "SparseCoder",
    ),  # other kinds
    "solver": (*CONVOLUTIONAL, "GroupSparsePSD", "LISTAEncoder"),  # other solvers
    "tol": (
        "AutoEncoder",
        "EnergyModel",
        "L0Penalty",
        "L1Constraint",
        "LISTAEncoder",
        "RBM",
    ),  # of several passes; of codes; of a held-out loss; of some samples
    "torus": ("InhibitionPenalty",),  # of distances
    "weight_decay": (*TUNED, "RBM"),  # apart from the gradient; a penalty
}


def descriptions():
    """Return the description of each parameter of each public class, on one line."""
    found = defaultdict(dict)
    for name, thing in CLASSES.items():
        for parameter in ClassDoc(thing)["Parameters"]:
            found[parameter.name][name] = " ".join(parameter.desc)
    return found


FOUND = descriptions()


@pytest.mark.parametrize("parameter", [name for name, each in FOUND.items() if len(each) > 1])
def test_a_parameter_is_described_in_the_same_words_everywhere(parameter):
    texts = {
        text for name, text in FOUND[parameter].items() if name not in DIFFERENT.get(parameter, ())
    }
    end = CONTINUED.get(parameter)
    if end is not None:
        assert [text for text in texts if end not in text] == []
        texts = {text.partition(end)[0] for text in texts}
    assert len(texts) <= 1


def test_exceptions_are_of_parameters_that_need_them():
    for parameter, names in DIFFERENT.items():
        assert set(names) <= FOUND[parameter].keys()
    for parameter, end in CONTINUED.items():
        texts = [text for text in FOUND[parameter].values() if end in text]
        assert len(texts) > 1
        assert any(not text.endswith(end) for text in texts)


@pytest.mark.parametrize("name", CLASSES)
def test_every_parameter_is_described(name):
    parameters = inspect.signature(CLASSES[name]).parameters
    assert [each.name for each in ClassDoc(CLASSES[name])["Parameters"]] == [*parameters]


@pytest.mark.parametrize("name", CLASSES)
def test_a_word_that_was_replaced_does_not_come_back(name):
    """For example, `loss` is the criterion, `optimizer` trains, `solver` infers codes."""
    parameters = set(inspect.signature(CLASSES[name]).parameters)
    assert not parameters & {"method", "schedule", "unfolding", "size", "stride", "pool_size"}
