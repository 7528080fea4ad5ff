"""The configuration blocks of the pages in docs/deploy: tests run exactly these, with other ports and paths.

Must not contain configuration: a test that needs one more line adds it where it starts the program.
"""

import re
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "docs" / "deploy"


def block(page: str, language: str, replaced: dict[str, str] | None = None) -> str:
    """The one fenced block of this language on a page. Each text to be replaced must stand in it."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", (FOLDER / page).read_text(), re.MULTILINE | re.DOTALL)
    assert len(found) == 1, f"{page} has {len(found)} blocks of {language}"
    text = str(found[0])
    for before, after in (replaced or {}).items():
        assert before in text, f"{before!r} is not on {page}"
        text = text.replace(before, after)
    return text
