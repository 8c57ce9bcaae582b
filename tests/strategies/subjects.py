"""Every strategy with the bad release live, as the one suite over all of them sees it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from bot.catalog.service import ServiceEntry
from bot.engine.world import World
from bot.incident.plan import Plan, Step
from bot.incident.state import Undoing
from bot.incident.transitions import undo_steps
from sandbox.cluster.base.requests import RecordedRequest
from sandbox.cluster.base.resources import DEPLOYMENTS
from sandbox.cluster.base.types import Manifest
from strategies.blue_green_elbv2.listener import comparable
from strategies.composed.strategy import ComposedTarget
from strategies.registry import step_kind
from tests.strategies import argo_shop, canary_shop, flagger_shop
from tests.strategies.elbv2_shop import AwsShop, weighted
from tests.strategies.flag_services.shop import FlagShop
from tests.strategies.flagger_shop import Gate
from tests.strategies.support import Shop


class Planned(Protocol):
    """What all the shops of these tests have."""

    @property
    def world(self) -> World: ...
    @property
    def service(self) -> ServiceEntry: ...
    async def plan(self) -> Plan: ...
    async def run(self, step: Step) -> str: ...


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A shop, and how to look at it from outside."""

    shop: Planned
    live: Callable[[], Awaitable[object]]
    """What the strategy changes, as it is now, without what changes by itself."""
    changes: Callable[[], int]
    """How many requests of the bot could have changed something so far."""
    sabotage: Callable[[Plan], object]
    """Somebody else changes what this plan was decided upon."""
    rolled_back: Callable[[], Awaitable[bool]]
    """Whether users are served by the target release."""
    at_most: int | None = None
    """So many changes a run may make; None for one a step that changes something."""
    restores: bool = True
    """Whether the plan can be taken back."""
    settled: Callable[[], Awaitable[object]] | None = None
    """Waits for the other side, for example a controller, after an undo."""
    asked: Callable[[], Sequence[RecordedRequest]] = tuple
    """What the bot has asked of the cluster so far."""

    async def kill_and_run(self, plan: Plan) -> None:
        """Every step is killed before its effect and after it, and run by another process."""
        for number, step in enumerate(plan.steps):
            kind = step_kind(step.action.kind)
            await kind.observe(step, self.shop.world)  # killed before acting
            if step.changes:
                await kind.act(step, self.shop.world)  # killed before confirming
            await self.shop.run(reloaded(plan).steps[number])

    async def run_all(self, plan: Plan) -> None:
        for step in plan.steps:
            await self.shop.run(step)

    async def undo(self, plan: Plan) -> None:
        """As the pipeline does it."""
        done = tuple(index for index, step in enumerate(plan.steps) if step.changes)
        for step in undo_steps(Undoing(plan=plan, done=done)):
            await self.shop.run(step)
        if self.settled:
            await self.settled()


def not_checked(plan: Plan, requests: Sequence[RecordedRequest]) -> set[str]:
    """Rights that these requests take and the plan has not asked for."""
    said = " ".join(one.sentence for one in plan.preflights if one.name.endswith("Rights"))
    granted = {
        f"{verb} {resource}"
        for verbs, resource in re.findall(r"((?:[a-z]+, )*[a-z]+) ([a-z/]+)(?:;| in name)", said)
        for verb in verbs.split(", ")
    }
    return {f"{one.verb} {_resource(one)}" for one in requests} - granted


def not_tried(planned: Sequence[RecordedRequest], run: Sequence[RecordedRequest]) -> set[str]:
    """Objects that were changed or deleted without a dry run before the approval."""
    tried = {(_resource(one), one.name) for one in planned if one.dry_run}
    changing = {"patch", "delete"}
    written = {(_resource(one), one.name) for one in run if one.mutates and one.verb in changing}
    return {f"{resource} {name}" for resource, name in written - tried}


def _resource(request: RecordedRequest) -> str:
    part = f"/{request.subresource}" if request.subresource else ""
    return f"{request.gvr.resource}{part}"


def reloaded(plan: Plan) -> Plan:
    """The plan as another process reads it from the journal."""
    return Plan.model_validate_json(plan.model_dump_json())


