"""The exchange that outlives its connections: nothing is lost, repeated or in another order (R7, R10)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kubefuture.errors import ProtocolError
from kubefuture.protocol.conversation import Conversation
from kubefuture.protocol.messages import Ack, Slots


def messages(start, stop):
    return [Slots(number) for number in range(start, stop)]


def test_what_was_sent_is_kept_until_it_is_acknowledged():
    told = []
    conversation = Conversation(told.append)
    conversation.send(messages(0, 5))
    assert conversation.receive([Ack(3)]) == [], "an acknowledgement is not for the host"
    assert list(conversation.kept) == messages(3, 5) and told == messages(0, 3)
    assert conversation.received == 0, "nor is it counted"


def test_a_new_connection_goes_on_with_what_did_not_arrive():
    conversation = Conversation()
    conversation.send(messages(0, 5))
    assert conversation.resume(2) == messages(2, 5)
    assert conversation.resume(2) == messages(2, 5), "until it is acknowledged"
    conversation.send(messages(5, 6))
    assert conversation.resume(5) == messages(5, 6)


def test_R6_what_arrived_before_a_connection_broke_is_kept_until_the_other_side_vouches_for_it():
    told = []
    conversation = Conversation(told.append)
    conversation.send(messages(0, 5))
    assert conversation.resume(4) == messages(4, 5), "only what has not arrived is sent again"
    assert list(conversation.kept) == messages(0, 5) and not told, "it is not in the journal yet"
    assert conversation.resume(3) == messages(3, 5), "nor does it matter how often"
    conversation.receive([Ack(4)])
    assert list(conversation.kept) == messages(4, 5) and told == messages(0, 4)
    assert conversation.resume(4) == messages(4, 5)


def test_an_acknowledgement_that_is_lost_with_its_connection_is_told_over_the_next_one():
    conversation = Conversation()
    conversation.receive(messages(0, 3))
    conversation.vouched = 2
    assert conversation.acknowledgement(soon=True) == Ack(2)
    assert conversation.acknowledgement(soon=True) is None
    conversation.resume(0)
    assert conversation.acknowledgement(soon=True) == Ack(2)
    assert conversation.acknowledgement(soon=True) is None


def test_what_arrives_is_counted_and_acknowledged_once_somebody_vouches_for_it():
    conversation = Conversation()
    assert conversation.receive(messages(0, 70)) == messages(0, 70)
    assert conversation.received == 70
    assert conversation.acknowledgement(soon=True) is None
    conversation.vouched = 63
    assert conversation.acknowledgement() is None, "a few messages are not worth it"
    conversation.vouched = 64
    assert conversation.acknowledgement() == Ack(64)
    assert conversation.acknowledgement(soon=True) is None
    conversation.vouched = 65
    assert conversation.acknowledgement(soon=True) == Ack(65)


@pytest.mark.parametrize("received", [0, 1, 6])
def test_an_acknowledgement_of_what_was_never_sent_or_was_acknowledged_before_is_refused(received):
    conversation = Conversation()
    conversation.send(messages(0, 5))
    conversation.receive([Ack(2)])
    assert not conversation.can_resume(received)
    with pytest.raises(ProtocolError, match="2 were before, and 5 were sent"):
        conversation.resume(received)
    with pytest.raises(ProtocolError):
        conversation.receive([Ack(received)])


@settings(deadline=None, derandomize=True, max_examples=300)
@given(
    st.lists(
        st.tuples(st.sampled_from(["send", "arrive", "vouch", "acknowledge", "break"]), st.integers(0, 5))
    )
)
def test_whatever_breaks_everything_arrives_once_and_in_order(events):
    sender, receiver = Conversation(), Conversation()
    wire, back, arrived, sent = [], [], [], 0

    def again():
        del back[:]
        wire[:] = sender.resume(receiver.received)

    for event, number in events:
        if event == "send":
            fresh = messages(sent, sent + number)
            sent += number
            sender.send(fresh)
            wire.extend(fresh)
        elif event == "arrive":
            arrived += receiver.receive(wire[:number])
            del wire[:number]
        elif event == "vouch":
            receiver.vouched = max(receiver.vouched, receiver.received - number)
        elif event == "acknowledge":
            if (acknowledgement := receiver.acknowledgement(soon=True)) is not None:
                back.append(acknowledgement)
            if number % 2:
                sender.receive(back)
                del back[:]
        else:
            again()
        assert len(sender.kept) >= sent - receiver.vouched, "nothing is dropped that nobody vouches for"
    again()
    arrived += receiver.receive(wire)
    assert arrived == messages(0, sent)
    receiver.vouched = receiver.received
    receiver.resume(0)  # an acknowledgement that was lost with a connection is told once more
    acknowledgement = receiver.acknowledgement(soon=True)
    sender.receive([] if acknowledgement is None else [acknowledgement])
    assert not sender.kept
