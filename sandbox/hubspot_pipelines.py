"""HubSpot's pipelines with their stages, and its owners: what other objects point to."""

from __future__ import annotations

from datetime import datetime

from sandbox.company import STAGES
from sandbox.hubspot_objects import as_ms, ms_iso
from sandbox.records import Record

SALES, RENEWALS = "default", "74120385"
LOST_LABEL = "closed lost"
STAGE_IDS = {
    "qualified": "qualifiedtobuy",
    "evaluation": "presentationscheduled",
    "proposal": "decisionmakerboughtin",
    "contract sent": "contractsent",
    "closed won": "closedwon",
    LOST_LABEL: "closedlost",
}
"""Stage ids of the sales pipeline, by label; HubSpot's own keep their first name whatever the label says."""
RENEWAL_STAGES = (
    ("renewal due", "118234501", 0.5),
    ("in talks", "118234502", 0.7),
    ("renewed", "118234503", 1.0),
    ("not renewed", "118234504", 0.0),
)


def pipelines(start: datetime) -> dict[str, Record]:
    """Both pipelines of deals, by id; the default one was never created, so its times are zero."""
    sales = [(label, STAGE_IDS[label], probability) for label, probability in (*STAGES, (LOST_LABEL, 0.0))]
    made_ms = as_ms(start) - 400 * 86_400_000
    return {
        SALES: _pipeline(SALES, "Sales", 0, sales, 0),
        RENEWALS: _pipeline(RENEWALS, "Renewals", 1, list(RENEWAL_STAGES), made_ms),
    }


def _pipeline(pipeline_id: str, label: str, order: int, stages: list[tuple[str, str, float]], made_ms: int) -> Record:
    times = {"createdAt": ms_iso(made_ms), "updatedAt": ms_iso(made_ms)}
    return {
        "id": pipeline_id,
        "label": label,
        "displayOrder": order,
        "archived": False,
        "stages": [
            {
                "id": stage_id,
                "label": stage,
                "displayOrder": place,
                "archived": False,
                "metadata": {"isClosed": str(probability in (0.0, 1.0)).lower(), "probability": str(probability)},
                "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
                **times,
            }
            for place, (stage, stage_id, probability) in enumerate(stages)
        ],
        **times,
    }


def owner_record(
    owner_id: str, user_id: int, email: str, first: str, last: str, team: str, made_ms: int, archived: bool = False
) -> Record:
    """An owner as /owners gives it; one who has left has no userId any more."""
    return {
        "id": owner_id,
        "email": email,
        "type": "PERSON",
        "firstName": first,
        "lastName": last,
        "userId": None if archived else user_id,
        "userIdIncludingInactive": user_id,
        "createdAt": ms_iso(made_ms),
        "updatedAt": ms_iso(made_ms),
        "archived": archived,
        "teams": [{"id": str(300_000 + sum(team.encode())), "name": team.capitalize(), "primary": True}],
    }
