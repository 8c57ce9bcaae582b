"""Plans over several services: one approval, one claim on all of them, one verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from bot.approval import approve
from bot.assessment import declare
from bot.catalog.service import ServiceEntry
from bot.core.errors import RefusedError
from bot.engine import releases
from bot.engine.world import Evidence, Instance, Observation, Strategy, World
from bot.freeze import freeze
from bot.incident import events as e
from bot.incident.plan import Plan
from bot.incident.state import Incident, Phase
from bot.judge.counts import Bucket, RecoveryVerdict
from bot.metrics.pods import PodMetrics
from bot.metrics.port import Series
from bot.proof import tripwire, verify
from strategies.canary.target import CanaryTarget
from strategies.composed.strategy import Composed
from tests.company.deeds import approved, history, planned
from tests.company.deeds import declare as declared
from tests.company.harness import Company, Process, catalog_of
from tests.company.shop import BAD, GOOD, Shop

ROLLING = {"strategy": "rolling", "namespace": "shop", "deployment": "checkout"}
CANARY = {"strategy": "canary", "namespace": "shop", "traffic": "argo-rollouts", "rollout": "r"}
COMPOSED = {
    "strategy": "composed",
    "parts": [{"service": "payments", "strategy": "canary"}, "rolling"],
}
COMMON: dict[str, Any] = {"instance_port": 8080}
CATALOG = catalog_of(
    {
        "services": {
            "checkout": {
                **COMMON,
                "url": "http://shop.example.com",
                "dependencies": ["payments"],
                "rollback": [COMPOSED, {**ROLLING}],
            },
            "payments": {**COMMON, "rollback": [CANARY], "approval": {"quorum": 2}},
        },
        "verification": {
            "checkpoints": ["10s", "20s", "30s"],
            "judge": {"bucket_seconds": 5, "margin": 0.05},
            "baseline_window": "10m",
        },
    }
)


class Ledger(Strategy):
    """How payments is rolled back: by one switch of the shop's."""

    name = "canary"
    settings = CanaryTarget
    cost = 40

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        shop.switches["ledger"] = BAD

    async def observe(self, service: ServiceEntry, world: World) -> Observation:
        return Observation(
            live_release=self._shop.switches["ledger"],
            candidates=(),
            released_at=self._shop.released_at,
            summary="One replica",
        )

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
        return Plan(
            service=name,
            strategy=self.name,
            from_release=self._shop.switches["ledger"],
            to_release=GOOD,
            steps=(self._shop._turn("ledger", GOOD, None),),
            preflights=(),
            observed_at=world.clock.now(),
        )

    async def instances(self, service: ServiceEntry, world: World) -> tuple[Instance, ...]:
        live = self._shop.switches["ledger"]
        return (Instance(namespace="shop", name="payments-0", release=live, ready=True),)

    async def evidence(
        self, service: ServiceEntry, world: World, *, release: str
    ) -> tuple[Evidence, ...]:
        return (Evidence(name="ledger.log", text=release),)


@pytest.fixture
async def process(company: Company) -> Process:
    company.strategies["canary"] = Ledger(company.shop)
    company.strategies["composed"] = Composed(lambda n: company.strategies.get(n, company.shop))
    return await company.process(catalog=CATALOG, sends=False)


async def _agreed(process: Process, incident: Incident) -> Incident:
    """Both release managers approve: payments asks for two."""
    await approved(process, incident, "ben")
    return await approved(process, incident, "carla")


async def _judged(process: Process) -> Incident:
    incident = await planned(process)
    await _agreed(process, incident)
    return await process.company.until(incident, lambda i: i.judged)


def _plan(incident: Incident) -> Plan:
    assert incident.plan is not None
    return incident.plan


async def test_one_plan_goes_through_both_services_and_what_follows_is_for_both(
    process: Process,
) -> None:
    incident = await planned(process)
    plan = _plan(incident)
    assert [step.title for step in plan.steps] == [
        "payments: Turn ledger",
        "checkout: Turn switch",
        "checkout: Turn cache",
        "checkout: Check drain",
    ], "a canary's traffic is cheaper than a rollout, whoever calls whom"
    assert plan.approvers == 2
    assert incident.evidence == ("payments-canary-ledger.log", f"checkout-rolling-{BAD}.log")
    assert set(incident.baselines) == {"payments"}, "without it its recovery could not be proven"
    state = await _judged_from(process, incident)
    assert state.phase is Phase.RECOVERED
    assert process.company.shop.switches == {"switch": GOOD, "cache": GOOD, "ledger": GOOD}
    for service in ("checkout", "payments"):
        marks = await releases.marks(process.context, service)
        assert (marks.good, marks.bad) == ((GOOD,), frozenset({BAD}))
    wires = await process.store.documents(tripwire.KIND)
    assert {(one.body["service"], one.body["strategy"]) for one in wires} == {
        ("checkout", "rolling"),
        ("payments", "canary"),
    }
    await process.company.until(incident, lambda i: i.freeze)
    assert await freeze.standing(process.store, "payments") is not None
    ben = process.company.actor("ben")
    await freeze.lift(process.context, "payments", actor=ben, request_id="c/1")
    assert await freeze.standing(process.store, "checkout") is None


async def _judged_from(process: Process, incident: Incident) -> Incident:
    process.company.shop.versions["payments-0"] = GOOD
    await _agreed(process, incident)
    return await process.company.until(incident, lambda i: i.judged)


async def test_every_service_must_serve_its_own_target(process: Process) -> None:
    process.company.shop.versions["payments-0"] = BAD
    incident = await _judged(process)
    assert incident.phase is Phase.INCONCLUSIVE
    assert incident.judged is not None
    reasons = incident.judged.judgement.reasons
    assert f"payments: payments-0 serves {BAD}, not {GOOD}" in reasons


