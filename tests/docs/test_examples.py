"""Every piece of a catalog that the documentation shows is one that the bot would take.

A block says by its top-level keys where it belongs. Where they cannot tell, a comment on the line
before the block does: ``<!-- in services.checkout.metrics -->`` for a piece of something, and
``<!-- not a catalog -->`` for another file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from bot.catalog.catalog import Catalog
from bot.catalog.load import load_catalog
from bot.catalog.metrics import METRICS
from bot.catalog.service import ServiceEntry
from bot.catalog.target import STRATEGIES
from bot.incident.external import DESTINATIONS
from strategies.canary.target import CanaryTarget
from strategies.feature_flag.target import FLAGS
from tests.docs.pages import ROOT, Block, pages

BLOCKS = [block for page in pages() for block in page.blocks() if block.kind == "yaml"]
EXAMPLES = sorted((ROOT / "examples").glob("*.yml"))
ELSEWHERE = "not a catalog"
AROUND: dict[str, Any] = {
    "services": {
        "checkout": {
            "url": "https://checkout.example.com/",
            "rollback": [
                {
                    "strategy": "blue-green",
                    "namespace": "shop",
                    "service": "checkout",
                    "deployments": {"blue": "checkout-blue", "green": "checkout-green"},
                }
            ],
        },
        "payments": {
            "rollback": [{"strategy": "rolling", "namespace": "shop", "deployment": "payments"}]
        },
    },
    "people": {"release_managers": ["U012AB3CD"]},
    "destinations": {
        "team": {
            "kind": "email",
            "audience": "stakeholders",
            "host": "smtp.example.com",
            "from": "status@example.com",
            "to": ["team@example.com"],
        }
    },
}
"""What a piece is put into."""


def _place_of(block: Block, content: dict[str, Any]) -> list[str]:
    if block.note:
        assert block.note.startswith("in "), f"{block.place}: what does “{block.note}” mean?"
        return block.note.removeprefix("in ").split(".")
    if set(content) <= set(Catalog.model_fields):
        return []
    strange = set(content) - set(ServiceEntry.model_fields)
    assert not strange, f"{block.place}: mark where {', '.join(sorted(strange))} belongs"
    return ["services", "checkout"]


def _merged(below: Any, above: Any) -> Any:
    if isinstance(below, dict) and isinstance(above, dict):
        both = {key: _merged(below.get(key), value) for key, value in above.items()}
        return {**below, **both}
    return above


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.place)
def test_what_the_documentation_shows_can_be_used(block: Block) -> None:
    content = yaml.safe_load(block.text)
    if block.note == ELSEWHERE:
        return
    for key in reversed(_place_of(block, content)):
        content = {key: content}
    Catalog.model_validate(_merged(AROUND, content))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_can_be_used(path: Path) -> None:
    load_catalog(path)


def _words(union: Any, key: str) -> set[str]:
    kinds = get_args(get_args(union)[0])
    return {word for kind in kinds for word in get_args(kind.model_fields[key].annotation)}


def test_one_example_shows_everything_there_is() -> None:
    catalog = load_catalog(ROOT / "examples" / "everything.yml")
    targets = [target for entry in catalog.services.values() for target in entry.rollback]
    told = [target.model_dump() for target in targets]
    assert {one["strategy"] for one in told} == set(STRATEGIES.names)
    assert {one["method"] for one in told if "method" in one} == {
        "sql-migrations",
        "alembic",
        "restore",
        "rds",
    }
    assert {one["provider"] for one in told if "provider" in one} == set(FLAGS.names)
    assert {one["traffic"] for one in told if "traffic" in one} == _words(CanaryTarget, "traffic")
    measured = [entry.metrics for entry in catalog.services.values() if entry.metrics]
    assert {one.provider for one in measured} == set(METRICS.names)
    assert {one.kind for one in catalog.destinations.values()} == set(DESTINATIONS.names)
    assert Catalog.model_fields.keys() == catalog.model_fields_set


def test_every_key_of_a_service_is_shown_somewhere() -> None:
    catalog = load_catalog(ROOT / "examples" / "everything.yml")
    shown = {key for entry in catalog.services.values() for key in entry.model_fields_set}
    assert shown == set(ServiceEntry.model_fields)
