"""The figures of a report: what is not known is not made up."""

from __future__ import annotations

from datetime import timedelta
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.incident import events as e
from bot.incident.alerts import HeardAlert
from bot.incident.duties import recovered_at
from bot.incident.plan import Concern
from bot.judge.counts import Bucket, Judgement, RecoveryVerdict
from bot.reporting.document import Item, linked
from bot.reporting.history import Numbers, Outcome
from bot.reporting.report import Report, build_report
from bot.reporting.timeline import WORDS
from tests.incident.story import HEALTHY, NOON, PLAN, Story, complete


def buckets(*counts: tuple[int, int], begun: float = -180) -> tuple[Bucket, ...]:
    """One-minute buckets of (requests, errors) from so many seconds after the declaration on."""
    start = NOON + timedelta(seconds=begun)
    return tuple(
        Bucket(start=start + timedelta(minutes=i), seconds=60, requests=n, errors=bad)
        for i, (n, bad) in enumerate(counts)
    )


def report(story: Story, *counts: tuple[int, int], begun: float = -180) -> Report:
    return build_report(story.incident, story.recorded, counted=buckets(*counts, begun=begun))


def numbers(story: Story, *counts: tuple[int, int], begun: float = -180) -> Numbers:
    return report(story, *counts, begun=begun).numbers


def test_detection_counts_from_the_first_bucket_above_the_limit() -> None:
    found = numbers(complete(), (600, 0), (600, 90), (600, 90))
    assert found.timings.detect == 80
    assert found.detected_from == "since the error rate was first above the limit"


def test_detection_is_a_least_time_when_the_counts_begin_too_late() -> None:
    found = numbers(complete(), (600, 90), (600, 90), (600, 90))
    assert found.timings.detect == 140
    assert found.detected_from.startswith("at least")


def test_a_release_that_is_known_to_have_just_begun_is_where_detection_starts() -> None:
    story = Story().declared()
    begun = NOON - timedelta(minutes=30)
    story.tell(e.PlanProposed(plan=PLAN, released_at=begun))
    assert numbers(story).timings.detect == 30 * 60 - 40


def alerted(*starts: float, released: float | None = None) -> Story:
    """Alerts began so many seconds before the declaration; so did the release, where known."""
    story = complete()
    alerts = tuple(
        HeardAlert(
            fingerprint=f"{n}", name=f"Alert{n}", started_at=NOON - timedelta(seconds=before)
        )
        for n, before in enumerate(starts)
    )
    first = story.recorded[0]
    declared = first.event.model_copy(update={"alerts": alerts})
    story.recorded[0] = first.model_copy(update={"event": declared})
    if released is not None:
        place = next(i for i, r in enumerate(story.recorded) if r.event.kind == "plan_proposed")
        at = NOON - timedelta(seconds=released)
        proposed = story.recorded[place].event.model_copy(update={"released_at": at})
        story.recorded[place] = story.recorded[place].model_copy(update={"event": proposed})
    return story


def test_the_first_alert_after_the_release_ends_the_time_to_detect() -> None:
    found = numbers(alerted(600, 120, 90, released=300))
    assert (found.timings.detect, found.timings.decide) == (180, 40)
    assert (found.detected_by, found.detected_at) == ("Alert1", NOON - timedelta(seconds=120))
    assert found.detected_from.endswith("; detected by the alert Alert1")
    assert numbers(complete()).detected_at == NOON - timedelta(seconds=40)


def test_an_alert_that_was_earlier_than_everything_bad_makes_no_time_negative() -> None:
    early = numbers(alerted(170), (600, 0), (600, 90), (600, 90))
    assert early.timings.detect is None
    assert early.detected_from == "nothing above the limit was counted before the alert Alert0"
    uncounted = numbers(alerted(3600), (600, 90), (600, 90))
    assert uncounted.detected_from == "nothing was counted before the alert Alert0"
    chronic = numbers(alerted(3600, released=60))
    assert (chronic.timings.detect, chronic.detected_by) == (20, "")


@settings(max_examples=20, deadline=None)
@given(
    starts=st.lists(st.integers(-100, 2_000), max_size=3),
    released=st.none() | st.integers(-50, 2_000),
    errors=st.lists(st.sampled_from((0, 90)), min_size=3, max_size=3),
)
def test_no_time_to_detect_is_negative_and_no_detection_after_the_assessment(
    starts: list[int], released: int | None, errors: list[int]
) -> None:
    story = alerted(*starts, released=released)
    written = report(story, *((600, bad) for bad in errors))
    found = written.numbers
    assert found.timings.detect is None or found.timings.detect >= 0
    assert found.detected_at is not None
    assert found.detected_at <= story.incident.declared.assessed_at
    assert len(written.timeline) == len(story.recorded)


def test_without_a_judgement_the_limit_is_the_services_own_or_unknown() -> None:
    story = Story().declared().planned()
    counts = ((600, 0), (600, 9), (600, 9))
    assert numbers(story, *counts).detected_from == "no limit is known that tells bad from normal"
    first = story.recorded[0]
    for limit, detect in ((0.01, 80), (0.02, None)):
        strict = first.event.model_copy(update={"error_limit": limit})
        story.recorded[0] = first.model_copy(update={"event": strict})
        assert numbers(story, *counts).timings.detect == detect


