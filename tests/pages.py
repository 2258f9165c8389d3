"""The Markdown pages as the tests of the docs read them: fenced blocks, headings, links, words in backticks."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
_FENCE = re.compile(r"^```(?P<info>[^`\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page."""

    page: str
    """Path from the project's root."""
    line: int
    """1-based, of its fence."""
    language: str
    path: str
    """What the fence says behind the language: the file that the block holds; empty for most."""
    text: str

    @property
    def name(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True, slots=True)
class Command:
    """A command of a block, and what the page says that it prints."""

    where: str
    text: str
    printed: str


def pages() -> list[str]:
    """Every Markdown page but the environment's, relative to the project's root."""
    found = (path.relative_to(PROJECT) for path in PROJECT.rglob("*.md"))
    return sorted(path.as_posix() for path in found if not path.parts[0].startswith(".") and path.parts[0] != "var")


def text_of(page: str) -> str:
    return (PROJECT / page).read_text("utf-8")


def blocks(page: str) -> list[Block]:
    text = text_of(page)
    found = []
    for match in _FENCE.finditer(text):
        language, _, path = match["info"].partition(" ")
        found.append(Block(page, text.count("\n", 0, match.start()) + 1, language, path, match["text"]))
    return found


def commands(block: Block) -> list[Command]:
    """Of a ```console block (`$ ` before each, what it prints below) or a ```bash block (a line each)."""
    if block.language == "bash":
        lines = [line.partition("  #")[0].strip() for line in block.text.splitlines()]
        return [Command(block.name, line, "") for line in lines if line and not line.startswith("#")]
    if block.language != "console":
        return []
    found: list[Command] = []
    for piece in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        said = re.match(r"(?:.*\\\n)*.*\n", piece)  # a backslash continues a line
        assert said is not None
        found.append(Command(block.name, said[0].strip(), piece[said.end() :]))
    return found


def prose(page: str) -> str:
    """The page without its fenced blocks."""
    return _FENCE.sub("", text_of(page))


def anchors(page: str) -> set[str]:
    """What may stand behind `#` in a link to the page, as GitHub makes it of the headings."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w -]", "", plain.lower()).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


def links(page: str) -> list[str]:
    """Targets, as written."""
    return re.findall(r"\]\(([^)\s]+)\)", prose(page))


def in_backticks(page: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", prose(page))


def matches(shown: str, printed: str) -> bool:
    """Whether a command printed what its page shows; a page that shows nothing says nothing of it.

    `…` stands for any text of a line, and alone on a line for any lines; a number for any number, a space for any
    white space.
    """
    pattern = ""
    for line in shown.splitlines():
        if line.strip() == "…":
            pattern += r"(?:.*\n)*?"
        else:
            words = re.sub(r"\d+(?:[.,:]\d+)*", "0", line.strip())
            escaped = re.escape(words).replace("0", r"\d[\d.,:]*").replace("…", ".*")
            pattern += r"\s*" + re.sub(r"(?:\\ )+", r"\\s+", escaped) + r"\s*\n"
    return not shown or re.fullmatch(pattern + r"\s*", f"{printed}\n") is not None
