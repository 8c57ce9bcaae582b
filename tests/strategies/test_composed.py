"""Composed: the parts' plans in one, the cheapest and most reversible first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from bot.catalog.catalog import Catalog
from bot.catalog.service import ServiceEntry
from bot.core.errors import ConfigurationError, RefusedError
from bot.engine.world import Evidence, Instance, Observation, Peer, Strategy, World
from bot.incident.plan import Plan, Preflight, PreflightVerdict, Step, StepSpec
from strategies.composed.strategy import Composed, ComposedTarget
from strategies.registry import strategy

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NOWHERE = cast("World", None)
SERVICE = ServiceEntry.model_validate(
    {
        "rollback": [
            {"strategy": "composed", "parts": ["database", "rolling", "feature-flag"]},
            {"strategy": "rolling", "namespace": "shop", "deployment": "payments"},
        ]
    }
)


class Part:
    """A strategy with one step; it can refuse, lose data, ask for a second person."""

    def __init__(self, name: str, *, refuses: str = "", **plan: Any) -> None:
        self.name = name
        self.cost = strategy(name).cost
        self.moves_users = strategy(name).moves_users
        self.refuses = refuses
        self.asked_for: str | None = "never asked"
        self._plan = plan

    async def observe(self, service: ServiceEntry, world: World) -> Observation:
        return Observation(live_release=f"{self.name} live", candidates=(), summary=self.name)

    async def plan(
        self,
        name: str,
        service: ServiceEntry,
        world: World,
        *,
        target: str | None,
        marked_bad: frozenset[str],
        known_good: Sequence[str],
    ) -> Plan:
        self.asked_for = target
        self.remembered = (marked_bad, tuple(known_good))
        if self.refuses:
            raise RefusedError(self.refuses, "Look elsewhere.")
        spec = StepSpec(kind=self.name, params={})
        step = Step(
            title=self.name,
            action=spec,
            expects={},
            inverse=spec,
            command=self.name,
            estimate_seconds=1,
        )
        return Plan(
            service=name,
            strategy=self.name,
            from_release=f"{self.name} new",
            to_release=f"{self.name} old",
            steps=(step,),
            preflights=(
                Preflight(name="Rights", verdict=PreflightVerdict.PASS, sentence="All there."),
            ),
            version_after=None if self.moves_users else "",
            observed_at=NOON,
            **self._plan,
        )

    async def instances(self, service: ServiceEntry, world: World) -> tuple[Instance, ...]:
        return (Instance(namespace="shop", name=self.name, release="v2", ready=True),)

    async def evidence(
        self, service: ServiceEntry, world: World, *, release: str
    ) -> tuple[Evidence, ...]:
        return (Evidence(name="log", text=self.name),)


class Parts(dict[str, Part]):
    """The three parts of the service, changed where a test says so."""

    def __init__(self, **changed: Part) -> None:
        names = ("database", "rolling", "feature-flag")
        super().__init__({name: Part(name) for name in names})
        self.update({name.replace("_", "-"): part for name, part in changed.items()})

    async def planned(self, target: str | None = None) -> Plan:
        return await self.composed().plan(
            "payments",
            SERVICE_OF_ALL,
            NOWHERE,
            target=target,
            marked_bad=frozenset(),
            known_good=(),
        )

    def composed(self) -> Composed:
        return Composed(lambda name: cast("Strategy", self[name]))


class _AllBeside:
    """A target that only has a name."""

    def __init__(self, strategy: str) -> None:
        self.strategy = strategy


SERVICE_OF_ALL = SERVICE.model_copy(
    update={
        "rollback": (
            SERVICE.rollback[0],
            *(_AllBeside(name) for name in ("database", "rolling", "feature-flag")),
        )
    }
)


async def test_flag_then_application_then_database() -> None:
    plan = await Parts().planned()
    assert [step.title for step in plan.steps] == ["feature-flag", "rolling", "database"]
    assert (plan.from_release, plan.to_release) == ("rolling new", "rolling old")
    assert plan.preflights[0].name == "feature-flag: Rights"


async def test_a_part_with_nothing_to_do_is_left_out_and_named() -> None:
    plan = await Parts(database=Part("database", refuses="The schema fits both.")).planned()
    assert [step.title for step in plan.steps] == ["feature-flag", "rolling"]
    assert plan.preflights[0].sentence == "Left out: The schema fits both."


async def test_nothing_to_do_anywhere_is_refused_with_every_reason() -> None:
    refusing = {name: Part(name, refuses=f"{name} is fine.") for name in Parts()}
    with pytest.raises(RefusedError, match=r"feature-flag is fine.*database is fine"):
        await Parts(**refusing).planned()


async def test_a_release_that_was_asked_for_concerns_the_main_part_alone() -> None:
    parts = Parts()
    await parts.planned(target="v1.9.0")
    assert parts["rolling"].asked_for == "v1.9.0"
    assert parts["database"].asked_for is None


async def test_a_release_that_the_main_part_does_not_have_is_refused() -> None:
    parts = Parts(rolling=Part("rolling", refuses="There is no v0.1."))
    with pytest.raises(RefusedError, match=r"There is no v0\.1"):
        await parts.planned(target="v0.1")


async def test_what_one_part_demands_the_whole_plan_demands() -> None:
    losing = Part(
        "database",
        data_loss="7 rows of orders.",
        downtime="About a minute.",
        approvers=2,
        typed_confirmation="shop",
        not_reversible=("the rows",),
    )
    plan = await Parts(database=losing).planned()
    assert (plan.data_loss, plan.downtime) == ("7 rows of orders.", "About a minute.")
    assert (plan.approvers, plan.typed_confirmation) == (2, "shop")
    assert plan.not_reversible == ("the rows",)


async def test_replicas_are_the_main_part_s_and_evidence_is_everybody_s() -> None:
    composed = Parts().composed()
    (replica,) = await composed.instances(SERVICE_OF_ALL, NOWHERE)
    assert replica.name == "rolling"
    kept = await composed.evidence(SERVICE_OF_ALL, NOWHERE, release="v2")
    assert [item.name for item in kept] == ["feature-flag-log", "rolling-log", "database-log"]


async def test_a_part_that_the_catalog_does_not_describe_is_named() -> None:
    composed = Parts().composed()
    with pytest.raises(ConfigurationError, match="names the part “feature-flag”"):
        await composed.observe(SERVICE, NOWHERE)


def test_a_composed_rollback_has_at_least_two_different_parts() -> None:
    for parts in (["rolling"], ["rolling", "rolling"], ["rolling", "composed"]):
        with pytest.raises(ValueError, match="parts"):
            ServiceEntry.model_validate({"rollback": [{"strategy": "composed", "parts": parts}]})


async def test_parts_of_other_services_plan_by_what_is_known_about_those() -> None:
    parts = Parts()
    target = ComposedTarget.model_validate(
        {
            "strategy": "composed",
            "parts": ["database", {"service": "ledger", "strategy": "rolling"}],
        }
    )
    service = SERVICE.model_copy(update={"rollback": (target, _AllBeside("database"))})
    ledger = Peer(entry=SERVICE_OF_ALL, marked_bad=frozenset({"v9"}), known_good=("v1",))
    composed = parts.composed()
    assert composed.others(service) == ("ledger",)
    among = composed.among({"ledger": ledger, "payments": Peer(entry=service)})
    plan = await among.plan(
        "payments", service, NOWHERE, target=None, marked_bad=frozenset(), known_good=()
    )
    assert [step.title for step in plan.steps] == ["ledger: rolling", "payments: database"]
    assert [part.service for part in plan.parts] == ["ledger", "payments"]
    assert parts["rolling"].remembered == (frozenset({"v9"}), ("v1",))
    listed = target.model_copy(update={"order": "listed"})
    in_order = service.model_copy(update={"rollback": (listed, service.rollback[1])})
    plan = await among.plan(
        "payments", in_order, NOWHERE, target=None, marked_bad=frozenset(), known_good=()
    )
    assert [step.title for step in plan.steps] == ["payments: database", "ledger: rolling"]
    with pytest.raises(ConfigurationError, match="a part of ledger, which is not known here"):
        await composed.plan(
            "payments", service, NOWHERE, target=None, marked_bad=frozenset(), known_good=()
        )


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (["rolling", {"service": "nobody", "strategy": "rolling"}], "does not have"),
        (["rolling", {"service": "shop", "strategy": "rolling"}], "write “rolling”"),
        (["rolling", {"service": "ledger", "strategy": "canary"}], "there are: rolling"),
        (["rolling", "recreate"], "not described in services.shop.rollback"),
    ],
)
def test_a_catalog_whose_composed_parts_lead_nowhere_is_refused(
    parts: list[Any], said: str
) -> None:
    rolling = {"strategy": "rolling", "namespace": "shop", "deployment": "a"}
    services = {
        "shop": {"rollback": [{"strategy": "composed", "parts": parts}, rolling]},
        "ledger": {"rollback": [rolling]},
    }
    with pytest.raises(ValueError, match=said):
        Catalog.model_validate(
            {"services": services, "people": {"release_managers": ["a@example.com"]}}
        )
