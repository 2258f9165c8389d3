"""Raw rows → documents: a module a source.

A module defines `to_document(document_id, parts)`. Which rows are a document's parts is said in SQL, by the view
`<SOURCE>_INTEGRATION.DOCUMENT_PARTS`, so that a part that changes finds its document.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from contracts import identity
from contracts.records import Document, Section

Parts = Mapping[str, Sequence[Mapping[str, Any]]]
"""Entity → live raw rows: the typed columns, and `payload` parsed."""

VERSION = "1"
"""Count it up with a change of any `to_document`: the catalog then builds all documents again. One that comes out the
same keeps its revision, and nothing of it is embedded anew."""
MAX_CHARACTERS = 200_000
"""About 50,000 tokens; a document beyond it is split into parts, far below the wire's 8 MiB."""


def compose(document_id: str, parts: Parts) -> list[Document]:
    """The document that these rows make: none where nothing of it lives, several parts where it is very long."""
    module = importlib.import_module(f"transforms.documents.{document_id.partition(':')[0]}")
    document: Document | None = module.to_document(document_id, parts)
    return list(split(document)) if document is not None else []


def split(document: Document, max_characters: int = MAX_CHARACTERS) -> Iterator[Document]:
    """Cut between sections; a section that is too long alone is cut inside. The parts' sections joined are the
    whole's.
    """
    pages: list[list[Section]] = [[]]
    room = max_characters
    for section in document.sections:
        for piece in _pieces(section, max_characters):
            if len(piece.line) > room and pages[-1]:
                pages.append([])
                room = max_characters
            pages[-1].append(piece)
            room -= len(piece.line) + 1
    for number, sections in enumerate(pages, start=1):
        part_id = identity.part_id(document.document_id, number)
        yield msgspec.structs.replace(document, document_id=part_id, sections=tuple(sections))


def _pieces(section: Section, max_characters: int) -> Iterator[Section]:
    step = max(1, max_characters - len(section.line) + len(section.text))
    for start in range(0, max(1, len(section.text)), step):
        yield msgspec.structs.replace(section, text=section.text[start : start + step])
