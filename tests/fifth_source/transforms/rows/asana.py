"""Asana's records: users, tasks. Vendor pages: developers.asana.com/reference.

A column is a line here and one in `sql/migrations/V0007__asana.sql`; a test holds the two equal. What is not declared
stays in `payload`. A `gid` is digits, and text. Users have no change time at all, so a row's version is the time its
request was sent (docs/adr/0002-versions.md).
"""

from __future__ import annotations

from contracts.address import Address
from transforms.raw import Entity, boolean, iso_time, text

USERS = Entity(
    Address("asana", "users"),
    key=("user_id",),
    fields=(
        text("user_id", "gid"),
        text("name"),
        text("email"),
    ),
)

TASKS = Entity(
    Address("asana", "tasks"),
    key=("task_id",),
    fields=(
        text("task_id", "gid"),
        text("name"),
        text("notes"),
        boolean("completed"),
        text("assignee_id", "assignee.gid"),
        text("url", "permalink_url"),
        iso_time("created_at"),
        iso_time("modified_at"),
    ),
)

ENTITIES = (USERS, TASKS)
