"""Calls inside an element run in place: no plan can be exhausted by its own elements."""

from __future__ import annotations

import kubefuture as kf


def test_threads_that_an_element_starts_are_inside_it_too(pool):
    def outer(_):
        from threading import Thread

        found = []
        thread = Thread(target=lambda: found.append((kf.n_workers(), kf.map(abs, [-1]))))
        thread.start()
        thread.join()
        return found

    assert kf.map(outer, [0]) == [[(1, [1])]]
