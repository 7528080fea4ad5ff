"""The status page in a real browser: a flood, a slow client, a detached session and a restart are each seen, live.

The sessions on the page belong to raw clients of the kernel; a thread reads for each client, so that it answers pings. The page
is never reloaded. Cost: two to fifteen seconds each.
"""

import contextlib
import re
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pytest

from tests.browser.conftest import PICTURES, STOCK
from tests.browser.lab import TIMEOUT_MS, LabServer
from tools.chaos.client import Client

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

pytestmark = pytest.mark.skipif(STOCK, reason="the stock class has no page")

DISPLAYS = """\
from IPython.display import display
while True:
    display({"text/plain": "x"}, raw=True)"""
FOREVER = """\
import time
while True:
    print("x" * 1000, flush=True)
    time.sleep(0.001)"""
RATE = re.compile(r"[\d,.]+ messages/s")
HOSTILE = "a folder/<img src=x onerror=alert(1)>\"'?#%&.ipynb"
PLOT = re.compile(r"at most (?!0,)[\d,.]+, last")


class Reader:
    """A client that reads all it is sent, until it is told to stop reading."""

    def __init__(self, lab: LabServer, kernel_id: str) -> None:
        self.client = Client(lab.address, kernel_id)
        self._reading = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self.client.prove()
        self.start()

    @property
    def shown(self) -> str:
        """What the page shows of its session id."""
        return self.client.session[:8]

    def start(self) -> None:
        self._reading.set()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while self._reading.is_set():
                self.client.read(0.1)

    def stop(self) -> None:
        """Reads no more, and so answers no ping."""
        self._reading.clear()
        self._thread.join()

    def execute(self, code: str) -> None:
        self.client.send("shell", "execute_request", {"code": code, "silent": False, "store_history": False})


@pytest.fixture
def kernel(lab: LabServer) -> Iterator[str]:
    kernel_id = lab.start_kernel("python3")
    yield kernel_id
    lab.end_kernel(kernel_id)


@pytest.fixture
def reader(lab: LabServer, kernel: str) -> Iterator[Reader]:
    opened = Reader(lab, kernel)
    yield opened
    opened.stop()
    opened.client.abandon()


@pytest.fixture
def page(browser: "Browser", lab: LabServer, request: pytest.FixtureRequest) -> Iterator["Page"]:
    """The status page. An error in its console fails the test."""
    context = browser.new_context()
    opened = context.new_page()
    opened.set_default_timeout(TIMEOUT_MS)
    errors: list[str] = []
    opened.on("console", lambda message: errors.append(message.text) if message.type in {"error", "warning"} else None)
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.goto(f"http://127.0.0.1:{lab.address.port}/kernelws?token={lab.address.token}")
    opened.wait_for_selector("#connection:text('Live')")
    yield opened
    PICTURES.mkdir(parents=True, exist_ok=True)
    opened.screenshot(path=PICTURES / f"{request.node.name}.png")
    context.close()
    assert errors == []


def row_of(page: "Page", reader: Reader) -> "Locator":
    return page.locator("tbody tr", has=page.locator(f"code:text-is('{reader.shown}')"))


def kernel_of(page: "Page", kernel_id: str) -> "Locator":
    return page.locator("article", has=page.locator(f"[id='kernel-{kernel_id}']"))


def wait_text(page: "Page", where: "Locator", pattern: re.Pattern[str]) -> str:
    """Waits until the text of a part of the page matches, and returns it."""
    where.filter(has_text=pattern).first.wait_for()
    return where.first.inner_text()


def wait_said(page: "Page", words: str) -> None:
    """Waits until the words are in the live region that a screen reader announces."""
    page.locator("#changes").filter(has_text=words).wait_for(state="attached")


