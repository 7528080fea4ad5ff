"""The documentation opened from disk, as after a download: no server, no network, and the search finds pages.

Cost: five seconds to build the site, one to search it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.docs_site import build_site

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

TIMEOUT_MS = 20_000


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_site(tmp_path_factory.mktemp("site"))


@pytest.fixture
def page(browser: "Browser") -> Iterator["Page"]:
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    yield page
    context.close()


@pytest.mark.parametrize("opened", ["index.html", "deploy/nginx.html"])
def test_the_search_works_on_a_page_opened_from_disk(site: Path, page: "Page", opened: str) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("requestfailed", lambda request: errors.append(request.url))
    page.goto((site / opened).as_uri())
    page.fill(".md-search__input", "resume_timeout")
    hit = page.locator(".md-search-result__link").filter(has=page.locator("mark", has_text="resume_timeout")).first
    hit.click()
    page.wait_for_url((site / "settings.html").as_uri() + "**")
    assert page.locator("h1").inner_text().startswith("Every setting")
    assert not errors
