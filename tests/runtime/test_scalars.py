"""Numbers and texts are packed without pickle, and come back as what they were."""

import pickle
import struct
import sys

import kubefuture as kf
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubefuture.core.packing import pack_element, pack_result, unpack_result
from kubefuture.core.scalars import PICKLED, pack_numbers, pack_scalar, unpack, unpack_all

numbers = st.one_of(
    st.integers(), st.integers(-(2**65), 2**65), st.floats(allow_nan=False), st.booleans(), st.none()
)
texts = st.text(st.characters(exclude_categories=[]))
plain = st.one_of(numbers, texts, st.binary(), st.complex_numbers(allow_nan=False))

EDGES = [2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 0, -1, -0.0, float("inf"), 5e-324]
EDGES += ["", "\ud800", "\0", "\x80", "é", b"", b"\x80", b"\x80\x05", True, False, None]


def same(first, second):
    return type(first) is type(second) and first == second and repr(first) == repr(second)


@given(plain)
def test_a_plain_value_comes_back_as_what_it_was(value):
    assert same(unpack(pack_result(value)), value)
    assert same(unpack(pack_element((value,), None, 0, bare=True)), value)
    assert same(unpack(pack_element((value, 1), None, 0))[0][0], value)


@pytest.mark.parametrize("value", EDGES, ids=repr)
def test_values_at_the_edge_of_the_format_come_back_as_what_they_were(value):
    assert same(unpack(pack_scalar(value)), value)
    assert same(unpack_result(pack_result(value)), value)


def test_every_bit_of_a_nan_is_kept():
    nan = struct.unpack("<d", bytes.fromhex("010000000000f47f"))[0]
    assert struct.pack("<d", unpack(pack_result(nan))).hex() == "010000000000f47f"


@given(st.lists(numbers))
def test_numbers_that_are_packed_together_are_each_packed_as_alone(values):
    packed = pack_numbers(values)
    assert packed == [pack_result(value) for value in values]
    assert all(map(same, unpack_all(packed), values))


class Count(int):
    """A subclass has to come back as itself."""


@pytest.mark.parametrize("value", [Count(3), "text", [1], (1,), b"", 1j], ids=repr)
def test_what_is_no_number_is_not_packed_as_one(value):
    assert pack_numbers([1, value]) is None
    assert same(unpack(pack_result(value)), value)


@given(st.one_of(st.lists(plain), st.tuples(plain, plain), st.dictionaries(texts, plain)))
def test_anything_else_is_a_pickle_and_is_known_by_its_first_byte(value):
    assert pack_result(value)[0] == PICKLED
    assert same(unpack_all([pack_result(value)])[0], value)


@given(st.one_of(numbers, texts, st.binary()))
def test_a_scalar_is_never_taken_for_a_pickle(value):
    packed = pack_scalar(value)
    assert (packed[0] == PICKLED) == packed.startswith(pickle.PROTO)
    assert packed[0] != PICKLED or same(pickle.loads(packed), value)


@pytest.mark.parametrize("make", [list, tuple, lambda values: values], ids=["list", "tuple", "range"])
def test_R28_numbers_at_hand_give_the_same_on_every_plan(make):
    inputs = make(range(5000))
    with kf.plan("sequential"):
        expected = kf.map(lambda x: -x, inputs)
    with kf.plan("local", workers=2):
        assert kf.map(lambda x: -x, inputs) == expected


def test_numbers_with_something_else_behind_them_keep_their_places():
    inputs = [*range(3000), "text", *range(3000), [1], 2**70, *range(100)]
    with kf.plan("local", workers=2):
        assert kf.map(lambda x: x, inputs) == inputs
        assert kf.map(lambda x: 2**64, inputs) == [2**64] * len(inputs)


def test_a_list_that_changes_while_it_is_read_is_taken_as_far_as_it_goes():
    inputs = list(range(10_000))
    with kf.plan("local", workers=1):
        stream = kf.imap(lambda x: x, inputs)
        first = next(stream)
        inputs.extend([5] * 10)
        assert [first, *stream] == list(range(10_000))
    with kf.plan("local", workers=1):
        inputs = list(range(10_000))
        stream = kf.imap(lambda x: x, inputs)
        first = next(stream)
        del inputs[9000:]
        assert [first, *stream] == list(range(9000))


def test_very_long_integers_are_as_long_on_the_other_side():
    long = 3**10_000
    assert long > sys.maxsize
    with kf.plan("local", workers=1):
        assert kf.map(lambda x: x * x, [long]) == [long * long]