def test_a_flood_is_seen_now_in_the_plot_and_as_held(page: "Page", kernel: str, reader: Reader) -> None:
    """Displays over the default limit of 1,000 a second."""
    reader.execute(DISPLAYS)
    shown = kernel_of(page, kernel)
    wait_text(page, shown.locator("header"), RATE)
    row = row_of(page, reader)
    wait_text(page, row.locator("td.rate"), RATE)
    wait_text(page, row.locator("td.state"), re.compile(r"held for .*over the rate limits.*iopub_msg_rate_limit", re.DOTALL))
    assert "messages" in row.locator("td.outbox").inner_text()
    for place in (shown.locator("header"), row):
        page.wait_for_function(
            "([node, words]) => new RegExp(words).test(node.getAttribute('aria-label'))",
            arg=[place.locator("svg.plot").element_handle(), PLOT.pattern],
        )


def test_a_slow_client_is_seen_and_since_when(page: "Page", kernel: str, reader: Reader) -> None:
    row = row_of(page, reader)
    wait_text(page, row.locator("td.ping"), re.compile(r"[\d.]+ ms"))
    reader.stop()
    reader.execute(FOREVER)
    wait_text(page, row.locator("td.state"), re.compile(r"slow for \d+ s.*write_high_water", re.DOTALL))
    assert "512 KiB" in row.locator("td.unacknowledged").inner_text()
    assert "KiB of 64 MiB in memory" in row.locator("td.outbox").inner_text() or "MiB of" in row.locator("td.outbox").inner_text()


def test_a_detached_session_is_seen_and_told_and_so_is_its_return(page: "Page", kernel: str, reader: Reader) -> None:
    row = row_of(page, reader)
    wait_text(page, row.locator("td.state"), re.compile("connected"))
    reader.stop()
    reader.client.abandon()
    wait_text(page, row.locator("td.state"), re.compile(r"detached for \d+ s.*resume_timeout", re.DOTALL))
    wait_said(page, f"Session {reader.shown} is detached.")
    reader.client.connect()
    reader.start()
    wait_text(page, row.locator("td.state"), re.compile("connected"))
    wait_text(page, row.locator("td.sums"), re.compile("1 resume"))


@pytest.fixture
def named(lab: LabServer, kernel: str) -> str:
    """A path that is markup, of a notebook with this kernel."""
    model = {"path": HOSTILE, "name": HOSTILE.rpartition("/")[2], "type": "notebook", "kernel": {"id": kernel}}
    made = lab.request("POST", "/api/sessions", model)
    console = {"path": "console-1", "name": "<i>Console</i>", "type": "console", "kernel": {"id": kernel}}
    lab.request("POST", "/api/sessions", console)
    return str(made["path"])


def test_a_kernel_is_named_by_its_notebook_and_a_name_is_no_markup(page: "Page", kernel: str, named: str) -> None:
    """The link leads to the notebook, whatever its name is."""
    shown = kernel_of(page, kernel)
    link = shown.locator(".notebook a")
    link.wait_for()
    assert link.inner_text() == named
    assert shown.locator(".notebook", has_text="<i>Console</i>").locator("a").count() == 0
    assert shown.locator("img, script, i").count() == 0
    address = urlsplit(link.evaluate("node => node.href"))
    assert unquote(address.path) == f"/lab/tree/{named}"
    assert (address.scheme, address.query, address.fragment) == ("http", "", "")
    page.locator("#filter").fill("onerror")
    shown.wait_for()
    page.locator("#filter").fill("another notebook")
    shown.wait_for(state="hidden")


def test_sessions_whose_page_was_closed_stand_behind_one_line(page: "Page", lab: LabServer, kernel: str, reader: Reader) -> None:
    """It opens by keyboard, and a search finds what is behind it."""
    shown, row = kernel_of(page, kernel), row_of(page, reader)
    wait_text(page, row.locator("td.state"), re.compile("connected"))
    gone = Reader(lab, kernel)
    other = gone.shown
    wait_text(page, page.locator("tbody tr", has=page.locator(f"code:text-is('{other}')")), re.compile("connected"))
    gone.stop()
    gone.client.close(1001)
    hidden = page.locator("tbody tr", has=page.locator(f"code:text-is('{other}')"))
    line = shown.get_by_role("button", name=re.compile("1 session whose page was closed"))
    line.wait_for()
    hidden.wait_for(state="hidden")
    row.wait_for()
    line.focus()
    page.keyboard.press("Enter")
    hidden.wait_for()
    assert line.get_attribute("aria-expanded") == "true"
    page.keyboard.press("Enter")
    hidden.wait_for(state="hidden")
    page.locator("#filter").fill(other)
    hidden.wait_for()


