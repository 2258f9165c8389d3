"""The settings, and what an error may show of them."""

from __future__ import annotations

import pytest

from contracts.errors import InvalidSetting
from pipelines import sources
from resources.profile import Profile

SECRETS = [
    "SOPHIA_GONG_ACCESS_KEY",
    "SOPHIA_GONG_ACCESS_KEY_SECRET",
    "SOPHIA_HUBSPOT_TOKEN",
    "SOPHIA_LINEAR_API_KEY",
    "SOPHIA_SLACK_TOKEN",
]


@pytest.mark.parametrize("variable", SECRETS)
@pytest.mark.parametrize("value", ["hunter2\n", "hunter2 ", "hun\tter2", "hunter2\x00", "hunter2…"])
def test_a_secret_that_no_header_can_carry_is_refused_and_not_shown(variable: str, value: str) -> None:
    source = variable.split("_")[1].lower()
    profile = Profile.read({variable: value})
    with pytest.raises(InvalidSetting, match="visible ASCII") as refusal:
        profile.section(source, sources.module(source).Settings)
    assert str(refusal.value).startswith(f"{variable}='***'")
    assert "hun" not in str(refusal.value) + refusal.value.value


def test_a_secret_under_a_name_that_nothing_knows_is_not_shown() -> None:
    with pytest.raises(InvalidSetting, match="no setting has this name") as refusal:
        Profile.read({"SOPHIA_HUBSPOTT_TOKEN": "hunter2"})
    assert "hunter2" not in str(refusal.value) + refusal.value.value


@pytest.mark.parametrize("source", sources.names())
def test_a_url_ends_without_a_slash(source: str) -> None:
    profile = Profile.read({f"SOPHIA_{source.upper()}_URL": "https://vendor.example/"})
    with pytest.raises(InvalidSetting, match="matching regex"):
        profile.section(source, sources.module(source).Settings)