class Uneven:
    """Payments fails every fifth request, checkout none."""

    async def series(
        self, name: str, service: ServiceEntry, *, start: datetime, end: datetime, seconds: float
    ) -> Series:
        errors = 20 if name == "payments" else 0
        bucket = Bucket(start=start, seconds=seconds, requests=100, errors=errors)
        later = [
            bucket.model_copy(update={"start": start + (end - start) * n / 6}) for n in range(6)
        ]
        return Series(buckets=tuple(later))


async def test_every_measured_service_must_recover(process: Process) -> None:
    process.company.shop.versions["payments-0"] = GOOD
    incident = await _judged(process)
    assert incident.judged is not None
    pods = PodMetrics(namespace="shop", selector="app=payments", port=8080)
    measured = CATALOG.services["payments"].model_copy(update={"metrics": pods})
    catalog = CATALOG.model_copy(update={"services": {**CATALOG.services, "payments": measured}})
    context = replace(process.context, catalog=catalog, metrics=Uneven())
    proven = incident.judged.judgement
    nothing_known = incident.model_copy(update={"baselines": {}})
    unknown = await verify.weighed(context, nothing_known, proven)
    assert unknown.verdict is RecoveryVerdict.INCONCLUSIVE
    failing = await verify.weighed(context, incident, proven)
    assert failing.verdict is RecoveryVerdict.NOT_RECOVERED
    assert any(reason.startswith("payments: ") for reason in failing.reasons)
    assert (failing.requests, failing.errors) == (proven.requests, proven.errors)


async def test_a_service_that_nothing_speaks_for_is_not_called_recovered(
    process: Process,
) -> None:
    process.company.shop.versions["payments-0"] = GOOD
    incident = await _judged(process)
    assert incident.judged is not None
    plan = _plan(incident)
    flags = tuple(
        part.model_copy(update={"strategy": "feature-flag", "version_after": ""})
        if part.service == "payments"
        else part
        for part in plan.parts
    )
    beside = incident.model_copy(update={"plan": plan.model_copy(update={"parts": flags})})
    found = await verify.weighed(process.context, beside, incident.judged.judgement)
    assert found.verdict is RecoveryVerdict.INCONCLUSIVE
    assert "payments: it is not measured, and its replicas show nothing" in found.reasons[-1]


async def test_a_service_with_an_incident_of_its_own_blocks_the_plan_and_is_named(
    process: Process,
) -> None:
    other = await declared(process, "payments")
    incident = await planned(process)
    (block,) = _plan(incident).blocks
    assert block.sentence.startswith(f"payments has an open incident of its own, {other.id}.")
    # The part that is free can go ahead alone.
    ana = process.company.actor("ana")
    await approve.request_plan(
        process.context, incident.id, actor=ana, target=None, request_id="r", parts=("rolling",)
    )
    state = await process.company.until(
        incident, lambda i: i.phase is Phase.AWAITING_APPROVAL and i.plan and i.plan.is_safe
    )
    assert _plan(state).services == ("checkout",)
    assert len(_plan(state).steps) == 3


async def test_while_its_plan_is_open_no_incident_begins_for_the_other_service(
    process: Process,
) -> None:
    incident = await planned(process)
    with pytest.raises(RefusedError, match=f"{incident.id} is about payments too") as refused:
        await declare.declare_at_terminal(
            process.context,
            service="payments",
            strategy=None,
            target_release=None,
            reason="x",
            operator=process.company.actor("eve"),
        )
    assert incident.id in refused.value.remedy
    ben, plan = process.company.actor("ben"), _plan(incident)
    await approve.reject(
        process.context, incident.id, plan_hash=plan.hash, actor=ben, reason="Another way."
    )
    await declare.declare_at_terminal(
        process.context,
        service="payments",
        strategy=None,
        target_release=None,
        reason="x",
        operator=process.company.actor("eve"),
    )


async def test_of_two_that_begin_at_once_the_later_look_stops_before_any_change(
    process: Process,
) -> None:
    incident = await planned(process)
    # As if another process had looked a moment before the plan was there.
    other = await declared(process, "payments")
    await _agreed(process, incident)
    state = await process.company.until(incident, lambda i: i.phase is Phase.STOPPED)
    assert state.execution is not None
    assert state.execution.outcome is e.ExecutionOutcome.CONFLICT
    assert other.id in state.execution.what
    assert "step_started" not in await history(process, incident)
    assert process.company.shop.switches["ledger"] == BAD


async def test_only_the_other_services_part_leaves_the_own_release_unmarked(
    process: Process,
) -> None:
    incident = await planned(process)
    ana = process.company.actor("ana")
    await approve.request_plan(
        process.context, incident.id, actor=ana, target=None, request_id="r", parts=("payments",)
    )
    state = await process.company.until(
        incident, lambda i: i.phase is Phase.AWAITING_APPROVAL and i.parts
    )
    assert [step.title for step in _plan(state).steps] == ["payments: Turn ledger"]
    assert _plan(state).from_release == f"payments {BAD}"
    assert (await _judged_from(process, state)).phase is Phase.RECOVERED
    assert (await releases.marks(process.context, "checkout")).bad == frozenset()
    assert (await releases.marks(process.context, "payments")).bad == frozenset({BAD})


async def test_a_part_that_does_not_exist_is_refused_with_those_that_do(process: Process) -> None:
    incident = await planned(process)
    ana = process.company.actor("ana")
    await approve.request_plan(
        process.context, incident.id, actor=ana, target=None, request_id="r", parts=("paymets",)
    )
    state = await process.company.until(incident, lambda i: i.phase is Phase.PLANNING_FAILED)
    assert state.planning_failure is not None
    assert "payments/canary, rolling" in state.planning_failure.remedy