def test_a_restart_and_the_end_of_a_kernel_are_seen(page: "Page", lab: LabServer, reader: Reader, kernel: str) -> None:
    shown = kernel_of(page, kernel)
    shown.wait_for()
    lab.request("POST", f"/api/kernels/{kernel}/restart", {})
    wait_text(page, shown, re.compile(r"Restarted \d+ s ago"))
    wait_said(page, "was restarted.")
    other = lab.start_kernel("python3")
    kernel_of(page, other).wait_for()
    lab.end_kernel(other)
    kernel_of(page, other).wait_for(state="detached")


def test_an_error_is_told_in_words_with_the_trait_that_would_change_it(page: "Page", reader: Reader) -> None:
    reader.client.sock.sendall(b"\x82\x81\x00\x00\x00\x00\x07")  # a v1 frame of one byte
    text = wait_text(page, row_of(page, reader).locator("td.error"), re.compile("was dropped"))
    assert re.search(r"A message of a client was dropped: .* \d+ s ago", text)


def test_it_works_by_keyboard_and_names_everything(page: "Page", kernel: str, reader: Reader) -> None:
    """Focus is where one expects it and can be seen; what is only drawn is also said."""
    row_of(page, reader).wait_for()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "kernels-heading"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "filter"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.type("no such kernel")
    row_of(page, reader).wait_for(state="hidden")
    assert page.locator("#shown").inner_text().startswith("0 of ")
    page.locator("#filter").fill(kernel[:8])
    row_of(page, reader).wait_for()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    row_of(page, reader).wait_for(state="hidden")
    page.keyboard.press("Space")
    assert page.get_by_role("main").count() == 1
    assert page.get_by_role("table", name=re.compile(kernel[:8])).count() == 1
    assert page.get_by_role("columnheader").count() >= 8
    assert page.get_by_role("rowheader").count() >= 1
    assert page.get_by_role("img", name=re.compile("messages a second")).count() >= 3
    assert page.locator("[aria-live=polite]").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_readable_on_a_phone_in_both_schemes(page: "Page", reader: Reader, scheme: str) -> None:
    """Nothing needs to be scrolled sideways, every cell says what it is, and text stands out from its ground (WCAG AA)."""
    # Without motion: while a colour changes, its contrast is neither the old nor the new one
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    page.set_viewport_size({"width": 360, "height": 700})
    row = row_of(page, reader)
    row.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    label = row.locator("td.outbox").evaluate("node => getComputedStyle(node, '::before').content")
    assert label == '"Waits in the outbox"'
    for selector in ("body", "#connection", "td.state .state", "dt"):
        assert contrast(page, selector) >= 4.5, selector


def contrast(page: "Page", selector: str) -> float:
    """The contrast of an element's text with the page."""
    colours = page.evaluate(
        "selector => [getComputedStyle(document.querySelector(selector)).color, getComputedStyle(document.body).backgroundColor]",
        selector,
    )
    light, dark = sorted((luminance(colour) for colour in colours), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    """Of ``rgb(r, g, b)``, as WCAG 2 defines it."""
    channels = [int(number) / 255 for number in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_a_server_that_is_gone_is_said(browser: "Browser", lab: LabServer) -> None:
    """The page says that it is not live. When the server is back, it continues by itself and gets all points of the plots."""
    context = browser.new_context()
    opened = context.new_page()
    asked: list[str] = []
    opened.on("request", lambda request: asked.append(request.url.rpartition("/")[2]))
    opened.goto(f"http://127.0.0.1:{lab.address.port}/kernelws?token={lab.address.token}")
    opened.wait_for_selector("#connection:text('Live')")
    context.set_offline(True)
    opened.wait_for_selector("#connection:text('Not live')")
    context.set_offline(False)
    opened.wait_for_selector("#connection:text-is('Live, once a second.')")  # an exact match, because "Not live" contains "live"
    context.close()
    first, *later = [name for name in asked if name.startswith("status?") or name == "status"]
    assert first == "status?histories=1"
    assert {"status", "status?histories=1"} <= set(later)
