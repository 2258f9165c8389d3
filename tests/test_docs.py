"""The pages against the code: settings, commands, links, paths."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
import typer.main

from assets import alerts, failures
from cli.main import app
from pipelines import quality, sources
from resources.profile import (
    AirbyteSettings,
    AlertSettings,
    AutomationSettings,
    EmbeddingSettings,
    IntelligenceSettings,
    KafkaSettings,
    Profile,
    SnowflakeSettings,
    WebhookSettings,
)
from tests import pages

PROJECT = Path(__file__).resolve().parents[1]
README = (PROJECT / "README.md").read_text()
SECTIONS = ("embedding", "kafka", "snowflake", "intelligence", "automation", "alerts", "airbyte", "webhooks", "vendors")


def settings() -> set[str]:
    plain = {f"SOPHIA_{field.upper()}" for field in Profile.__struct_fields__ if field not in SECTIONS}
    declared: list[tuple[str, type[msgspec.Struct]]] = [
        ("EMBEDDING", EmbeddingSettings),
        ("KAFKA", KafkaSettings),
        ("SNOWFLAKE", SnowflakeSettings),
        ("INTELLIGENCE", IntelligenceSettings),
        ("AUTOMATION", AutomationSettings),
        ("ALERTS", AlertSettings),
        ("AIRBYTE", AirbyteSettings),
        ("WEBHOOKS", WebhookSettings),
        *((name.upper(), sources.module(name).Settings) for name in sources.names()),
    ]
    return plain | {f"SOPHIA_{name}_{field.upper()}" for name, type_ in declared for field in type_.__struct_fields__}


def test_the_readme_lists_every_setting_and_no_other() -> None:
    assert set(re.findall(r"`(SOPHIA_[A-Z0-9_]+)`", README)) == settings()


def test_the_readme_lists_every_command() -> None:
    commands = typer.main.get_command(app)
    for name in commands.commands:  # type: ignore[attr-defined]
        assert f"`sophia {name}" in README


def test_every_command_shows_an_example() -> None:
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        for leaf in getattr(command, "commands", {name: command}).values():
            assert "Example: sophia" in (leaf.help or ""), leaf.name


@pytest.mark.parametrize("page", pages.pages())
def test_every_link_leads_somewhere(page: str) -> None:
    for target in pages.links(page):
        path, _, anchor = target.partition("#")
        if "://" in path:
            continue
        place = (PROJECT / page).parent.joinpath(path).resolve() if path else PROJECT / page
        assert place.exists(), target
        if anchor:
            assert anchor in pages.anchors(place.relative_to(PROJECT).as_posix()), target


@pytest.mark.parametrize("page", pages.pages())
def test_every_path_in_backticks_exists(page: str) -> None:
    """`<source>` and asana stand for any name: files of the worked example lie in tests/fifth_source."""
    top = {path.name for path in PROJECT.iterdir()}
    for word in pages.in_backticks(page):
        if re.fullmatch(r"[\w.<>*/-]+", word) and (word.partition("/")[0] in top) and "/" in word:
            pattern = re.sub(r"<\w+>|asana", "*", word)
            assert word.startswith("var/") or list(PROJECT.glob(pattern.rstrip("/"))), word


def test_every_alert_leads_to_a_runbook_that_knows_it() -> None:
    for error, name in failures.RUNBOOKS.items():
        assert error.__name__ in pages.text_of(f"docs/runbooks/{name}.md"), name
    for page in (alerts.CHECK_FAILED, failures.runbook()):
        assert page in pages.pages()


def test_the_runbook_of_checks_has_every_check_and_says_which_block() -> None:
    text = pages.text_of(alerts.CHECK_FAILED)
    shown = set()
    for names, blocks in re.findall(r"^\|[^|]*\| ((?:`\w+`(?:, )?)+) \| (yes)? ?\|", text, re.MULTILINE):
        shown |= {(name, blocks == "yes") for name in re.findall(r"\w+", names)}
    checks = [check for group in quality.groups() for check in quality.checks_of(group)]
    assert shown == {(check.name, check.blocking) for check in checks}
