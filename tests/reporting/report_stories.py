"""Three incidents for the golden reports: one with everything, one that went badly, one hostile."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta

from bot.core.values import Actor
from bot.incident import events as e
from bot.incident.alerts import HeardAlert
from bot.incident.assessment import Assessment, Figures, Thresholds, decide
from bot.incident.freeze import Freeze
from bot.incident.plan import Concern, Plan, StepSpec
from bot.judge.counts import Bucket, Judgement, RecoveryVerdict
from bot.reporting.pages import log_patterns
from bot.reporting.report import Report, build_report
from tests.incident.story import ALICE, BOB, HEALTHY, NOON, PLAN, Story, step

CARLA = Actor(id="U0CARLA", name="Carla Ruiz")

HOSTILE = (
    "# Heading | `code` <script>alert(1)</script> [link](javascript:alert(1))\n"
    "![picture](http://evil.example/p.png) **bold** ~~gone~~ &lt;b&gt; $x$ <!channel> <@U0BOB>\n"
    "---\n</style></svg><img src=x onerror=alert(1)>\n"
    "| a | b |\n| --- | --- |\n"
    "- item\n1. item\n> quote\n```\nfence\n```\n"
    "\u202etxt.exe \x1b[31m \u200b {{ 7 * 7 }} {% raw %} \\ 🔥👩🏽‍🚒 مرحبا"
)
LONG = " ".join(f"word{number}" for number in range(330))
"""About as long as the longest answer that a modal takes."""


@dataclass
class Told:
    """A story with what was counted and saved beside its events."""

    story: Story
    counted: tuple[Bucket, ...] = ()
    logs: dict[str, str] = field(default_factory=dict)

    @property
    def report(self) -> Report:
        logs = log_patterns(self.logs)
        return build_report(
            self.story.incident, self.story.recorded, counted=self.counted, logs=logs
        )


def counted(*errors: int, minutes_before: int = 6, requests: int = 600) -> tuple[Bucket, ...]:
    """One bucket a minute; a negative number stands for a minute without any request."""
    begun = NOON - timedelta(minutes=minutes_before)
    return tuple(
        Bucket(
            start=begun + timedelta(minutes=minute),
            seconds=60,
            requests=requests if bad >= 0 else 0,
            errors=max(0, bad),
        )
        for minute, bad in enumerate(errors)
    )


def pod_log() -> str:
    """What a broken pod says: much of the same, and some that is nobody's business."""
    lines = [
        f"2026-03-02T11:5{n % 10}:00Z ERROR payment {n} of ana{n}@example.com: pool exhausted"
        for n in range(40)
    ]
    lines += [f"2026-03-02T11:58:00Z INFO GET /healthz 200 in {n} ms" for n in range(12)]
    lines.append("WARN retry with Authorization: Bearer abcdef0123456789 password=hunter2")
    return "\n".join(lines)


DATABASE_STEP = step("Take migration 002 down", seconds=12).model_copy(
    update={
        "action": StepSpec(kind="run-migration", params={"way": "down", "version": "002"}),
        "concerns": Concern.DATA,
    }
)
WITH_DATABASE = PLAN.model_copy(update={"steps": (*PLAN.steps, DATABASE_STEP)})


NOTICED = HeardAlert(
    fingerprint="1",
    name="HighErrorRate",
    severity="critical",
    summary="One in five requests fails",
    values="0.21",
    source="Alertmanager",
    link="http://prometheus.example/graph?g0.expr=errors",
    started_at=NOON - timedelta(minutes=2),
)
OLDER = HeardAlert(
    fingerprint="2", name="DiskFillsUp", source="Grafana", started_at=NOON - timedelta(hours=2)
)


def _alerted(story: Story) -> None:
    """Two alerts fired when the assessment was opened; one of them from before the release."""
    first = story.recorded[0]
    declared = first.event.model_copy(update={"alerts": (OLDER, NOTICED)})
    story.recorded[0] = first.model_copy(update={"event": declared})


def complete() -> Told:
    """Everything that the journey has, and a relapse of the first recovery none."""
    story = Story().declared()
    _alerted(story)
    story.tell(e.EvidenceSaved(names=("checkout-green-1-app.log", "manifests.json")))
    story.tell(
        e.PlanProposed(
            plan=WITH_DATABASE,
            baseline=Story().declared().planned().incident.baseline,
            baseline_note="36000 requests before the release",
            released_at=NOON - timedelta(minutes=5),
        )
    )
    story.approved(WITH_DATABASE).executed(WITH_DATABASE)
    story.tell(e.UpdatePosted(number=1)).tell(e.WordsAdded(by=CARLA, text="Payments work again."))
    story.verified(*HEALTHY)
    _after_the_proof(story)
    _words(story)
    _paperwork(story)
    errors = (1, 0, 120, 130, 125, 131, 90, 40, *[0, 1, 0, 0, 0, 0, 1, 0, 0, 0])
    return Told(story=story, counted=counted(*errors), logs={"checkout-green-1-app.log": pod_log()})


