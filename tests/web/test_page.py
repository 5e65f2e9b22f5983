"""The page for browsers, in a real one: what it shows, and that it goes on by itself."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import kubefuture as kf
import pytest
from playwright import sync_api

from tests import needs
from tests.faults.changed import Changed
from tests.faults.checkpoint import Checkpoint, reach
from tests.faults.ports import free_port
from tests.faults.programs import Cluster, Program
from tests.faults.waiting import LIMIT

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[sync_api.Browser]:
    """Chromium, as the system has it."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        needs.missing("chromium (looks at the page)")
    # Root has no sandbox there.
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=options)
        yield started
        started.close()


SLOW = """
from kubefuture.scheduler import web
web._SNAPSHOT_SECONDS = web.LONGEST_SECONDS = web._Handler.timeout = 1200.0
"""
"""A busy machine may need what is otherwise given up, which the console would tell."""


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A cluster whose scheduler shows the page, at an address that it has again when it is started anew."""
    port = free_port()

    class Paged(Changed):
        address = f"http://127.0.0.1:{port}/"

        def program(self, role: str, *arguments: str, **changes: str) -> Program:
            more = ("--page", f"127.0.0.1:{port}") if role == "scheduler" else ()
            return super().program(role, *arguments, *more, **changes)

    with Paged(SLOW) as started:
        yield started


@pytest.fixture
def page(browser: sync_api.Browser, cluster: Cluster) -> Iterator[sync_api.Page]:
    """The page, on a phone; whatever its console says is an error."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme="dark")
    opened = context.new_page()
    opened.set_default_timeout(1000 * LIMIT)
    opened.goto(cluster.address)
    yield opened
    context.close()


def test_names_are_shown_as_they_are_and_nothing_that_they_hold_is_run(page, cluster):
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    name = "<img src=x onerror=alert(1)>"
    with kf.plan("cluster", connection=cluster.connection), Checkpoint() as checkpoint:
        slow = kf.imap(reach, [checkpoint.port] * 2, name=name)
        visit = checkpoint.next()
        page.locator(".name", has_text=name).wait_for()
        page.get_by_text("0 of 2", exact=True).wait_for()
        assert page.locator("main img").count() == 0
        visit.go("on")
        checkpoint.next().go("on")
        assert list(slow) == ["on", "on"]
    page.get_by_text("2 of 2", exact=True).wait_for()
    assert page.title() == "test: idle"
    assert said == []


def test_it_fits_a_phone(page):
    page.get_by_text("of 2 busy").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_it_says_when_the_scheduler_is_gone_and_goes_on_when_it_is_back(page, cluster):
    page.get_by_text("live", exact=True).wait_for()
    cluster.kill_scheduler()
    page.get_by_text("no answer since").wait_for()
    cluster.start_scheduler()
    page.get_by_text("live", exact=True).wait_for()
