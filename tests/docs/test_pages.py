"""What the pages lead to and name is there: files, headings, commands, options, variables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from pydantic import AliasChoices

from bot.catalog.settings import Settings
from bot.catalog.target import STRATEGIES
from bot.cli.main import cli
from handlers.commands import SUBCOMMANDS
from tests.docs.pages import ROOT, Page, page, pages

README = page("README.md")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
OURS = ("bot/", "deploy/", "docs/", "examples/", "sandbox/", "strategies/", "tests/")
THEIR_OPTIONS = {"--exit-on-error", "--inserts", "--sql"}
"""Of pg_restore, pg_dump and Alembic."""
READ_BY_OTHERS = {"KUBECONFIG"}
"""Variables in the table that libraries read, and not our settings."""
EVERY = pytest.mark.parametrize("one", pages(), ids=lambda one: one.name)


GROUP: Any = typer.main.get_command(cli)
COMMANDS: dict[str, Any] = GROUP.commands
OPTIONS = {name: {o for p in one.params for o in p.opts} for name, one in COMMANDS.items()}


def _typed(one: Page) -> Iterator[str]:
    """Every shell command of ours, as the page shows it."""
    shell = [block.text for block in one.blocks() if block.kind == "sh"]
    lines = [line for text in shell for line in text.split("\n")]
    for text in (*one.spans(), *lines):
        found = re.match(r"(?:\$ )?(?:\S*/)?rollback-bot ([a-z-][^#|>]*)", text.strip())
        if found:
            yield found[1].strip()


@EVERY
def test_every_link_leads_to_something(one: Page) -> None:
    for target in LINK.findall(one.text):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        aim = (one.path.parent / path).resolve() if path else one.path
        assert aim.exists(), f"{one.name}: {target}"
        if anchor:
            known = Page(path=aim, text=aim.read_text(encoding="utf-8")).anchors
            assert anchor in known, f"{one.name}: {target}"


@EVERY
def test_every_file_that_is_named_is_there(one: Page) -> None:
    for span in one.spans():
        if span.startswith(OURS) and re.fullmatch(r"[\w./-]+", span):
            assert (ROOT / span).exists(), f"{one.name}: {span}"


@EVERY
def test_every_command_and_option_exists(one: Page) -> None:
    for text in _typed(one):
        name, *rest = text.split()
        assert name in COMMANDS or name.startswith("-"), f"{one.name}: rollback-bot {text}"
        options = set(re.findall(r"(?<![\w-])--[a-z-]+", " ".join(rest)))
        assert options <= OPTIONS[name], f"{one.name}: rollback-bot {text}"


@EVERY
def test_every_option_that_is_named_alone_exists(one: Page) -> None:
    known = THEIR_OPTIONS.union(*OPTIONS.values())
    for span in one.spans():
        if re.match("--[a-z]", span):
            assert span.split()[0] in known, f"{one.name}: {span}"


@EVERY
def test_every_make_target_exists(one: Page) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    shown = [*one.spans(), *(line for b in one.blocks() for line in b.text.split("\n"))]
    for text in shown:
        if found := re.search(r"(?:^|\s)make ([a-z-]+)", text):
            assert found[1] in targets, f"{one.name}: {text}"


def test_the_readme_shows_every_command() -> None:
    assert {text.split()[0] for text in _typed(README)} == set(COMMANDS)


def _first_cells(heading: str) -> list[str]:
    """The first cell of every row of the first table below a line of the README."""
    table = README.text.partition(heading)[2].partition("\n| --- ")[2].partition("\n\n")[0]
    return [row.split("|")[1].strip() for row in table.splitlines()[1:]]


def test_the_readme_has_every_variable_and_no_other() -> None:
    ours: set[Any] = set()
    for field in Settings.model_fields.values():
        alias = field.validation_alias
        ours |= set(alias.choices) if isinstance(alias, AliasChoices) else {alias}
    told = {name for cell in _first_cells("| variable ") for name in re.findall(r"`(\w+)`", cell)}
    assert told == ours | READ_BY_OTHERS


def test_the_readme_has_every_word_that_can_follow_the_slash_command() -> None:
    usages = {f"`/rollback {known.usage}`" for known in SUBCOMMANDS.values()}
    assert set(_first_cells("## Use it")) == usages | {"`/rollback`", "`/rollback checkout`"}


def test_every_decision_stands_in_the_index() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = LINK.findall(page("docs/decisions/README.md").text)
    assert listed == sorted(path.name for path in folder.glob("0*.md"))


def test_every_strategy_has_a_page_with_its_rights_and_its_limits() -> None:
    linked = set(LINK.findall(page("docs/strategies.md").text))
    for name in STRATEGIES.names:
        assert f"strategies/{name}.md" in linked
        text = page(f"docs/strategies/{name}.md").text
        assert "\n## Rights\n" in text, name
        assert "\n## What it cannot undo" in text, name
        assert "\n## By hand\n" in text, name


def test_every_page_can_be_found_from_the_readme() -> None:
    found, ahead = {README.path}, [README]
    while ahead:
        one = ahead.pop()
        for target in LINK.findall(one.text):
            aim = (one.path.parent / target.partition("#")[0]).resolve()
            if aim.suffix == ".md" and aim.exists() and aim not in found:
                found.add(aim)
                ahead.append(page(str(aim.relative_to(ROOT))))
    assert {one.path for one in pages()} == found
