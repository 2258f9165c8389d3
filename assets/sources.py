"""A source's raw tables and its documents, as one step: pull, land, catalogue, publish."""

from collections.abc import Iterator

import dagster as dg

from assets.schemas import table_metadata
from pipelines import catalog, publishing, pull
from resources.profile import Profile
from resources.warehouse import open_warehouse, require_migrated
from transforms import rows


class LoadConfig(dg.Config):
    """What a run may ask of a source's step."""

    full: bool = False
    """Read everything again, as a reconcile does."""


def catalog_key(source: str) -> dg.AssetKey:
    """`catalog/gong`: the documents that a source's rows make."""
    return dg.AssetKey(["catalog", source])


def source_assets(source: str) -> dg.AssetsDefinition:
    """An asset a raw table of the source, and one for its part of the catalog."""
    entities = rows.entities(source)
    raw_keys = [dg.AssetKey(list(e.address.asset_key)) for e in entities]
    raw = [
        dg.AssetSpec(
            key,
            group_name=source,
            kinds={source, "dlt"},
            description=f"{source.title()}'s {entity.address.entity.replace('_', ' ')}: as received, and in columns.",
            metadata=table_metadata(entity.table),
        )
        for key, entity in zip(raw_keys, entities, strict=True)
    ]
    documents = dg.AssetSpec(
        catalog_key(source),
        deps=raw_keys,
        group_name="catalog",
        kinds={"snowflake", "kafka"},
        description=f"{source.title()}'s documents in SOPHIA_CORE.UNIFIED_DATA_CATALOG, published to documents.v1.",
    )

    @dg.multi_asset(name=source, specs=[*raw, documents], pool=source)
    def load(config: LoadConfig, profile: dg.ResourceParam[Profile]) -> Iterator[dg.MaterializeResult[None]]:
        with open_warehouse(profile) as warehouse:
            require_migrated(warehouse)
            for landed in pull.pull(source, profile, warehouse, full=config.full):
                yield dg.MaterializeResult(
                    asset_key=dg.AssetKey(list(landed.address.asset_key)),
                    metadata={
                        "received": landed.received,
                        "changed": landed.changed,
                        "deleted": landed.deleted,
                        "dead_letters": landed.rejected,
                    },
                )
            catalogued = catalog.refresh(source, warehouse)
            published = publishing.publish(profile, warehouse)
            yield dg.MaterializeResult(
                asset_key=catalog_key(source),
                metadata={
                    "documents_looked_at": catalogued.looked_at,
                    "documents_revised": catalogued.revised,
                    "documents_deleted": catalogued.deleted,
                    "documents_published": published,
                },
            )

    return load