def _after_the_proof(story: Story) -> None:
    results = (
        e.SmokeResult(name="log in", passed=True, seconds=0.4),
        e.SmokeResult(name="pay", passed=False, what="POST /pay said 503, not 200", seconds=1.2),
    )
    story.tell(e.SmokeTested(results=results))
    story.tell(e.ExternalHeld(by=CARLA))
    story.tell(e.ExternalDrafted(message=e.ExternalMessage.RESOLVED, text="All is well again."))
    story.tell(e.ExternalSent(message=e.ExternalMessage.RESOLVED, text="Payments work.", by=CARLA))
    story.tell(e.Told(destination="statuspage:public", what="resolved", reference="p31zjtct2jer"))
    freeze = Freeze(
        service="checkout",
        incident_id="INC-2026-001",
        plan_hash="c647e0862e94",
        release="v2.1.0",
        until=NOON + timedelta(days=7),
    )
    story.tell(e.FreezeSet(marks=("Deployment shop/checkout-green",), freezes=(freeze,)))
    over = NOTICED.model_copy(update={"ended_at": NOON + timedelta(minutes=4)})
    late = HeardAlert(fingerprint="3", name="NoOrders", started_at=NOON + timedelta(minutes=3))
    story.tell(e.AlertReceived(alerts=(over, late)))


def _words(story: Story) -> None:
    story.tell(
        e.ChangesCompared(
            base="v2.0.0",
            head="v2.1.0",
            url="https://github.example/shop/checkout/compare/v2.0.0...v2.1.0",
            commits=(
                e.Commit(
                    sha="0123456789abcdef",
                    title="Pool of 2 connections",
                    author="dana",
                    url="https://github.example/shop/checkout/commit/0123456",
                ),
            ),
            pull_requests=(
                e.PullRequest(
                    number=42,
                    title="Smaller pool",
                    author="dana",
                    url="https://github.example/shop/checkout/pull/42",
                ),
            ),
            total_commits=3,
        )
    )
    conclusion = e.Conclusion(
        root_cause="The pool of database connections was too small.",
        corrective_actions=(
            e.CorrectiveAction(
                text="Load-test the pool", owner="Dana Petrova", due=date(2026, 3, 9)
            ),
            e.CorrectiveAction(text="Alert on waiting connections"),
        ),
        went_well="The switch took seconds.",
        to_improve="The canary was skipped.",
        follow_up=e.FollowUp.HOTFIX,
        follow_up_timeline="v2.1.1 on Thursday",
        impact="About 300 payments were lost.",
    )
    story.resolved(conclusion)


def _paperwork(story: Story) -> None:
    start = NOON + timedelta(days=1, hours=2)
    people = (ALICE, BOB, CARLA)
    story.tell(e.PostMortemScheduled(start=start, minutes=60, zone="Europe/Berlin", people=people))
    story.tell(e.ActionFiled(index=0, url="https://github.example/shop/checkout/issues/77"))
    story.tell(e.ActionDone(index=1, by=CARLA))
    story.tell(e.ReleasePlanUpdated(where="https://github.example/shop/checkout/releases/v2.1.0"))


def without_recovery() -> Told:
    """The rollback ran, the errors went on, and nobody wrote much."""
    story = Story().declared().planned()
    story.tell(e.ApprovalEscalated(plan_hash=PLAN.hash), after=300)
    story.approved().executed().verified(*[(600, 120)] * 10)
    checks = (
        e.CauseCheck(
            cause=e.Cause.NOT_DEPLOYED,
            finding=e.CauseFinding.UNLIKELY,
            evidence=("Both replicas report v2.0.0.",),
        ),
        e.CauseCheck(
            cause=e.Cause.DEPENDENCY,
            finding=e.CauseFinding.LIKELY,
            evidence=("bank answers with 503 since 11:40.",),
        ),
        e.CauseCheck(
            cause=e.Cause.SCHEMA,
            finding=e.CauseFinding.UNKNOWN,
            evidence=("The catalog names no database.",),
        ),
    )
    story.tell(e.CausesChecked(checks=checks))
    story.tell(e.Noted(subject="upload", what="The chart could not be sent.", remedy="Ask Bob."))
    story.resolved(e.Conclusion(root_cause="", follow_up=e.FollowUp.REPLAN))
    return Told(story=story, counted=counted(*[120] * 8, -1, -1, *[118] * 12))


def relapsed() -> Told:
    """Proven, resolved, reported, and then worse again: open once more."""
    story = Story().declared().planned().approved().executed().verified(*HEALTHY).resolved()
    story.tell(e.ReportPublished(files=("INC-2026-001-rollback-report.md",)))
    judgement = Judgement(
        verdict=RecoveryVerdict.NOT_RECOVERED,
        reasons=("the error rate is at least 9.00%, above the limit of 0.60%",),
        requests=600,
        errors=70,
        limit=0.006,
        lower=0.09,
    )
    story.tell(e.Relapsed(judgement=judgement, since=story.now), after=600)
    return Told(story=story)


