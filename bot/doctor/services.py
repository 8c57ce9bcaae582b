"""Look whether every service of the catalog could be rolled back now."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from bot.catalog.metrics import METRICS
from bot.catalog.service import ServiceEntry
from bot.clouds.kubernetes.objects import Kind
from bot.core.errors import PermanentError, RefusedError, RollbackBotError
from bot.core.findings import Finding, failed, passed, warned
from bot.core.values import amount
from bot.doctor.checkup import Check
from bot.engine.context import Context
from bot.engine.world import Strategy
from bot.execution.prepare import propose
from bot.incident.freeze import AwsResource, ClusterObject, MarkedObject
from bot.incident.plan import Plan, Preflight, PreflightVerdict
from bot.metrics.port import Checkup, MetricsProvider
from strategies.common.aws import check_actions
from strategies.kubernetes.preflights import check_rights


def service_checks(context: Context) -> Iterator[Check]:
    """For each service: its ways to roll back, the marks of a deploy freeze, its metrics."""
    for name, entry in context.catalog.services.items():
        ways = tuple(dict.fromkeys(target.strategy for target in entry.rollback))
        for strategy in ways:
            look = partial(_check_target, context, name, entry, strategy)
            yield Check(subject=f"{name}, {strategy}", look=look)
        yield Check(
            subject=f"{name}, deploy freeze", look=partial(_check_freeze, context, name, entry)
        )
        yield Check(subject=f"{name}, metrics", look=partial(_check_metrics, context, name, entry))


async def _check_metrics(context: Context, name: str, entry: ServiceEntry) -> list[Finding]:
    subject = f"{name}, metrics"
    if entry.metrics is None:
        nothing = "Nothing measures it, so recovery can never be proven."
        return [warned(subject, nothing, f"Add services.{name}.metrics to the catalog.")]
    provider: MetricsProvider = METRICS.get(entry.metrics.provider)
    at = Checkup(
        name=name,
        entry=entry,
        subject=subject,
        metrics=context.metrics,
        store=context.store,
        clock=context.clock,
    )
    return await provider.check(at)


async def _check_target(
    context: Context, name: str, entry: ServiceEntry, strategy: str
) -> list[Finding]:
    subject = f"{name}, {strategy}"
    chosen = context.strategy(strategy)
    observed = await chosen.observe(entry, context.world)
    seen = passed(subject, observed.summary)
    try:
        proposed = await propose(context, name, strategy=chosen, target=None)
    except RefusedError as error:
        none = warned(f"{subject}, plan", f"There is none now: {error.what}", error.remedy)
        return [seen, none, *await _check_rights(context, entry, chosen, subject)]
    except RollbackBotError as error:
        return [seen, failed(f"{subject}, plan", error)]
    return [seen, *_of_plan(proposed.plan, subject)]


def _of_plan(plan: Plan, subject: str) -> list[Finding]:
    """Missing rights are the installation's fault; whatever else blocks is today's weather."""
    found = [_of_rights(one, f"{subject}, rights") for one in plan.preflights if _is_rights(one)]
    blocks = [one.sentence for one in plan.blocks if not _is_rights(one)]
    if blocks:
        said = f"A rollback now would be blocked: {' '.join(blocks)}"
        remedy = f"See “rollback-bot plan {plan.service} --strategy {plan.strategy}”."
        return [*found, warned(f"{subject}, plan", said, remedy)]
    way = f"{plan.from_release} → {plan.to_release} in {amount(len(plan.steps), 'step')}"
    return [*found, passed(f"{subject}, plan", f"It could go {way}.")]


def _is_rights(preflight: Preflight) -> bool:
    return "right" in preflight.name.lower()


def _of_rights(preflight: Preflight, subject: str) -> Finding:
    match preflight.verdict:
        case PreflightVerdict.PASS:
            return passed(subject, preflight.sentence)
        case PreflightVerdict.WARN:
            return warned(subject, preflight.sentence)
        case PreflightVerdict.BLOCK:
            return failed(subject, PermanentError(preflight.sentence))


async def _check_rights(
    context: Context, entry: ServiceEntry, strategy: Strategy, subject: str
) -> list[Finding]:
    """The rights that can be told without a plan."""
    needed = strategy.rights(entry).items()
    checks = [await check_rights(context.world.cluster, *one) for one in needed]
    return [_of_rights(one, f"{subject}, rights") for one in checks]


async def _check_freeze(context: Context, name: str, entry: ServiceEntry) -> list[Finding]:
    """Whether the marks could be written. Without them a freeze holds in the bot alone."""
    subject = f"{name}, deploy freeze"
    objects: dict[MarkedObject, None] = {}
    for target in entry.rollback:
        found = await context.freezer.objects(entry, target.strategy, context.world)
        objects |= dict.fromkeys(found)
    if not objects:
        return [passed(subject, "Nothing is there to be marked; it stands in the bot alone.")]
    problems = [finding for one in objects if (finding := await _unmarkable(context, one, subject))]
    marked = ", ".join(map(str, objects))
    return problems or [passed(subject, f"The bot may mark {marked}.")]


async def _unmarkable(context: Context, marked: MarkedObject, subject: str) -> Finding | None:
    if isinstance(marked, AwsResource):
        actions = {f"elasticloadbalancing:{name}": marked.arn for name in ("AddTags", "RemoveTags")}
        answer = await check_actions(context.world.aws, marked.region, actions)
        allowed = answer.verdict is PreflightVerdict.PASS
        return None if allowed else warned(subject, answer.sentence)
    return await _unpatchable(context, marked, subject)


async def _unpatchable(context: Context, marked: ClusterObject, subject: str) -> Finding | None:
    kind = Kind(api_version=marked.api_version, plural=marked.plural)
    for verb in ("get", "patch"):
        allowed = await context.world.cluster.may(verb, kind, marked.namespace, name=marked.name)
        if not allowed:
            what = f"The bot may not {verb} {marked}: a freeze would stand in the bot alone."
            return warned(subject, what, "Grant it with deploy/rbac.yaml.")
    return None
