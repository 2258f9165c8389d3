"""A source's raw tables and its documents, as one step: pull, land, catalogue, publish.

A part of it, a day or a channel, is read again by a partitioned job, which moves no cursor.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
from croniter import croniter

from assets.external import vendor_key
from assets.schemas import OWNERS, catalog_key, code_version, lineage, raw_key, table_metadata
from assets.steps import keep_pool, opened
from pipelines import catalog, limits, publishing, pull, sources
from pipelines.arrivals import Landed
from resources.profile import Profile
from resources.warehouse import Warehouse
from resources.warehouse.tables import CATALOG_ENTRIES
from transforms import documents, rows
from transforms.raw import Entity

DATA_VERSION_TAG = "dagster/data_version"
"""Where Dagster looks for the data version of what an op tells."""
FIRST_DAY = "2015-01-01"
"""Of a source that is read again by days."""


class LoadConfig(dg.Config):
    """What a run may ask of a source's step."""

    full: bool = False
    """Read everything again, as a reconcile does."""


def source_assets(source: str, settings: sources.SourceSettings, freshness_minutes: int) -> dg.AssetsDefinition:
    """An asset a raw table of the source, and one for its part of the catalog.

    Args:
        settings: say when it is pulled.
        freshness_minutes: what was promised.
    """
    entities = rows.entities(source)
    raw_keys = [raw_key(entity.table.name) for entity in entities]
    freshness = _freshness(settings.pull_cron, freshness_minutes)
    raw = [_raw_spec(entity, freshness, settings.via) for entity in entities]
    catalogued = dg.AssetSpec(
        catalog_key(source),
        deps=raw_keys,
        group_name="catalog",
        kinds={"snowflake", "kafka"},
        owners=OWNERS,
        code_version=code_version(str(documents.VERSION)),
        freshness_policy=freshness,
        description=f"{source.title()}'s documents in SOPHIA_CORE.UNIFIED_DATA_CATALOG, published to documents.v1.",
        metadata={
            **table_metadata(CATALOG_ENTRIES.name),
            **lineage({name: [(key, "payload") for key in raw_keys] for name in catalog.DESCRIBED}),
        },
    )

    @dg.multi_asset(name=source, specs=[*raw, catalogued], pool=source)
    def load(
        context: dg.AssetExecutionContext, config: LoadConfig, profile: dg.ResourceParam[Profile]
    ) -> Iterator[dg.MaterializeResult[None]]:
        keep_pool(context, source, profile.section(source, sources.module(source).Settings).processes)
        with opened(context, profile) as warehouse:
            try:
                for landed in pull.pull(source, profile, warehouse, full=config.full):
                    yield _materialized(landed, warehouse)
            finally:
                context.log_event(_vendor_seen(source, warehouse))
            _name_slices(source, warehouse, context.instance)
            yield _catalogue_and_publish(source, profile, warehouse)

    return load


def backfill_job(source: str) -> dg.JobDefinition | None:
    """A job whose partitions are the source's slices; None where it has none."""
    slices: sources.Slices | None = getattr(sources.module(source), "SLICES", None)
    if slices is None:
        return None
    days = dg.DailyPartitionsDefinition(FIRST_DAY, end_offset=1)
    partitions = days if slices.keys is None else dg.DynamicPartitionsDefinition(name=_slices_name(source, slices))

    @dg.op(name=f"backfill_{source}_{slices.by}", pool=source, description=f"Read a {slices.by} again, and land it.")
    def backfill(context: dg.OpExecutionContext, profile: dg.ResourceParam[Profile]) -> None:
        with opened(context, profile) as warehouse:
            for landed in pull.pull_slice(source, context.partition_key, profile, warehouse):
                if landed.received or landed.deleted:
                    context.log_event(_event(_materialized(landed, warehouse)))
            context.log_event(_event(_catalogue_and_publish(source, profile, warehouse)))

    @dg.job(
        name=f"backfill_{source}",
        partitions_def=partitions,
        description=f"Read a {slices.by} of {source.title()} again, whole. It moves no cursor.",
    )
    def job() -> None:
        backfill()

    return job


