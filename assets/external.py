"""What lies outside: the vendors, the topics with the workers between them, the dashboard. Only lineage is shown."""

import dagster as dg

from assets.schemas import OWNERS, catalog_key
from contracts.address import DOCUMENTS_TOPIC, MEMORY_TOPIC, dead_letter_topic
from pipelines import sources
from transforms import rows

TOPICS = "topics"


def vendor_key(source: str) -> dg.AssetKey:
    return dg.AssetKey(["vendors", source])


def topic_key(topic: str) -> dg.AssetKey:
    """`topics/documents_v1`."""
    return dg.AssetKey([TOPICS, topic.replace(".", "_")])


def _vendor(source: str) -> dg.AssetSpec:
    settings = sources.module(source).Settings()
    return dg.AssetSpec(
        vendor_key(source),
        group_name="vendors",
        kinds={source},
        owners=OWNERS,
        description=f"{source.title()}'s API.",
        metadata={"url": dg.MetadataValue.url(settings.url)},
    )


def _topic(topic: str, deps: list[dg.AssetKey], description: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        topic_key(topic),
        deps=deps,
        group_name=TOPICS,
        kinds={"kafka"},
        owners=OWNERS,
        description=description,
        metadata={"topic": topic},
    )


DEAD_DOCUMENTS = dead_letter_topic(DOCUMENTS_TOPIC)

EXTERNAL = [
    *(_vendor(source) for source in sources.names()),
    _topic(DOCUMENTS_TOPIC, [catalog_key(source) for source in rows.sources()], "Documents that must be embedded."),
    _topic(MEMORY_TOPIC, [topic_key(DOCUMENTS_TOPIC)], "Their chunks with vectors, from the GPU workers."),
    _topic(DEAD_DOCUMENTS, [topic_key(DOCUMENTS_TOPIC)], "Documents that no worker can read."),
    dg.AssetSpec(
        ["dashboard", "page"],
        deps=[
            ["executive", name]
            for name in (
                "executive_dashboard_data",
                "sales_dashboard_data",
                "projects_dashboard_data",
                "knowledge_dashboard_data",
            )
        ],
        group_name="dashboard",
        kinds={"dashboard"},
        owners=OWNERS,
        description="What people look at: it reads the views.",
    ),
]
