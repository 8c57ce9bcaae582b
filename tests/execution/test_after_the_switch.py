"""What the bot does about thin traffic, about gaps, about what is not recovered, and afterwards."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.communication.recovery_card import recovery_card
from bot.core.errors import TemporaryError
from bot.engine import releases
from bot.incident import events as e
from bot.incident.events import Cause, CauseFinding
from bot.incident.state import Incident, Phase
from bot.paperwork import conclude
from bot.proof import relapse, tripwire
from tests.communication.checks import assert_message, buttons, shown
from tests.communication.examples import frame
from tests.company.deeds import CONCLUSION, approved, declare, history, planned
from tests.company.harness import Company, Process, catalog_of
from tests.company.shop import GOOD, Traffic

MINUTE = timedelta(minutes=1)
ENTRY = {
    "url": "http://shop.example.com",
    "instance_port": 8080,
    "rollback": [{"strategy": "rolling", "namespace": "shop", "deployment": "checkout"}],
}
METRICS = {"provider": "pods", "namespace": "shop", "selector": "app=payments", "port": 8080}


def _catalog(**more: Any) -> Any:
    """Checkout with more to it, and payments beside it, which is measured."""
    return catalog_of(
        {
            "services": {
                "checkout": {**ENTRY, **more},
                "payments": {**ENTRY, "metrics": METRICS},
            }
        }
    )


PROBED = _catalog(probes={"path": "/probe"})


async def _switched(company: Company, catalog: Any = None) -> tuple[Process, Incident]:
    process = await company.process(sends=False, catalog=catalog)
    incident = await planned(process)
    await approved(process, incident)
    return process, await company.until(incident, lambda i: i.phase is Phase.VERIFYING)


def _from_now(company: Company, *, per_second: float = 10, error_rate: float = 0.0) -> None:
    """What users send from now on."""
    traffic = Traffic(since=company.clock.now(), per_second=per_second, error_rate=error_rate)
    company.shop.later.append(traffic)


def _thin(company: Company, per_second: float = 0.3) -> None:
    """A service that never has much traffic; its metrics count what is sent to it."""
    company.shop.usual = per_second
    company.shop.after = Traffic(
        since=company.clock.now(), per_second=per_second + 1.0, error_rate=0.0
    )


# -- probes ------------------------------------------------------------------------------------


async def test_a_thin_service_is_proven_well_by_labelled_probes(company: Company) -> None:
    _thin(company)
    _, incident = await _switched(company, PROBED)
    state = await company.until(incident, lambda i: i.judged)
    assert state.phase is Phase.RECOVERED
    assert state.judged is not None
    judgement = state.judged.judgement
    sent = [headers for _, path, headers in company.shop.sent if path == "/probe"]
    assert judgement.probes == pytest.approx(600, abs=6)
    assert len(sent) == pytest.approx(600, abs=6)
    assert {headers["X-Rollback-Bot-Probe"] for headers in sent} == {incident.id}
    assert {headers["User-Agent"] for headers in sent} == {"rollback-bot (synthetic probe)"}
    assert sum(row.probes for row in state.samples) == pytest.approx(600, abs=12)
    said = shown(recovery_card(state, frame()))
    assert f"Synthetic: {judgement.probes} probes of the bot's own, 0 failed" in said
    assert f"(synthetic: {state.samples[0].probes} probes, 0 failed)" in said


async def test_probes_that_fail_are_evidence_of_a_failure(company: Company) -> None:
    _thin(company)
    company.shop.statuses["/probe"] = 500
    _, incident = await _switched(company, PROBED)
    state = await company.until(incident, lambda i: i.judged)
    assert state.phase is Phase.NOT_RECOVERED
    assert state.judged is not None
    assert "synthetic probes were sent" in state.judged.judgement.reasons[-1]


async def test_a_busy_service_is_left_alone_until_its_traffic_dies_away(company: Company) -> None:
    process, incident = await _switched(company, PROBED)
    await company.clock.advance(130)
    assert company.shop.sent == []
    _from_now(company, per_second=1)
    state = await company.until(incident, lambda i: i.judged)
    assert company.shop.sent
    assert state.phase is Phase.INCONCLUSIVE
    assert state.judged is not None
    assert any("stand for no user" in one for one in state.judged.judgement.reasons)
    assert process.life.alive


async def test_killed_while_probing_no_probe_is_counted_twice_and_none_is_forgotten(
    company: Company,
) -> None:
    _thin(company)
    process, incident = await _switched(company, PROBED)
    await company.clock.advance(187)
    await process.kill()
    await company.process(sends=False, catalog=PROBED)
    state = await company.until(incident, lambda i: i.judged)
    assert state.judged is not None
    batches = state.judged.probes
    sent = sum(path == "/probe" for _, path, _ in company.shop.sent)
    answered = sum(batch.answered for batch in batches)
    assert answered <= sent <= sum(batch.sent for batch in batches)
    assert sent - answered <= 6
    starts = [batch.start for batch in batches]
    assert starts == sorted(set(starts))


# -- gaps --------------------------------------------------------------------------------------


async def test_time_in_which_nothing_was_read_is_measured_again_before_the_verdict(
    company: Company,
) -> None:
    process, incident = await _switched(company)
    since = incident.evidence_from
    assert since is not None
    company.shop.blind = [(since + 2 * MINUTE, since + 8 * MINUTE)]
    state = await company.until(incident, lambda i: i.judged)
    assert state.extended is not None
    assert state.extended.unread_seconds == 360
    assert state.judged_at == since + 16 * MINUTE
    assert state.phase is Phase.RECOVERED
    assert "For 6 min nothing could be read" in shown(recovery_card(state, frame()))
    assert (await history(process, incident)).count("verification_extended") == 1


async def test_killed_while_it_makes_up_for_a_gap_it_does_not_begin_again(company: Company) -> None:
    process, incident = await _switched(company)
    since = incident.evidence_from
    assert since is not None
    company.shop.blind = [(since + 2 * MINUTE, since + 8 * MINUTE)]
    await company.until(incident, lambda i: i.extended)
    await company.clock.advance(60)
    await process.kill()
    await company.process(sends=False)
    state = await company.until(incident, lambda i: i.judged)
    assert state.judged_at == since + 16 * MINUTE


async def test_it_waits_at_most_once_the_whole_length_for_readings_that_do_not_come(
    company: Company,
) -> None:
    _, incident = await _switched(company)
    since = incident.evidence_from
    assert since is not None
    company.shop.blind = [(since, since + 60 * MINUTE)]
    state = await company.until(incident, lambda i: i.judged)
    assert state.judged_at == since + 20 * MINUTE
    assert state.phase is Phase.INCONCLUSIVE


async def test_a_failure_that_is_proven_in_spite_of_a_gap_is_told_at_once(company: Company) -> None:
    company.shop.after = Traffic(since=company.clock.now(), per_second=10, error_rate=0.1)
    _, incident = await _switched(company)
    since = incident.evidence_from
    assert since is not None
    company.shop.blind = [(since + 2 * MINUTE, since + 8 * MINUTE)]
    state = await company.until(incident, lambda i: i.judged)
    assert (state.phase, state.extended) == (Phase.NOT_RECOVERED, None)


# -- causes ------------------------------------------------------------------------------------


def _finding(state: Incident, cause: Cause) -> e.CauseCheck:
    assert state.causes is not None
    return next(check for check in state.causes.checks if check.cause is cause)


async def test_what_is_not_recovered_has_its_causes_checked_one_by_one(company: Company) -> None:
    company.shop.after = Traffic(since=company.clock.now(), per_second=10, error_rate=0.2)
    company.shop.versions["checkout-1"] = "v2.1.0"
    catalog = _catalog(dependencies=["payments", "http://bank.example.com/health"])
    process, incident = await _switched(company, catalog)
    state = await company.until(incident, lambda i: i.causes)
    found = {cause: _finding(state, cause) for cause in Cause}
    assert "checkout-1 serves v2.1.0, not v2.0.0." in found[Cause.NOT_DEPLOYED].evidence
    assert found[Cause.SCHEMA].finding is CauseFinding.UNKNOWN
    assert "names no database" in found[Cause.SCHEMA].evidence[0]
    assert found[Cause.DEPENDENCY].services == ("payments",)
    assert found[Cause.OTHER_SERVICE].finding is CauseFinding.LIKELY
    assert "payments fails 20.00% of 1200 requests" in found[Cause.OTHER_SERVICE].evidence[0]
    assert found[Cause.NOT_THE_RELEASE].finding is CauseFinding.LIKELY
    assert "the errors go on whatever serves" in found[Cause.NOT_THE_RELEASE].evidence[0]
    card = recovery_card(state, frame())
    assert_message(card)
    said = shown(card)
    assert "1. *The target release does not serve everywhere.* 🔴 likely: checkout-1" in said
    assert "assess_1" in buttons(card)
    assert buttons(card)["assess_1"]["value"] == "payments"
    assert (await history(process, incident))[-1] == "causes_checked"


async def test_too_few_failures_of_another_service_neither_clear_nor_blame_it(
    company: Company,
) -> None:
    company.shop.after = Traffic(since=company.clock.now(), per_second=0.4, error_rate=0.05)
    _, incident = await _switched(company, _catalog(dependencies=["payments"]))
    state = await company.until(incident, lambda i: i.causes)
    for cause in (Cause.DEPENDENCY, Cause.OTHER_SERVICE):
        check = _finding(state, cause)
        assert check.finding is CauseFinding.UNKNOWN
        assert "too few to be sure" in check.evidence[0]


async def test_one_check_that_fails_or_hangs_keeps_none_of_the_others(company: Company) -> None:
    company.shop.after = Traffic(since=company.clock.now(), per_second=10, error_rate=0.2)
    _, incident = await _switched(company)
    company.shop.script["observe"] = [TemporaryError("The API server is away.")]
    state = await company.until(incident, lambda i: i.causes)
    check = _finding(state, Cause.NOT_DEPLOYED)
    assert check.finding is CauseFinding.UNKNOWN
    assert check.evidence == ("What is live could not be observed: The API server is away.",)
    assert _finding(state, Cause.NOT_THE_RELEASE).finding is CauseFinding.LIKELY


# -- relapse -----------------------------------------------------------------------------------


async def _recovered(company: Company) -> tuple[Process, Incident]:
    process, incident = await _switched(company)
    process.scheduler.every("relapse", MINUTE, lambda: relapse.look(process.context))
    return process, await company.until(incident, lambda i: i.phase is Phase.RECOVERED)


async def _resolve(company: Company, process: Process, incident: Incident) -> Incident:
    await conclude.resolve(
        process.context,
        incident.id,
        conclusion=CONCLUSION,
        actor=company.actor("ben"),
        request_id="resolve/1",
    )
    return await company.until(incident, lambda i: i.report)


async def test_a_service_that_gets_worse_after_its_recovery_is_not_recovered(
    company: Company,
) -> None:
    process, incident = await _recovered(company)
    assert (await releases.marks(process.context, "checkout")).good == (GOOD,)
    await company.clock.advance(600)
    _from_now(company, error_rate=0.05)
    state = await company.until(incident, lambda i: i.relapses, within=10 * MINUTE)
    assert state.phase is Phase.NOT_RECOVERED
    assert (await releases.marks(process.context, "checkout")).good == ()
    rows = await process.store.deliveries(incident.id)
    told = [row.delivery for row in rows if "/relapsed" in row.delivery.id]
    assert state.channel is not None
    assert [one.destination for one in told] == [f"slack:{state.channel.channel_id}"]
    assert "got worse again after its recovery" in await process.told(told[0])
    state = await company.until(incident, lambda i: i.causes)
    assert "Worse again at" in shown(recovery_card(state, frame()))


async def test_a_resolved_incident_is_opened_again_by_a_relapse_once(company: Company) -> None:
    process, incident = await _recovered(company)
    await _resolve(company, process, incident)
    _from_now(company, error_rate=0.05)
    state = await company.until(incident, lambda i: i.relapses, within=20 * MINUTE)
    assert (state.phase, state.report) == (Phase.NOT_RECOVERED, None)
    [head] = await process.store.incidents(service="checkout", open_only=True)
    assert head.id == incident.id
    await company.clock.advance(1800)
    assert (await history(process, incident)).count("relapsed") == 1


async def test_with_another_incident_open_the_relapse_is_said_there_and_once(
    company: Company,
) -> None:
    process, incident = await _recovered(company)
    await _resolve(company, process, incident)
    other = await company.until(await declare(process, by="carla"), lambda i: i.channel)
    _from_now(company, error_rate=0.05)
    await company.clock.advance(1200)
    assert company.incidents[incident.id].phase is Phase.RESOLVED
    assert await process.store.documents(relapse.KIND) == ()
    rows = await process.store.claim_deliveries(
        owner="reader", now=company.clock.now(), ttl=MINUTE, limit=200
    )
    while rows and not any("/relapse/" in row.delivery.id for row in rows):
        for row in rows:
            await process.store.settle_failed(row.delivery.id, "read", now=company.clock.now())
        rows = await process.store.claim_deliveries(
            owner="reader", now=company.clock.now(), ttl=MINUTE, limit=200
        )
    [told] = [row.delivery for row in rows if "/relapse/" in row.delivery.id][:1]
    assert f"go on in {other.id}" in str(told.payload)


@pytest.mark.parametrize("point", ["before append", "after append"])
async def test_killed_around_the_relapse_it_is_recorded_once_and_the_mark_is_gone(
    company: Company, point: str
) -> None:
    process, incident = await _recovered(company)
    _from_now(company, error_rate=0.2)
    process.life.die_at(point, process.life.counts[point] + 1)
    await company.clock.run_until(lambda: not process.life.alive)
    await process.kill()
    second = await company.process(sends=False)
    second.scheduler.every("relapse", MINUTE, lambda: relapse.look(second.context))
    await company.clock.advance(300)
    kinds = await history(second, incident)
    assert kinds.count("relapsed") == 1
    assert (await releases.marks(second.context, "checkout")).good == ()
    assert await second.store.documents(relapse.KIND) == ()


async def test_killed_before_the_verdict_is_written_nothing_that_follows_from_it_is_kept(
    company: Company,
) -> None:
    process, incident = await _switched(company)
    await company.until(incident, lambda i: len(i.samples) == 2)
    # The last sample and the update of the same minute are written first.
    process.life.die_at("before append", process.life.counts["before append"] + 3)
    await company.clock.run_until(lambda: not process.life.alive)
    await process.kill()
    _from_now(company, error_rate=0.9)
    await company.clock.advance(120)
    second = await company.process(sends=False)
    state = await company.until(incident, lambda i: i.judged)
    assert state.phase is not Phase.RECOVERED
    assert (await releases.marks(second.context, "checkout")).good == ()
    for kind in (relapse.KIND, tripwire.KIND):
        assert await second.store.documents(kind) == ()


async def test_an_hour_without_a_relapse_ends_the_watch_quietly(company: Company) -> None:
    process, incident = await _recovered(company)
    _from_now(company, per_second=0.01)
    await company.clock.advance(3700)
    assert await process.store.documents(relapse.KIND) == ()
    assert company.incidents[incident.id].phase is Phase.RECOVERED


async def test_without_a_time_to_watch_nothing_is_watched(company: Company) -> None:
    catalog = catalog_of({"verification": {"watch_after": None}})
    process, incident = await _switched(company, catalog)
    state = await company.until(incident, lambda i: i.judged)
    assert state.judged is not None
    assert state.judged.watched_until is None
    assert await process.store.documents(relapse.KIND) == ()
