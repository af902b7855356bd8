"""Objects as plain dictionaries: sharing, refusals, and the registry of names."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sklearn_ebm._storage import from_plain, stored, to_plain
from sklearn_ebm.factors.encoders import Scale, TanhEncoder
from sklearn_ebm.learning._optimizers import Adam


def an_encoder():
    return TanhEncoder({"weights": np.ones((2, 3))}, scale=Scale(2.0, 3.0))


def types_in(value):
    if type(value) is dict:
        return {dict}.union(*map(types_in, value.values()))
    if type(value) in (list, tuple):
        return {type(value)}.union(*map(types_in, value))
    return {type(value)}


def test_objects_become_dictionaries_and_objects_again():
    plain = to_plain({"encoder": an_encoder(), "more": [(Scale(1.0, 2.0), "text")]})
    assert types_in(plain) <= {dict, list, tuple, str, float, int, np.ndarray}
    again = from_plain(plain)
    assert type(again["encoder"]) is TanhEncoder
    assert again["encoder"].scale == Scale(2.0, 3.0)
    assert again["more"] == [(Scale(1.0, 2.0), "text")]
    assert_array_equal(again["encoder"].parameters["weights"], np.ones((2, 3)))


def test_shared_objects_remain_shared():
    """Optimizers change the arrays of their encoder in place."""
    encoder = an_encoder()
    first, second, optimizer = from_plain(to_plain([encoder, encoder, Adam(encoder.parameters)]))
    assert first is second
    assert optimizer.parameters is first.parameters


def test_a_file_can_create_registered_objects_only():
    with pytest.raises(ValueError, match=r"unknown kind 'os\.system'"):
        from_plain({"sklearn_ebm": "os.system", "state": {}})


def test_two_classes_of_one_name_cannot_be_registered():
    with pytest.raises(ValueError, match="Two classes named Adam"):
        stored(type("Adam", (), {}))
