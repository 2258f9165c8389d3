"""What the rows say: enrichment of calls and issues, and who is named. Each step works out only what has changed."""

import dagster as dg

from assets.schemas import table_metadata
from assets.sources import catalog_key
from contracts.tables import Table
from pipelines import enrichment
from resources.profile import Profile
from resources.sentiment import Vader
from resources.warehouse import open_warehouse, require_migrated
from resources.warehouse.tables import CALL_ENRICHMENT, COMPETITOR_MENTIONS, ISSUE_ENRICHMENT
from transforms import rows

CALL_ENRICHMENT_KEY = dg.AssetKey(["intelligence", "call_enrichment"])
ISSUE_ENRICHMENT_KEY = dg.AssetKey(["intelligence", "issue_enrichment"])
COMPETITOR_MENTIONS_KEY = dg.AssetKey(["intelligence", "competitor_mentions"])


def _result(worked_out: dict[str, int], profile: Profile, table: Table) -> dg.MaterializeResult[None]:
    with open_warehouse(profile) as warehouse:
        counted = warehouse.query(f"SELECT COUNT(*) AS ROW_COUNT FROM {table.name}")
    return dg.MaterializeResult(metadata={"dagster/row_count": counted["row_count"][0].as_py(), **worked_out})


@dg.asset(
    key=CALL_ENRICHMENT_KEY,
    deps=[dg.AssetKey(["gong", "calls"]), dg.AssetKey(["gong", "transcripts"])],
    group_name="intelligence",
    kinds={"python", "snowflake"},
    metadata=table_metadata(CALL_ENRICHMENT),
    description="Sentiment, competitors, talking points and outcome of each call, once for each content.",
)
def call_enrichment(profile: dg.ResourceParam[Profile]) -> dg.MaterializeResult[None]:
    with open_warehouse(profile) as warehouse:
        require_migrated(warehouse)
        calls = enrichment.enrich_calls(profile.intelligence, Vader(), warehouse)
    return _result({"calls_enriched": calls}, profile, CALL_ENRICHMENT)


@dg.asset(
    key=ISSUE_ENRICHMENT_KEY,
    deps=[dg.AssetKey(["linear", "issues"]), dg.AssetKey(["hubspot", "companies"])],
    group_name="intelligence",
    kinds={"python", "snowflake"},
    metadata=table_metadata(ISSUE_ENRICHMENT),
    description="The customers that an issue names.",
)
def issue_enrichment(profile: dg.ResourceParam[Profile]) -> dg.MaterializeResult[None]:
    with open_warehouse(profile) as warehouse:
        require_migrated(warehouse)
        issues = enrichment.enrich_issues(warehouse)
    return _result({"issues_enriched": issues}, profile, ISSUE_ENRICHMENT)


@dg.asset(
    key=COMPETITOR_MENTIONS_KEY,
    deps=[catalog_key(source) for source in rows.sources()],
    group_name="intelligence",
    kinds={"python", "snowflake"},
    metadata=table_metadata(COMPETITOR_MENTIONS),
    description="A row a mention of a competitor in a public document: sentence, sentiment, threat level.",
)
def competitor_mentions(profile: dg.ResourceParam[Profile]) -> dg.MaterializeResult[None]:
    with open_warehouse(profile) as warehouse:
        require_migrated(warehouse)
        documents, found = enrichment.find_mentions(profile.intelligence, Vader(), warehouse)
    return _result({"documents_read": documents, "mentions_found": found}, profile, COMPETITOR_MENTIONS)


ASSETS = [call_enrichment, issue_enrichment, competitor_mentions]
