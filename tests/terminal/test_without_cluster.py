"""A catalog that is all on AWS and flag services: the bot asks for no Kubernetes cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.catalog.catalog import Catalog
from bot.catalog.load import load_catalog
from bot.catalog.settings import Settings
from bot.clouds.kubernetes.objects import PODS
from bot.core.errors import ConfigurationError
from bot.entry.offline import onlooker

FLAG = "{strategy: feature-flag, provider: http, url: https://flags.example.com, flag: refunds}"
ROLLING = "{strategy: rolling, namespace: shop, deployment: checkout}"
WRITERS = (
    "{strategy: database, method: restore, database: shop, directory: /srv/dumps, "
    "writers: [{namespace: shop, deployment: checkout}]}"
)
PODS_METRICS = "{provider: pods, namespace: shop, selector: app=checkout, port: 8080}"


def catalog_with(tmp_path: Path, way: str, metrics: str = "null") -> Catalog:
    path = tmp_path / "rollback.yml"
    path.write_text(
        "people: {release_managers: [ben@example.com], on_call_leads: [ana@example.com]}\n"
        f"services: {{checkout: {{rollback: [{way}], metrics: {metrics}}}}}\n",
        encoding="utf-8",
    )
    return load_catalog(path)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nowhere"))
    return Settings(database_url=f"sqlite:///{tmp_path / 'bot.sqlite3'}")


async def test_a_flag_service_alone_needs_no_cluster_and_whoever_asks_for_one_is_told_why(
    tmp_path: Path, settings: Settings
) -> None:
    async with onlooker(settings, catalog_with(tmp_path, FLAG)) as context:
        cluster = context.world.cluster
        with pytest.raises(ConfigurationError, match="no service of the catalog is in one"):
            await cluster.list(PODS, "shop")
        with pytest.raises(ConfigurationError, match="start the bot anew"):
            async for _ in cluster.watch(PODS, "shop"):
                pass


@pytest.mark.parametrize(
    ("way", "metrics"),
    [(ROLLING, "null"), (WRITERS, "null"), (FLAG, PODS_METRICS)],
    ids=["a workload", "writers of a database", "metrics of pods"],
)
async def test_one_thing_in_a_cluster_is_enough_to_need_it(
    tmp_path: Path, settings: Settings, way: str, metrics: str
) -> None:
    catalog = catalog_with(tmp_path, way, metrics)
    with pytest.raises(ConfigurationError, match="no kubeconfig file"):
        async with onlooker(settings, catalog):
            pass
