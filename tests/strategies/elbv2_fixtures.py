"""The shop behind a load balancer as fixtures: moto's server once, the shop anew for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Literal, cast

import pytest

from bot.clouds.aws import BotoAws
from bot.clouds.commands import EnvironmentSecrets, LocalCommands
from bot.clouds.http import HttpClient
from bot.clouds.kubernetes.objects import Cluster
from bot.engine.world import World
from tests.strategies.elbv2_aws import Aws, HastyClock, serve
from tests.strategies.elbv2_shop import AwsShop, Premises, deploy, open_shop


@pytest.fixture(scope="module")
def account() -> Iterator[Aws]:
    yield from serve()


@pytest.fixture(scope="module")
def boto(account: Aws) -> Iterator[BotoAws]:
    """The bot's client, configured as in production by the environment."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in account.environment.items():
            patch.setenv(name, value)
        yield BotoAws()


@pytest.fixture(scope="module")
def premises(account: Aws) -> Premises:
    found = deploy(account)
    account.keep()
    return found


@pytest.fixture
def hasty_clock() -> HastyClock:
    return HastyClock()


@pytest.fixture
def aws_world(boto: BotoAws, hasty_clock: HastyClock) -> World:
    return World(
        cluster=cast(Cluster, None),  # there is none: whatever reached for it would fail
        http=HttpClient(),
        aws=boto,
        commands=LocalCommands(),
        secrets=EnvironmentSecrets(),
        clock=hasty_clock,
    )


@pytest.fixture
def opened(
    account: Aws, aws_world: World, hasty_clock: HastyClock, premises: Premises
) -> Callable[[str], AwsShop]:
    """Opens the shop anew."""

    def opening(kind: str) -> AwsShop:
        account.reset()
        shop = open_shop(
            account, aws_world, hasty_clock, premises, cast(Literal["listener", "rule"], kind)
        )
        hasty_clock.meanwhile.append(figures_of(shop))
        return shop

    return opening


def figures_of(shop: AwsShop) -> Callable[[datetime], None]:
    published: set[datetime] = set()

    def arrive(now: datetime) -> None:
        """Every minute so far, some time after its end: everything goes to blue."""
        minute = now.replace(second=0, microsecond=0) - timedelta(minutes=2)
        if minute not in published:
            shop.aws.publish(shop.groups["blue"], minute, 20)
        published.add(minute)

    return arrive


@pytest.fixture(params=["listener", "rule"])
def either_place(request: pytest.FixtureRequest, opened: Callable[[str], AwsShop]) -> AwsShop:
    """Green is live, by a listener's default action or by a rule."""
    return opened(request.param)


@pytest.fixture
def listener_shop(opened: Callable[[str], AwsShop]) -> AwsShop:
    """Green is live by a listener's default action."""
    return opened("listener")


@pytest.fixture
def rule_shop(opened: Callable[[str], AwsShop]) -> AwsShop:
    return opened("rule")
