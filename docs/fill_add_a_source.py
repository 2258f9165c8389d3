"""Puts the files of tests/fifth_source into the code blocks of docs/add-a-source.md. `make docs` runs it.

A block whose fence names a path (```python transforms/rows/asana.py) holds that file whole.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

PAGE = Path(__file__).with_name("add-a-source.md")
FILES = PAGE.parents[1] / "tests" / "fifth_source"
BLOCK = re.compile(r"^```(?P<language>\w+) (?P<path>\S+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def filled(page: str) -> str:
    """The page with each block as its file is now."""

    def block(found: re.Match[str]) -> str:
        text = (FILES / found["path"]).read_text("utf-8")
        return f"```{found['language']} {found['path']}\n{text}```"

    return BLOCK.sub(block, page)


if __name__ == "__main__":
    Path(sys.argv[1] if len(sys.argv) > 1 else PAGE).write_text(filled(PAGE.read_text("utf-8")), "utf-8")
