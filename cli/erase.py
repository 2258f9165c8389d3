"""`sophia erase`: a person is removed by `pipelines.erasure`, from the vectors on this machine too."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from rich.console import Console
from rich.table import Table

from contracts.errors import ErasureIncomplete
from gpu_workers.cache import VectorCache
from pipelines import erasure
from pipelines.erasure import Receipt
from resources.profile import Profile
from resources.warehouse import Warehouse, open_warehouse, require_migrated


def erase_and_print(
    console: Console, emails: Sequence[str], names: Sequence[str], *, dry_run: bool, as_json: bool
) -> None:
    """Raises SophiaError; ErasureIncomplete after the receipt."""
    profile = Profile.read()
    with open_warehouse(profile) as warehouse:
        require_migrated(warehouse)
        receipt = erasure.erase(
            profile,
            warehouse,
            emails=emails,
            names=names,
            others={"vectors": lambda: forget_vectors(profile, warehouse)},
            dry_run=dry_run,
        )
    if as_json:
        console.out(msgspec.json.encode(receipt).decode(), highlight=False)
    else:
        _print(console, receipt)
    if receipt.left:
        raise ErasureIncomplete(receipt.erasure_id, receipt.left)


def forget_vectors(profile: Profile, warehouse: Warehouse) -> int:
    """Keep of the cache what stands in memory: nothing else tells of which texts the other vectors are.

    Returns:
        Vectors removed.
    """
    if not profile.cache_path.is_dir():
        return 0
    with VectorCache(profile.cache_path, profile.embedding.model_id, profile.embedding.dimension) as cache:
        return cache.keep_only(erasure.embedded_texts(warehouse))


def _print(console: Console, receipt: Receipt) -> None:
    title = "Dry run: nothing was changed" if receipt.is_dry_run else f"Erasure {receipt.erasure_id}"
    table = Table("where", "removed", "cleaned", "left", title=title)
    for name, layer in receipt.layers.items():
        left = "" if layer.left is None else f"{layer.left:,}"
        table.add_row(name, f"{layer.removed:,}", f"{layer.cleaned:,}", left)
    console.print(table)
    if not receipt.found:
        console.print(
            "nobody was found by these." + ("" if receipt.is_dry_run else " The list keeps them out from now on.")
        )
    console.print("what an erasure cannot reach:")
    for line in receipt.stays:
        console.print(f"  {line}", highlight=False, soft_wrap=True)
