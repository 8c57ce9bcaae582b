"""Somebody writes between the bot's look and its own write: it stops and says who, or goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest

from bot.clouds.kubernetes.objects import Cluster as ClusterPort
from bot.core.errors import TemporaryError, WorldMovedError
from bot.incident.plan import Step
from sandbox.cluster.base.resources import DEPLOYMENTS, SERVICES
from sandbox.cluster.base.types import Manifest
from strategies.database.writers import ScaleWritersParams
from strategies.registry import step_kind
from tests.strategies.support import NAMESPACE, Shop

Deed = Callable[[Shop], Any]


class Colleague:
    """The cluster with somebody who does something right before a patch of the bot arrives."""

    def __init__(self, shop: Shop, deed: Deed, *, times: int) -> None:
        self._shop, self._deed, self._times = shop, deed, times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._shop.world.cluster, name)

    async def patch(self, *args: Any, **options: Any) -> Manifest:
        if self._times and not options.get("dry_run"):
            self._times -= 1
            self._deed(self._shop)
        return await self._shop.world.cluster.patch(*args, **options)


async def act(shop: Shop, step: Step, deed: Deed, *, times: int = 1) -> None:
    colleague = cast(ClusterPort, Colleague(shop, deed, times=times))
    world = replace(shop.world, cluster=colleague)
    await step_kind(step.action.kind).act(step, world)


def change_image(shop: Shop) -> None:
    def image(deployment: Manifest) -> None:
        deployment["spec"]["template"]["spec"]["containers"][0]["image"] = "shop/payments:v1.9.0"

    shop.edit(shop.workload, "payments", image)


def scale(shop: Shop) -> None:
    shop.edit(DEPLOYMENTS, "payments", lambda one: one["spec"].update(replicas=7))


def label(shop: Shop) -> None:
    """Something that has nothing to do with the rollback."""

    def touch(manifest: Manifest) -> None:
        labels = manifest["metadata"].setdefault("labels", {})
        labels["touched"] = f"{int(labels.get('touched', '0')) + 1}"

    shop.edit(SERVICES, "checkout", touch)


def stop_writers() -> Step:
    params = ScaleWritersParams(
        namespace=NAMESPACE,
        deployment="payments",
        selector="app=payments",
        before=2,
        after=0,
        patience_seconds=5.0,
    )
    return Step.model_validate(
        {
            "title": "Stop payments",
            "action": {"kind": "scale-writers", "params": params.model_dump(mode="json")},
            "expects": {},
            "inverse": None,
            "command": "true",
            "estimate_seconds": 1.0,
        }
    )


async def test_a_writer_that_is_scaled_in_that_moment_is_left_alone_and_who_did_it_is_named(
    rolling: Shop,
) -> None:
    with pytest.raises(WorldMovedError, match=r"payments was scaled to 7 by kubectl-edit"):
        await act(rolling, stop_writers(), scale)


async def test_a_template_that_is_changed_in_that_moment_is_not_resumed_and_who_is_named(
    rolling: Shop,
) -> None:
    rolling.edit(DEPLOYMENTS, "payments", lambda one: one["spec"].update(paused=True))
    plan = await rolling.plan()
    await rolling.run(plan.steps[0])
    with pytest.raises(WorldMovedError, match=r"Deployment payments was changed by .*kubectl-edit"):
        await act(rolling, plan.steps[1], change_image)
    assert rolling.get(DEPLOYMENTS, "payments")["spec"]["paused"] is True


@pytest.mark.parametrize("shop", ["rolling", "stateful"], indirect=True)
async def test_a_template_that_is_changed_in_that_moment_is_not_overwritten_and_who_is_named(
    shop: Shop,
) -> None:
    step = (await shop.plan()).steps[0]
    assert step.action.kind == "revert-template"
    with pytest.raises(WorldMovedError, match=r"payments was changed by .*kubectl-edit"):
        await act(shop, step, change_image)
    assert shop.image() == "shop/payments:v1.9.0"


async def test_a_selector_that_is_changed_in_that_moment_is_not_overwritten_and_who_is_named(
    blue_green: Shop,
) -> None:
    def elsewhere(shop: Shop) -> None:
        selector = {"app": "checkout", "version": "green", "zone": "a"}
        shop.edit(SERVICES, "checkout", lambda one: one["spec"].update(selector=selector))

    step = (await blue_green.plan()).steps[1]
    with pytest.raises(WorldMovedError, match="kubectl-edit"):
        await act(blue_green, step, elsewhere)
    assert blue_green.selector()["zone"] == "a"


async def test_a_service_touched_in_that_moment_is_looked_at_again_and_switched(
    blue_green: Shop,
) -> None:
    step = (await blue_green.plan()).steps[1]
    await act(blue_green, step, label, times=2)
    assert blue_green.selector()["version"] == "blue"


async def test_who_never_lets_the_bot_come_between_is_named(blue_green: Shop) -> None:
    step = (await blue_green.plan()).steps[1]
    with pytest.raises(
        TemporaryError, match=r"faster than it can be written, last by .*kubectl-edit"
    ):
        await act(blue_green, step, label, times=99)