def hostile() -> Told:
    """Everybody typed the worst, every machine answered in markup, and nothing was measured."""
    villain = Actor(id="U0EVIL", name="Eve | `x` <b>\n# Boss\u202e")
    assessment = Assessment(
        service="checkout",
        figures=Figures(problems=(HOSTILE,)),
        service_down=True,
        description=HOSTILE,
    )
    story = Story()
    story.tell(
        e.Declared(
            service="checkout",
            bad_release="v2.1.0-<b>|`",
            assessment=assessment,
            verdict=decide(assessment, Thresholds()),
            decision=e.Decision(
                reason=HOSTILE, affected_users=LONG, alternatives=HOSTILE, rationale=LONG
            ),
            by=villain,
            asked_in="C0OPS",
            assessed_at=NOON - timedelta(seconds=40),
            alerts=(_hostile_alert(-60),),
        )
    )
    team = (e.RoleAssignment(role=e.Role.INCIDENT_COMMANDER, people=(villain,)),)
    story.tell(e.ChannelOpened(channel_id="C0INC", channel_name="inc", note=HOSTILE))
    story.tell(e.TeamAssigned(roles=team))
    story.tell(e.Noted(subject=HOSTILE, what=HOSTILE, remedy=HOSTILE))
    bad_step = step(HOSTILE).model_copy(update={"command": f"echo '{HOSTILE}'"})
    plan = Plan.model_validate(
        {
            **PLAN.model_dump(),
            "steps": (bad_step,),
            "not_restored": (HOSTILE,),
            "data_loss": HOSTILE,
        }
    )
    story.planned(plan, baseline=None).approved(plan).executed(plan)
    story.tell(
        e.VerificationStarted(since=story.now, baseline=None, baseline_note="Nothing was measured.")
    )
    replica = e.InstanceCheck(name=HOSTILE, ready=False, version=HOSTILE, problem=HOSTILE)
    story.tell(
        e.InstancesChecked(instances=(replica,), health_ok=None, version=None, problems=(HOSTILE,))
    )
    story.tell(e.SampleTaken(offset_seconds=120, requests=0, errors=0, problem=HOSTILE))
    unproven = Judgement(
        verdict=RecoveryVerdict.INCONCLUSIVE, reasons=(HOSTILE,), requests=0, errors=0
    )
    story.tell(e.Judged(judgement=unproven, buckets=()))
    story.tell(e.SmokeTested(results=(e.SmokeResult(name=HOSTILE, passed=False, what=HOSTILE),)))
    _hostile_paperwork(story, villain)
    return Told(story=story, logs={"checkout-green.log": f"{HOSTILE}\n{LONG}\n{'x' * 5_000}"})


def _hostile_alert(after: float) -> HeardAlert:
    return HeardAlert(
        fingerprint=f"{after}",
        name=HOSTILE,
        severity=HOSTILE,
        summary=HOSTILE,
        values=HOSTILE,
        source="Alertmanager",
        link="https://x.example/)[a](b)<\"'>",
        started_at=NOON + timedelta(seconds=after),
    )


def _hostile_paperwork(story: Story, villain: Actor) -> None:
    check = e.CauseCheck(
        cause=e.Cause.SCHEMA, finding=e.CauseFinding.UNKNOWN, evidence=(HOSTILE, LONG)
    )
    story.tell(e.CausesChecked(checks=(check,)))
    story.tell(e.WordsAdded(by=villain, text=HOSTILE))
    story.tell(e.AlertReceived(alerts=tuple(_hostile_alert(after) for after in range(12))))
    story.tell(e.ExternalDrafted(message=e.ExternalMessage.IDENTIFIED, text=HOSTILE))
    story.tell(e.Told(destination=HOSTILE, what=HOSTILE, reference=HOSTILE))
    link = "javascript:alert(1)"
    change = e.Commit(sha=HOSTILE, title=HOSTILE, author=HOSTILE, url=link)
    pull = e.PullRequest(
        number=1, title=HOSTILE, author=HOSTILE, url="https://x.example/)[a](b) <\"'>"
    )
    story.tell(
        e.ChangesCompared(
            base=HOSTILE, head=HOSTILE, url=link, commits=(change,), pull_requests=(pull,)
        )
    )
    conclusion = e.Conclusion(
        root_cause=f"{HOSTILE}\n{LONG}",
        corrective_actions=(e.CorrectiveAction(text=HOSTILE, owner=HOSTILE),),
        went_well=LONG,
        to_improve=HOSTILE,
        follow_up=e.FollowUp.DEFER,
        follow_up_timeline=HOSTILE,
        impact=HOSTILE,
    )
    story.tell(e.Resolved(by=villain, conclusion=conclusion))
    story.tell(e.ActionFiled(index=0, url=link))
    story.tell(e.ReleasePlanUpdated(where=HOSTILE))


STORIES = {"complete": complete, "without-recovery": without_recovery, "hostile": hostile}
