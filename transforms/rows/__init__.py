"""Vendor records → raw rows: a module a source, found by its presence here.

A module declares `ENTITIES`: which typed columns we read of each record. Pull and push go through the same declaration.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from contracts.address import Address
from contracts.tables import Table
from transforms.raw import Entity


@cache
def sources() -> tuple[str, ...]:
    """Every source of the project, in alphabetical order."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


@cache
def entities(source: str) -> tuple[Entity, ...]:
    """The entities of a source, in the order in which they are pulled.

    Raises:
        ModuleNotFoundError: no such source.
    """
    declared: tuple[Entity, ...] = importlib.import_module(f"transforms.rows.{source}").ENTITIES
    return declared


def entity(address: Address) -> Entity:
    """Raises KeyError: the source has no such entity."""
    return {e.address: e for e in entities(address.source)}[address]


def tables(source: str) -> tuple[Table, ...]:
    return tuple(e.table for e in entities(source))
