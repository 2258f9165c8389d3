"""A Linear issue is a document (`linear:issue:<id>`): its title and description are the first section, its comments,
replies included, the next in the order of their making.

A move to another team changes the identifier, so the header holds the date alone; people rename themselves, so their
names are attributes and no text. Whoever may see the issue's team may see the issue; one in the bin is no document.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contracts.records import PUBLIC, Document, Section
from transforms.documents import Parts


def to_document(document_id: str, parts: Parts) -> Document | None:
    issues = parts.get("issues", ())
    if not issues or issues[0]["trashed"] or issues[0]["created_at"] is None:
        return None
    issue = issues[0]
    names = {u["user_id"]: u["display_name"] or u["name"] or "" for u in parts.get("users", ())}
    said = [c for c in parts.get("comments", ()) if (c["body"] or "").strip()]
    said.sort(key=lambda c: (c["created_at"] or issue["created_at"], c["comment_id"]))
    people = [issue["creator_id"], issue["assignee_id"], *(c["user_id"] for c in said)]
    teams, states = parts.get("teams", ()), parts.get("workflow_states", ())
    is_public = bool(teams) and teams[0]["visibility"] == "public"
    labels = _labels(issue, parts)
    return Document(
        document_id=document_id,
        source_system="linear",
        data_type="issue",
        # a team that was never listed might be private: nobody sees its issues until it is known
        access_scope=PUBLIC if is_public else f"linear:team:{issue['team_id'] or ''}",
        title=f"{issue['identifier'] or ''} {issue['title'] or ''}".strip(),
        header=f"Issue, {issue['created_at'].date().isoformat()}",
        sections=(_opening(issue), *(_comment(c, issue) for c in said)),
        metadata={
            "identifier": issue["identifier"],
            "state": states[0]["name"] if states else None,
            "state_type": states[0]["type"] if states else None,
            "priority": issue["priority"],
            "assignee": names.get(issue["assignee_id"]),
            "project": _name(parts, "projects"),
            "cycle": _cycle(parts),
            "labels": labels,
            "due_date": issue["due_date"],
            "url": issue["url"],
            "people": list(dict.fromkeys(names[user_id] for user_id in people if names.get(user_id))),
            "tags": sorted({label.lower() for label in labels}),
        },
        occurred_at=issue["created_at"],
    )


def _opening(issue: Mapping[str, Any]) -> Section:
    lines = ((issue["title"] or "").strip(), (issue["description"] or "").strip())
    return Section(
        text="\n".join(line for line in lines if line),
        author_id=issue["creator_id"] or "",
        start_s=0.0,
        end_s=0.0,
    )


def _comment(comment: Mapping[str, Any], issue: Mapping[str, Any]) -> Section:
    start_s = ((comment["created_at"] or issue["created_at"]) - issue["created_at"]).total_seconds()
    return Section(
        text=comment["body"].strip(),
        author_id=comment["user_id"] or "",
        start_s=start_s,
        end_s=start_s,
    )


def _labels(issue: Mapping[str, Any], parts: Parts) -> list[str]:
    """Names in the order in which the issue has them; a label that is gone has none."""
    names = {row["label_id"]: row["name"] for row in parts.get("issue_labels", ())}
    return [name for label_id in issue["payload"].get("labelIds") or [] if (name := names.get(label_id))]


def _name(parts: Parts, entity: str) -> str | None:
    rows = parts.get(entity, ())
    return rows[0]["name"] if rows else None


def _cycle(parts: Parts) -> str | None:
    """A cycle goes by its number where it has no name."""
    cycles = parts.get("cycles", ())
    if not cycles:
        return None
    return cycles[0]["name"] or (f"Cycle {cycles[0]['number']}" if cycles[0]["number"] is not None else None)