def _raw_spec(entity: Entity, freshness: dg.FreshnessPolicy, via: str) -> dg.AssetSpec:
    source, name = entity.address.source, entity.address.entity
    vendor = vendor_key(source)
    paths = {field.name: field.path for field in entity.fields}
    return dg.AssetSpec(
        raw_key(entity.table.name),
        deps=[vendor],
        group_name=source,
        kinds={source, via},
        owners=OWNERS,
        code_version=code_version(*(f"{field.name} {field.type.ddl} {field.path}" for field in entity.fields)),
        freshness_policy=freshness,
        description=f"{source.title()}'s {name.replace('_', ' ')}: as received, and in columns.",
        metadata={
            **table_metadata(entity.table.name),
            **lineage({column: [(vendor, f"{name}.{path or '*'}")] for column, path in paths.items()}),
        },
    )


def _freshness(pull_cron: str, promised_minutes: int) -> dg.FreshnessPolicy:
    """A warning when the promise is broken, a failure when a pull that was due did not come in that time either."""
    ticks = croniter(pull_cron, datetime(2026, 1, 1, tzinfo=UTC))
    first, second = ticks.get_next(datetime), ticks.get_next(datetime)
    promised = timedelta(minutes=promised_minutes)
    return dg.FreshnessPolicy.time_window(fail_window=second - first + promised, warn_window=promised)


def _materialized(landed: Landed, warehouse: Warehouse) -> dg.MaterializeResult[None]:
    [counted] = warehouse.query(
        f"""
        SELECT
            (SELECT COUNT(*) FROM {landed.address.table} WHERE _DELETED_AT IS NULL) AS LIVE,
            (SELECT MAX(LOAD_ID) FROM SOPHIA_CORE.LOADS WHERE ADDRESS = ?) AS LOAD_ID
        """,
        [str(landed.address)],
    ).to_pylist()
    return dg.MaterializeResult(
        asset_key=raw_key(landed.address.table),
        data_version=dg.DataVersion(counted["load_id"] or "empty"),
        metadata={
            "dagster/row_count": counted["live"],
            "received": landed.received,
            "changed": landed.changed,
            "deleted": landed.deleted,
            "dead_letters": landed.rejected,
            **landed.told,
            **({"goes_on_at": dg.MetadataValue.timestamp(landed.goes_on_at)} if landed.goes_on_at else {}),
        },
    )


def _catalogue_and_publish(source: str, profile: Profile, warehouse: Warehouse) -> dg.MaterializeResult[None]:
    catalogued = catalog.refresh(source, warehouse)
    published = publishing.publish(profile, warehouse)
    [counted] = warehouse.query(
        """
        SELECT COUNT_IF(DELETED_AT IS NULL) AS LIVE, MAX(UPDATED_AT) AS CHANGED_AT
        FROM SOPHIA_CORE.CATALOG_ENTRIES
        WHERE SOURCE_SYSTEM = ?
        """,
        [source],
    ).to_pylist()
    return dg.MaterializeResult(
        asset_key=catalog_key(source),
        data_version=dg.DataVersion(str(counted["changed_at"])),
        metadata={
            "dagster/row_count": counted["live"] or 0,
            "documents_looked_at": catalogued.looked_at,
            "documents_revised": catalogued.revised,
            "documents_deleted": catalogued.deleted,
            "documents_published": published,
        },
    )


def _vendor_seen(source: str, warehouse: Warehouse) -> dg.AssetObservation:
    """Whether the vendor is up, and what of its daily quota is spent, on the vendor in the graph."""
    seen = limits.state_of(source, warehouse, datetime.now(UTC))
    metadata: dict[str, dg.MetadataValue] = {
        "circuit": dg.MetadataValue.text(seen.circuit),
        "requests_today": dg.MetadataValue.int(seen.requests_today),
    }
    if seen.tried_again_at is not None:
        metadata["tried_again_at"] = dg.MetadataValue.timestamp(seen.tried_again_at)
    return dg.AssetObservation(vendor_key(source), metadata=metadata)


def _event(result: dg.MaterializeResult[None]) -> dg.AssetMaterialization:
    """Of an asset that the op does not own."""
    assert result.asset_key is not None
    assert result.data_version is not None
    tags = {DATA_VERSION_TAG: result.data_version.value}
    return dg.AssetMaterialization(result.asset_key, metadata=dict(result.metadata or {}), tags=tags)


def _slices_name(source: str, slices: sources.Slices) -> str:
    return f"{source}_{slices.by}s"


def _name_slices(source: str, warehouse: Warehouse, instance: dg.DagsterInstance) -> None:
    """Tell Dagster which channels or teams there are, so that the backfill's partitions list them."""
    slices: sources.Slices | None = getattr(sources.module(source), "SLICES", None)
    if slices is not None and slices.keys is not None:
        instance.add_dynamic_partitions(_slices_name(source, slices), pull.slices(source, warehouse) or [])
