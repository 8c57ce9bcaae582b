"""Moto's server once, the shop's instance anew for each test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest

from bot.clouds.aws import BotoAws
from bot.clouds.commands import EnvironmentSecrets, LocalCommands
from bot.clouds.http import HttpClient
from bot.clouds.kubernetes.objects import Cluster
from bot.engine.world import World
from tests.strategies.database.conftest import server
from tests.strategies.rds.region import PresentClock, Region, serve
from tests.strategies.rds.shop import RdsShop, deploy, open_shop

__all__ = ["server"]  # the fixture of the database tests


@pytest.fixture(scope="package")
def region() -> Iterator[Region]:
    yield from serve()


@pytest.fixture(scope="package")
def rds_boto(region: Region) -> Iterator[BotoAws]:
    """The bot's client, configured as in production by the environment."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in region.environment.items():
            patch.setenv(name, value)
        yield BotoAws()


@pytest.fixture(scope="package")
def key(region: Region) -> str:
    """The key that the instance's storage is encrypted with; the instance is made as well."""
    key = str(region.client("kms").create_key()["KeyMetadata"]["Arn"])
    deploy(region, key)
    region.keep()
    return key


@pytest.fixture
def shop(region: Region, rds_boto: BotoAws, key: str) -> RdsShop:
    clock = PresentClock()
    world = World(
        cluster=cast(Cluster, None),  # there is none: whatever reached for it would fail
        http=HttpClient(),
        aws=rds_boto,
        commands=LocalCommands(),
        secrets=EnvironmentSecrets(),
        clock=clock,
    )
    return open_shop(region, world, clock, key)
