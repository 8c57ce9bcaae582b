"""Does the live schema fit the release that the rollback went to? Asked of a real PostgreSQL."""

from __future__ import annotations

from typing import cast

from bot.engine.world import KnowsSchema, SchemaFit
from strategies.registry import strategy
from tests.strategies.database.support import Shop

RELEASES = {"v1.0.9": "0039", "v1.9.0": "0041", "v2.0.0": "0042", "v3.0.0": "0050"}


async def _fit(shop: Shop, release: str) -> SchemaFit:
    shop.changes["releases"] = RELEASES
    chosen = cast("KnowsSchema", strategy("database"))
    assert isinstance(chosen, KnowsSchema)
    return await chosen.schema_fits(shop.service, shop.world, release=release)


async def test_a_release_of_the_live_schema_fits(shop: Shop) -> None:
    fit = await _fit(shop, "2.0.0")
    assert fit.fits is True
    assert "is at schema 0042; 2.0.0 was written for schema 0042." in fit.evidence[0]


async def test_an_older_release_does_not_fit_what_a_newer_migration_forbids_it(shop: Shop) -> None:
    fit = await _fit(shop, "v1.9.0")
    assert fit.fits is False
    assert any("LOWER_CASE" in one.upper() for one in fit.evidence)


async def test_a_schema_that_a_release_needs_and_that_is_not_there_does_not_fit(shop: Shop) -> None:
    fit = await _fit(shop, "v3.0.0")
    assert fit.fits is False
    assert "lacks schema 0050" in fit.evidence[0]


async def test_a_schema_that_was_applied_without_its_files_at_hand_cannot_be_judged(
    shop: Shop,
) -> None:
    shop.sql("INSERT INTO schema_migrations (version) VALUES ('0039')")
    fit = await _fit(shop, "v1.0.9")
    assert fit.fits is None
    assert "do not tell what was done since schema 0039" in fit.evidence[0]


async def test_data_that_a_check_finds_corrupted_do_not_fit(shop: Shop) -> None:
    shop.sql("DELETE FROM oauth_tokens; DELETE FROM users WHERE id = 5")
    fit = await _fit(shop, "v2.0.0")
    assert fit.fits is False
    assert any("users with e-mail" in one for one in fit.evidence)


async def test_a_release_whose_schema_nobody_named_cannot_be_judged(shop: Shop) -> None:
    fit = await _fit(shop, "v1.0.0")
    assert fit.fits is None
    assert "does not say for which schema v1.0.0 was written" in fit.evidence[0]
