"""What waits in a scheduler is light (R15): payloads apart, 64 bytes a map element and 500 a future at most."""

from __future__ import annotations

import gc
import tracemalloc

from kubefuture.protocol.messages import Cancel, Elements, Open, Task, Tasks

from tests.runtime.driver import Driver

NUMBER = 20_000
PAYLOADS = [bytes(100) for _ in range(NUMBER)]


def weight(work):
    """Bytes that are held for each, after this."""
    gc.collect()
    tracemalloc.start()
    try:
        work()
        gc.collect()
        return tracemalloc.get_traced_memory()[0] / NUMBER
    finally:
        tracemalloc.stop()


def test_R15_a_future_that_waits_is_light():
    driver = Driver()
    client = driver.client()
    assert (
        weight(lambda: driver.say(client, Tasks([Task(call, 1, PAYLOADS[call]) for call in range(NUMBER)])))
        < 500
    )


def test_R15_a_map_element_that_waits_is_light():
    driver = Driver()
    client = driver.client()
    assert weight(lambda: driver.say(client, Open(1, 1, NUMBER), Elements(1, PAYLOADS, last=True))) < 64


def test_what_was_cancelled_keeps_no_payloads_even_while_all_slots_are_busy():
    driver = Driver()
    client = driver.client()

    def come_and_go():
        driver.say(client, Tasks([Task(call, 1, bytes(10_000)) for call in range(2_000)]))
        driver.say(
            client, Open(NUMBER, 1), Elements(NUMBER, [bytes(10_000) for _ in range(2_000)], last=False)
        )
        driver.say(client, Cancel((*range(2_000), NUMBER)))

    assert weight(come_and_go) * NUMBER / 4_000 < 500
