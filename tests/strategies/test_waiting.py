"""A wait ends: with its state, or when nothing new has happened for as long as was promised."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import count
from typing import Any, cast

import pytest

from bot.clouds.kubernetes.objects import PODS, Change, Cluster, Manifest
from bot.core.errors import PermanentError
from bot.engine.world import World
from strategies.common.waiting import Objects, Pending, Selection, wait_until
from tests.strategies.elbv2_aws import HastyClock


class Flapping:
    """A pod that is ready at every other look."""

    def __init__(self) -> None:
        self.looks = count()

    async def list(self, *args: Any, **options: Any) -> tuple[Manifest, ...]:
        ready = next(self.looks) % 2
        return ({"metadata": {"name": "payments-1"}, "status": {"ready": ready}},)

    async def watch(self, *args: Any, **options: Any) -> AsyncIterator[Change]:
        await asyncio.Event().wait()
        yield Change(type="ADDED", manifest={})


async def test_a_pod_that_flaps_is_no_progress_and_does_not_prolong_the_wait(
    aws_world: World, hasty_clock: HastyClock
) -> None:
    world = replace(aws_world, cluster=cast(Cluster, Flapping()))
    begun = hasty_clock.now()

    def check(objects: Objects) -> Pending | str:
        ready = objects[0][0]["status"]["ready"]
        return Pending(summary=f"{ready} of 1 pods available", progress=str(ready))

    pods = Selection(kind=PODS, namespace="shop")
    with pytest.raises(PermanentError, match=r"No progress for 10 min: \d of 1 pods available"):
        await wait_until(world, [pods], check, patience_seconds=600)
    assert (hasty_clock.now() - begun).total_seconds() < 700
