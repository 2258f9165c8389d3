"""Every command of the pages runs, and prints what its page shows: over a real sandbox, broker and worker.

A ```console block's commands (`$ `) and a ```bash block's lines are run in a shell, a ```python block as a script, a
```sql block is asked of the warehouse, all in the order of the page. What can't be run here is in NOT_RUN or ELSEWHERE
with its reason.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from cli import local
from cli.main import app
from resources.broker import free_port
from resources.profile import Profile
from resources.warehouse import dialect, open_warehouse
from tests import pages
from tests.cli.test_mistakes import environment
from tests.pages import PROJECT, Block, Command

ELSEWHERE = {"docs/add-a-source.md": "tests/test_docs_add_a_source.py runs it, in a copy that has the source"}
NOT_RUN = {"make": "installs, or takes minutes; that the target exists is checked"}
"""How a command begins → why it is not run here."""
MAY_BE_WRONG = ("sophia doctor",)
"""Ends with 1 where anything is wrong, and no Dagster daemon runs here."""
SANDBOX = "127.0.0.1:18765"
"""Where the pages have it, its default."""
RUN = ("bash", "console", "python", "sql")

PAGES = [
    page
    for page in pages.pages()
    if page not in ELSEWHERE and any(block.language in RUN for block in pages.blocks(page))
]
COMMANDS = [command for page in PAGES for block in pages.blocks(page) for command in pages.commands(block)]
COMMAND_LINE = typer.main.get_command(app)


def begins(text: str, starts: tuple[str, ...] | dict[str, str]) -> bool:
    return any(f"{text} ".startswith(f"{start} ") for start in starts)


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a shell with `sophia` on its path, in a home that has been loaded once."""
    own = environment(
        tmp_path_factory.mktemp("docs") / "var",
        SOPHIA_SANDBOX_PORT=str(free_port()),
        SOPHIA_KAFKA_BOOTSTRAP=f"127.0.0.1:{free_port()}",
        SOPHIA_KAFKA_SESSION_TIMEOUT_S="2",
        PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        COLUMNS="120",
    )
    environ = local.environment(Profile.read(own)) | own
    profile = Profile.read(environ)
    local.prepare_home(profile)
    environ["DAGSTER_HOME"] = str(local.prepare_dagster(profile))
    with local.platform(profile, environ, local.World(scale=0.15)):
        for command in ("sophia migrate apply", "sophia run"):
            subprocess.run(command.split(), env=environ, cwd=PROJECT, check=True, capture_output=True)
        yield environ


@pytest.mark.long
@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_says_to_do_works(page: str, shell: dict[str, str]) -> None:
    for block in pages.blocks(page):
        if block.language == "sql":
            ask(block, shell)
        if block.language == "python":
            subprocess.run([sys.executable, "-c", block.text], env=shell, cwd=PROJECT, check=True, timeout=180)
        for command in pages.commands(block):
            if not begins(command.text, NOT_RUN):
                run(command, shell)


def run(command: Command, shell: dict[str, str]) -> None:
    text = command.text.replace(SANDBOX, f"127.0.0.1:{shell['SOPHIA_SANDBOX_PORT']}")
    done = subprocess.run(["bash", "-c", text], env=shell, cwd=PROJECT, capture_output=True, text=True, timeout=180)
    told = f"{command.where}: {command.text}\n{done.stdout}{done.stderr}"
    assert done.returncode == 0 or begins(command.text, MAY_BE_WRONG), told
    assert pages.matches(command.printed, done.stdout), told


def ask(block: Block, shell: dict[str, str]) -> None:
    with open_warehouse(Profile.read(shell)) as warehouse:
        for statement in dialect.split(block.text):
            warehouse.query(statement) if statement.startswith("SELECT") else warehouse.execute(statement)


def test_every_reason_not_to_run_is_needed() -> None:
    assert [start for start in NOT_RUN if not any(begins(command.text, (start,)) for command in COMMANDS)] == []
    assert [page for page in ELSEWHERE if page not in pages.pages()] == []


def test_every_make_target_exists() -> None:
    named = {command.text for command in COMMANDS} | {w for page in pages.pages() for w in pages.in_backticks(page)}
    for target in {command.split()[1] for command in named if re.match("make [a-z]", command)}:
        subprocess.run(["make", "--dry-run", target], cwd=PROJECT, check=True, capture_output=True)


@pytest.mark.parametrize("page", pages.pages())
def test_every_command_of_ours_exists_with_its_options(page: str) -> None:
    """In backticks and tables too, where options stand in brackets: `sophia demo [--data DIR]`."""
    named = [c.text for block in pages.blocks(page) for c in pages.commands(block)] + pages.in_backticks(page)
    for text in named:
        if re.match("sophia [a-z]", text):
            words = re.findall(r"[a-z]+(?= |$)", re.sub(r"\[[^]]*\]|\"[^\"]*\"", "", text))[1:]
            command = COMMAND_LINE
            for word in words:
                command = getattr(command, "commands", {}).get(word, command)
            assert command is not COMMAND_LINE, f"{text}: no such command"
            known = {option for parameter in command.params for option in parameter.opts}
            assert set(re.findall(r"--[a-z-]+", text)) <= known, text