def in_cluster(shop: Shop, **more: Any) -> Subject:
    """Blue-green and rolling."""

    async def rolled_back() -> bool:
        return await shop.serving_release() == "v2.0.0"

    given = {
        "live": shop.live,
        "changes": lambda: len(shop.changes()),
        "sabotage": lambda plan: shop.sabotage(),
        "rolled_back": rolled_back,
        "asked": lambda: [
            one for one in shop.cluster.server.requests if one.user == "rollback-bot"
        ],
        **more,
    }
    return Subject(shop=shop, **given)


def split_traffic(shop: Shop) -> Subject:
    """A canary whose traffic the bot itself takes away."""

    async def live() -> object:
        return canary_shop.state(shop)

    return in_cluster(shop, live=live, sabotage=lambda plan: canary_shop.sabotage(shop))


def argo(shop: Shop) -> Subject:
    """A canary that Argo Rollouts keeps."""

    async def live() -> object:
        return shop.get(argo_shop.ROLLOUTS, "checkout")["spec"]

    async def begun_again() -> None:
        await shop.cluster.until(lambda: argo_shop.status(shop)["currentPodHash"] == argo_shop.NEW)

    def promoted(plan: Plan) -> None:
        argo_shop.ArgoRollouts(shop.cluster).report(stableRS=argo_shop.NEW)

    return in_cluster(shop, live=live, sabotage=promoted, settled=begun_again)


def flagger(shop: Shop, gate: Gate) -> Subject:
    """A canary that Flagger analyses: the gate is all that the bot changes."""

    async def live() -> object:
        return sorted(gate.opened)

    def promoted(plan: Plan) -> None:
        flagger_shop.report(shop.cluster, phase="Finalising")

    return in_cluster(
        shop, live=live, sabotage=promoted, restores=False, changes=lambda: gate.changes
    )


def load_balancer(shop: AwsShop) -> Subject:
    """Target groups of an Application Load Balancer."""

    async def live() -> object:
        return comparable(shop.aws.actions())

    async def rolled_back() -> bool:
        return shop.weights() == {"green": 0, "blue": 1}

    def split(plan: Plan) -> None:
        shop.modify(weighted({shop.groups["green"]: 70, shop.groups["blue"]: 30}))

    return Subject(
        shop=shop,
        live=live,
        changes=lambda: len(shop.aws.writes()),
        sabotage=split,
        rolled_back=rolled_back,
    )


def recreated(shop: Shop) -> Subject:
    """A Deployment that is stopped and started with its old manifest."""

    async def live() -> object:
        spec = shop.get(DEPLOYMENTS, "payments")["spec"]
        return [spec["replicas"], spec["template"]]

    def other_image(deployment: Manifest) -> None:
        containers = deployment["spec"]["template"]["spec"]["containers"]
        containers[0]["image"] = "shop/payments:v1.9.0"

    return in_cluster(
        shop, live=live, sabotage=lambda plan: shop.edit(DEPLOYMENTS, "payments", other_image)
    )


def flag(shop: FlagShop) -> Subject:
    """A feature flag, whatever service keeps it."""

    async def live() -> object:
        return shop.flags.state

    async def rolled_back() -> bool:
        return not shop.flags.is_on

    return Subject(
        shop=shop,
        live=live,
        changes=lambda: len(shop.flags.changes),
        sabotage=lambda plan: shop.flags.edit(),
        rolled_back=rolled_back,
    )


def composed(shop: Shop, flags: FlagShop) -> Subject:
    """A flag and a Service's selector in one plan."""
    both = ComposedTarget(strategy="composed", parts=("feature-flag", "blue-green"))
    rollback = (both, *flags.service.rollback, *shop.service.rollback)
    entry = shop.service.model_copy(
        update={"rollback": rollback, "url": flags.service.url, "version_path": None}
    )
    whole = replace(shop, strategy="composed", service=entry)

    async def live() -> object:
        return [flags.flags.state, shop.selector()]

    async def rolled_back() -> bool:
        return not flags.flags.is_on and await shop.serving_release() == "v2.0.0"

    return Subject(
        shop=whole,
        live=live,
        changes=lambda: len(flags.flags.changes) + len(shop.changes()),
        sabotage=lambda plan: flags.flags.edit(),
        rolled_back=rolled_back,
    )
