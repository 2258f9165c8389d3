"""An Asana task is a document (`asana:task:<id>`): its name and its notes, one section.

What may change (the assignee's name, whether it is done) is an attribute and never embedded: such a change makes no new
revision. The date of its making stays, so it is the header.
"""

from __future__ import annotations

from contracts.records import PUBLIC, Document, Section
from transforms.documents import Parts


def to_document(document_id: str, parts: Parts) -> Document | None:
    tasks = parts.get("tasks", ())
    if not tasks or tasks[0]["created_at"] is None:
        return None
    task = tasks[0]
    lines = ((task["name"] or "").strip(), (task["notes"] or "").strip())
    text = "\n".join(line for line in lines if line)
    if not text:
        return None
    people = [user["name"] for user in parts.get("users", ()) if user["name"]]
    return Document(
        document_id=document_id,
        source_system="asana",
        data_type="task",
        # The list holds what the whole workspace may see. A source with private records says so in `Entity.private`,
        # gives their documents a scope of their own, and adds its members to SOPHIA_CORE.ACCESS_MEMBERS.
        access_scope=PUBLIC,
        title=lines[0],
        header=f"Task, {task['created_at'].date().isoformat()}",
        sections=(Section(text=text),),
        metadata={
            "assignee": people[0] if people else None,
            "completed": task["completed"],
            "people": people,
            "url": task["url"],
            "tags": ["done" if task["completed"] else "open"],
        },
        occurred_at=task["created_at"],
    )
