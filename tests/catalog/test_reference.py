"""The reference and the schema of the catalog are those of the models, and hold for catalogs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from bot.catalog.catalog import Catalog
from bot.catalog.reference import catalog_reference, catalog_schema, described, models

ROOT = Path(__file__).parents[2]
SCHEMA = catalog_schema()


def problems(catalog: Any) -> list[str]:
    return [error.message for error in jsonschema.Draft202012Validator(SCHEMA).iter_errors(catalog)]


def example() -> Any:
    return yaml.safe_load((ROOT / "examples" / "rollback.yml").read_text(encoding="utf-8"))


def test_the_published_files_are_made_of_the_present_models() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    schema = json.loads((ROOT / "docs" / "rollback.schema.json").read_text(encoding="utf-8"))
    assert (page, schema) == (catalog_reference(), SCHEMA), "run “make docs”"


def test_the_schema_is_one_and_accepts_the_example() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert problems(example()) == []
    Catalog.model_validate(example())


def test_a_mistyped_key_and_a_wrong_duration_are_marked_in_the_editor() -> None:
    mistyped, wrong = example(), example()
    mistyped["services"]["checkout"]["health_pth"] = "/health"
    wrong["updates"]["every"] = "ten minutes"
    assert any("health_pth" in text for text in problems(mistyped))
    assert any("ten minutes" in text for text in problems(wrong))


def test_every_key_is_explained() -> None:
    # What these mean is said once, by the strategy's or the provider's own page.
    plain = {"namespace", "strategy", "provider", "kind", "method", "traffic", "region", "flag"}
    silent = {
        model.__name__: missing
        for model in models()
        if (missing := set(model.model_fields) - set(described(model)) - plain)
    }
    assert silent == {}


def test_durations_stand_in_it_as_people_write_them() -> None:
    verification = SCHEMA["$defs"]["Verification"]["properties"]
    assert verification["checkpoints"]["default"] == ["2m", "5m", "10m"]
    assert "PT" not in json.dumps([part.get("default") for part in verification.values()])
