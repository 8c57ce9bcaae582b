"""The relapse watch over several services: each is looked after, and said by its name."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from bot.catalog.service import ServiceEntry
from bot.core.errors import TemporaryError
from bot.engine import releases
from bot.engine.context import Context
from bot.incident.state import Incident, Phase
from bot.judge.counts import Baseline
from bot.metrics.pods import PodMetrics
from bot.metrics.port import Metrics, Series
from bot.paperwork import conclude
from bot.proof import relapse
from strategies.composed.strategy import Composed
from tests.company.deeds import CONCLUSION, approved, declare, history, planned
from tests.company.harness import Company, Process
from tests.company.shop import GOOD
from tests.execution.test_multi_service import CATALOG, Ledger

PODS = PodMetrics(namespace="shop", selector="app=payments", port=8080)
MEASURED = CATALOG.model_copy(
    update={
        "services": {
            **CATALOG.services,
            "payments": CATALOG.services["payments"].model_copy(update={"metrics": PODS}),
        }
    }
)


class Worse:
    """The shop's counts, but of some services every fifth request fails."""

    def __init__(self, usual: Metrics, *services: str, silent: str = "") -> None:
        self._usual = usual
        self._services = services
        self._silent = silent

    async def series(
        self, name: str, service: ServiceEntry, *, start: datetime, end: datetime, seconds: float
    ) -> Series:
        if name == self._silent:
            raise TemporaryError("Nothing is known about it.")
        found = await self._usual.series(name, service, start=start, end=end, seconds=seconds)
        if name not in self._services:
            return found
        failing = tuple(b.model_copy(update={"errors": b.requests // 5}) for b in found.buckets)
        return found.model_copy(update={"buckets": failing})


@pytest.fixture
async def process(company: Company) -> Process:
    company.strategies["canary"] = Ledger(company.shop)
    company.strategies["composed"] = Composed(lambda n: company.strategies.get(n, company.shop))
    return await company.process(catalog=MEASURED, sends=False)


async def _recovered(process: Process) -> Incident:
    process.company.shop.versions["payments-0"] = GOOD
    incident = await planned(process)
    await approved(process, incident, "ben")
    await approved(process, incident, "carla")
    incident = await process.company.until(incident, lambda i: i.phase is Phase.RECOVERED)
    await process.company.clock.advance(300)
    return incident


def _with(process: Process, *services: str, silent: str = "") -> Context:
    worse = Worse(process.context.metrics, *services, silent=silent)
    return replace(process.context, metrics=worse)


async def _good(process: Process) -> set[str]:
    marks = {name: await releases.marks(process.context, name) for name in ("checkout", "payments")}
    return {name for name, found in marks.items() if found.good}


async def test_another_service_of_the_plan_that_gets_worse_opens_the_incident_again_once(
    process: Process,
) -> None:
    incident = await _recovered(process)
    await relapse.look(process.context)
    assert process.company.incidents[incident.id].phase is Phase.RECOVERED
    # That the own service cannot be measured hides nothing about the other.
    sick = _with(process, "payments", silent="checkout")
    await relapse.look(sick)
    await relapse.look(sick)
    state = process.company.incidents[incident.id]
    assert state.phase is Phase.NOT_RECOVERED
    [found] = state.relapses
    assert found.event.services == ("payments",)
    assert all(reason.startswith("payments: ") for reason in found.event.judgement.reasons)
    assert await _good(process) == {"checkout"}
    assert await process.store.documents(relapse.KIND) == ()
    rows = await process.store.deliveries(incident.id)
    [told] = [await process.told(row.delivery) for row in rows if "/relapsed" in row.delivery.id]
    assert "payments got worse again after its recovery" in told
    assert "Error rate of payments since" in told


async def test_services_that_get_worse_together_are_one_relapse(process: Process) -> None:
    incident = await _recovered(process)
    await relapse.look(_with(process, "checkout", "payments"))
    [found] = process.company.incidents[incident.id].relapses
    assert found.event.services == ("checkout", "payments")
    own, other = found.event.judgement.reasons
    assert other == f"payments: {own}"
    assert await _good(process) == set()
    rows = await process.store.deliveries(incident.id)
    [told] = [await process.told(row.delivery) for row in rows if "/relapsed" in row.delivery.id]
    assert "checkout and payments got worse again after their recovery" in told


async def test_a_service_with_an_incident_of_its_own_by_then_is_left_to_it(
    process: Process,
) -> None:
    incident = await _recovered(process)
    await conclude.resolve(
        process.context,
        incident.id,
        conclusion=CONCLUSION,
        actor=process.company.actor("ben"),
        request_id="resolve/1",
    )
    await process.company.until(incident, lambda i: i.report)
    other = await process.company.until(
        await declare(process, "payments", by="carla"), lambda i: i.channel
    )
    await relapse.look(_with(process, "payments"))
    assert process.company.incidents[incident.id].phase is Phase.RESOLVED
    assert "relapsed" not in await history(process, incident)
    assert await _good(process) == {"checkout"}
    assert other.channel is not None
    claimed = await process.store.claim_deliveries(
        owner="reader", now=process.company.clock.now(), ttl=timedelta(minutes=1), limit=500
    )
    told = []
    while claimed:
        told += [str(row.delivery.payload) for row in claimed if "/relapse/" in row.delivery.id]
        for row in claimed:
            await process.store.settle_failed(
                row.delivery.id, "read", now=process.company.clock.now()
            )
        claimed = await process.store.claim_deliveries(
            owner="reader", now=process.company.clock.now(), ttl=timedelta(minutes=1), limit=500
        )
    assert len(told) == 2, "in the channel of either incident"
    assert f"{other.id} is open for payments" in told[0]


def test_a_watch_that_an_older_bot_began_goes_on(company: Company) -> None:
    now = company.clock.now()
    baseline = Baseline(start=now, end=now + timedelta(hours=1), requests=100, errors=0)
    body = {
        "incident_id": "INC-2026-001",
        "service": "checkout",
        "release": GOOD,
        "baseline": baseline.model_dump(mode="json"),
        "since": now.isoformat(),
        "until": (now + timedelta(hours=1)).isoformat(),
        "channels": ["C1"],
    }
    watch = relapse.Watch.model_validate(body)
    [one] = watch.services
    assert (one.service, one.release, one.until) == ("checkout", GOOD, watch.until)
    assert relapse.Watch.model_validate(watch.model_dump(mode="json")) == watch
