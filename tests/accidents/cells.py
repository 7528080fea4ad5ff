"""The cells that run during accidents. Those with numbered output write their progress to a file, which `stage` reads.

Must not depend on what the page shows. Cost: none until they run.
"""

from __future__ import annotations

from .stage import TOKEN

FOREVER = "import time\ntime.sleep(100_000)"
FLOOD = """\
i = 0
while True:
    print("L", i)
    i += 1"""
DISPLAYS = """\
from IPython.display import display
while True:
    display({"text/plain": "x"}, raw=True)"""
ASK = """\
name = input("name? ")
print("#0000000#", name)"""
_PROGRESS = f"""\
import time
progress = open("{TOKEN}", "ab", buffering=0)
"""


def numbered(count: int, pause: float, fill: int = 0) -> str:
    """Prints `count` numbered lines, one every `pause` seconds, with `fill` more characters each."""
    line = f'f"#{{number:07d}}#{"x" * fill}"'
    return f"""{_PROGRESS}
for number in range({count}):
    print({line}, flush=True)
    progress.write(b".")
    time.sleep({pause})"""


def widget(count: int, pause: float) -> str:
    """A label that shows a new number every `pause` seconds."""
    return f"""{_PROGRESS}
import ipywidgets
label = ipywidgets.Label()
display(label)
for number in range({count}):
    label.value = f"#{{number:07d}}#"
    progress.write(b".")
    time.sleep({pause})"""


def large(count: int, size: int, pause: float) -> str:
    """Numbered displays that are shown short and are `size` bytes long."""
    return f"""{_PROGRESS}
from IPython.display import display
filler = "x" * {size}
for number in range({count}):
    display({{"text/plain": f"#{{number:07d}}#", "application/x-filler": filler}}, raw=True)
    progress.write(b".")
    time.sleep({pause})"""