@pytest.mark.parametrize(
    ("counts", "why"),
    [
        ((), "nothing was counted before the assessment"),
        (((600, 0),) * 3, "nothing above the limit was counted before the assessment"),
    ],
)
def test_what_nobody_saw_begin_has_no_time_to_detect(
    counts: tuple[tuple[int, int], ...], why: str
) -> None:
    found = numbers(complete(), *counts)
    assert (found.timings.detect, found.detected_from) == (None, why)


def test_failed_requests_beyond_the_baseline_leave_out_what_is_normal() -> None:
    found = numbers(complete(), (1000, 101), (1000, 101), (1000, 101), *[(1000, 1)] * 9)
    # 0.1 % of six thousand requests until the drain fail at all times.
    assert found.excess_failures == 303 + 3 - 6
    assert found.failed_requests == 312
    assert found.failed_requests_complete
    assert found.failed_share == pytest.approx(306 / 6000)


def test_a_downtime_is_none_only_when_every_stretch_was_counted_and_answered() -> None:
    whole = numbers(complete(), *[(600, 60)] * 12).downtime
    assert (whole.seconds, whole.text.partition(":")[0]) == (0.0, "None")
    gap = numbers(complete(), *[(600, 60)] * 4, (0, 0), *[(600, 0)] * 6).downtime
    assert (gap.seconds, gap.text) == (None, "Unknown: nothing was counted for 1 min")
    dead = numbers(complete(), *[(600, 60)] * 4, (500, 500), *[(600, 0)] * 6).downtime
    assert (dead.seconds, dead.text) == (60.0, "1 min in which every request failed")
    unseen = numbers(complete()).downtime
    assert unseen.seconds is None
    assert unseen.text.startswith("Unknown: nothing was counted")


def test_a_measured_downtime_is_told_as_it_was_measured() -> None:
    measuring = PLAN.steps[2].model_copy(
        update={"concerns": Concern.DOWNTIME, "title": "Downtime 12 s"}
    )
    plan = PLAN.model_copy(update={"steps": (*PLAN.steps[:2], measuring)})
    story = Story().declared().planned(plan).approved(plan).executed(plan)
    assert numbers(story).downtime.text == "Downtime 12 s: as expected."


def test_without_a_rollback_none_is_blamed_on_it() -> None:
    found = numbers(Story().declared())
    assert found.downtime.text == "None by a rollback: none was carried out"
    assert found.data_loss == "None by a rollback: none was carried out"
    assert found.elevated_seconds is None


def relapsed() -> Story:
    judgement = Judgement(
        verdict=RecoveryVerdict.NOT_RECOVERED, reasons=("worse",), requests=9, errors=9
    )
    story = complete().tell(e.ReportPublished(files=("INC-2026-001-rollback-report.md",)))
    return story.tell(e.Relapsed(judgement=judgement, since=story.now), after=60)


def test_a_proof_that_did_not_last_is_no_proof_any_more() -> None:
    found = report(relapsed())
    assert found.outcome is Outcome.RELAPSED
    assert found.numbers.timings.recover is None
    again = relapsed()
    again.tell(e.VerificationRequested(by=complete().incident.declared.by))
    again.verified(*HEALTHY)
    assert recovered_at(again.incident) is not None
    assert report(again).outcome is Outcome.RECOVERED


def test_every_edition_has_file_names_of_its_own() -> None:
    first, second = report(complete()), report(relapsed())
    assert (first.edition, second.edition) == (1, 2)
    assert first.file_name("report.json") == "INC-2026-001-report.json"
    assert second.file_name("report.json") == "INC-2026-001-2-report.json"
    assert second.script_file == "INC-2026-001-2-rollback.sh"
    published = complete().tell(e.ReportPublished(files=()))
    assert report(published).edition == 1


def test_the_bots_own_requests_are_told_apart_from_those_of_users() -> None:
    plain, probed = Story(), Story()
    for story in (plain, probed):
        story.declared().planned().approved().executed()
        story.tell(e.VerificationStarted(since=story.now, baseline=None))
    plain.tell(e.SampleTaken(offset_seconds=120, requests=5, errors=1))
    probed.tell(e.SampleTaken(offset_seconds=120, requests=5, errors=1, probes=20, failed_probes=2))
    assert "Failed synthetic probes" not in str(report(plain).documents)
    told = str(report(probed).documents)
    assert "Failed synthetic probes" in told
    assert "2 of 20" in told


def test_every_kind_of_event_has_words() -> None:
    union = get_args(e.AnyEvent)[0]
    assert set(get_args(union)) <= set(WORDS)


def test_only_addresses_of_the_web_become_links() -> None:
    assert linked("issue", "https://x.example/1") == Item(text="issue", url="https://x.example/1")
    assert linked("issue", "javascript:alert(1)") == Item(text="issue (javascript:alert(1))")
    assert linked("issue", "") == Item(text="issue")
