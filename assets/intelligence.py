"""What the rows say: enrichment of calls and issues, and who is named. Each step works out only what has changed."""

import dagster as dg

from assets.automation import BY_MORNING, ON_CHANGE
from assets.schemas import OWNERS, catalog_key, code_version, lineage, table_metadata
from assets.steps import opened
from contracts.tables import Table
from pipelines import enrichment
from resources.profile import Profile
from resources.sentiment import Vader
from resources.warehouse import Warehouse
from resources.warehouse.tables import CALL_ENRICHMENT, COMPETITOR_MENTIONS, ISSUE_ENRICHMENT
from transforms import competitors, rows

CALL_ENRICHMENT_KEY = dg.AssetKey(["intelligence", "call_enrichment"])
ISSUE_ENRICHMENT_KEY = dg.AssetKey(["intelligence", "issue_enrichment"])
COMPETITOR_MENTIONS_KEY = dg.AssetKey(["intelligence", "competitor_mentions"])
CALLS, TRANSCRIPTS = dg.AssetKey(["gong", "calls"]), dg.AssetKey(["gong", "transcripts"])
ISSUES, COMPANIES = dg.AssetKey(["linear", "issues"]), dg.AssetKey(["hubspot", "companies"])


@dg.asset(
    key=CALL_ENRICHMENT_KEY,
    deps=[CALLS, TRANSCRIPTS],
    group_name="intelligence",
    kinds={"python", "snowflake"},
    owners=OWNERS,
    pool="warehouse",
    code_version=code_version(Vader.model_id, competitors.VERSION),
    automation_condition=ON_CHANGE,
    freshness_policy=BY_MORNING,
    metadata={
        **table_metadata(CALL_ENRICHMENT.name),
        **lineage(
            {
                "sentiment_score": [(TRANSCRIPTS, "payload")],
                "competitive_mentions": [(TRANSCRIPTS, "payload")],
                "talking_points_used": [(CALLS, "payload")],
                "outcome_category": [(CALLS, "payload")],
            }
        ),
    },
    description="Sentiment, competitors, talking points and outcome of each call, once for each content.",
)
def call_enrichment(
    context: dg.AssetExecutionContext, profile: dg.ResourceParam[Profile]
) -> dg.MaterializeResult[None]:
    with opened(context, profile) as warehouse:
        calls = enrichment.enrich_calls(profile.intelligence, Vader(), warehouse)
        return _result({"calls_enriched": calls}, warehouse, CALL_ENRICHMENT, "ENRICHED_AT")


@dg.asset(
    key=ISSUE_ENRICHMENT_KEY,
    deps=[ISSUES, COMPANIES],
    group_name="intelligence",
    kinds={"python", "snowflake"},
    owners=OWNERS,
    pool="warehouse",
    code_version=code_version(competitors.VERSION),
    automation_condition=ON_CHANGE,
    freshness_policy=BY_MORNING,
    metadata={
        **table_metadata(ISSUE_ENRICHMENT.name),
        **lineage({"company_ids": [(ISSUES, "title"), (ISSUES, "payload"), (COMPANIES, "name")]}),
    },
    description="The customers that an issue names.",
)
def issue_enrichment(
    context: dg.AssetExecutionContext, profile: dg.ResourceParam[Profile]
) -> dg.MaterializeResult[None]:
    with opened(context, profile) as warehouse:
        issues = enrichment.enrich_issues(warehouse)
        return _result({"issues_enriched": issues}, warehouse, ISSUE_ENRICHMENT, "ENRICHED_AT")


@dg.asset(
    key=COMPETITOR_MENTIONS_KEY,
    deps=[catalog_key(source) for source in rows.sources()],
    group_name="intelligence",
    kinds={"python", "snowflake"},
    owners=OWNERS,
    pool="warehouse",
    code_version=code_version(Vader.model_id, competitors.VERSION),
    automation_condition=ON_CHANGE,
    freshness_policy=BY_MORNING,
    metadata={
        **table_metadata(COMPETITOR_MENTIONS.name),
        **lineage(
            {
                name: [(catalog_key(source), "sections") for source in rows.sources()]
                for name in ("competitor", "sentence", "sentiment_score", "threat_level")
            }
        ),
    },
    description="A row a mention of a competitor in a public document: sentence, sentiment, threat level.",
)
def competitor_mentions(
    context: dg.AssetExecutionContext, profile: dg.ResourceParam[Profile]
) -> dg.MaterializeResult[None]:
    with opened(context, profile) as warehouse:
        documents, found = enrichment.find_mentions(profile.intelligence, Vader(), warehouse)
        worked_out = {"documents_read": documents, "mentions_found": found}
        return _result(worked_out, warehouse, COMPETITOR_MENTIONS, "DETECTED_AT")


ASSETS = [call_enrichment, issue_enrichment, competitor_mentions]


def _result(
    worked_out: dict[str, int], warehouse: Warehouse, table: Table, changed_at: str
) -> dg.MaterializeResult[None]:
    """`changed_at`: the column that tells one state of the table from another, beside the number of rows."""
    counted = warehouse.query(f"SELECT COUNT(*) AS ROW_COUNT, MAX({changed_at}) AS CHANGED_AT FROM {table.name}")
    [now] = counted.to_pylist()
    return dg.MaterializeResult(
        data_version=dg.DataVersion(f"{now['row_count']} {now['changed_at']}"),
        metadata={"dagster/row_count": now["row_count"], **worked_out},
    )
