"""Look whether every service of the catalog could be rolled back and measured now."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

from rich.text import Text

from bot.config.catalog import ServiceEntry
from bot.domain.findings import Finding, Health, failed, passed, warned
from bot.domain.plan import Plan, Preflight, PreflightVerdict
from bot.errors import PermanentError, RefusedError, RollbackBotError
from bot.pipeline.context import Context
from bot.pipeline.prepare import propose
from bot.ports.cluster import DEPLOYMENTS, PODS, SERVICES
from bot.terminal.printing import here

_MARKS = {
    Health.PASS: ("✓ pass", "green"),
    Health.WARN: ("! warn", "yellow"),
    Health.FAIL: ("✗ fail", "bold red"),
}
_CHANGED_BY = {"blue-green": SERVICES, "rolling": DEPLOYMENTS}
"""What a strategy patches, for the time when there is no plan that could tell."""
_LOOK_BACK = timedelta(minutes=1)


def line(finding: Finding) -> Text:
    """A finding as one line; what to do next follows it."""
    mark, style = _MARKS[finding.health]
    remedy = f" → {finding.remedy}" if finding.remedy else ""
    return Text.assemble(
        (mark, style), "  ", (f"{finding.subject}: ", "bold"), here(f"{finding.what}{remedy}")
    )


async def check_services(context: Context) -> AsyncIterator[Finding]:
    """For each service and each of its ways to roll back: reachable, rights, a plan; metrics."""
    for name, entry in context.catalog.services.items():
        for target in entry.rollback:
            async for finding in _check_target(context, name, entry, target.strategy):
                yield finding
        yield await _check_metrics(context, name, entry)


async def _check_target(
    context: Context, name: str, entry: ServiceEntry, strategy: str
) -> AsyncIterator[Finding]:
    subject = f"{name}, {strategy}"
    chosen = context.strategy(strategy)
    try:
        observed = await chosen.observe(entry, context.world)
    except RollbackBotError as error:
        yield failed(subject, error)
        return
    yield passed(subject, observed.summary)
    try:
        proposed = await propose(context, name, strategy=chosen, target=None)
    except RefusedError as error:
        yield warned(f"{subject}, plan", f"There is none now: {error.what}", error.remedy)
        async for finding in _check_rights(context, entry, strategy, subject):
            yield finding
        return
    except RollbackBotError as error:
        yield failed(f"{subject}, plan", error)
        return
    for finding in _of_plan(proposed.plan, subject):
        yield finding


def _of_plan(plan: Plan, subject: str) -> list[Finding]:
    """Missing rights are the installation's fault; whatever else blocks is today's weather."""
    rights = [one for one in plan.preflights if _is_rights(one)]
    found = []
    for one in rights:
        if one.verdict is PreflightVerdict.PASS:
            found.append(passed(f"{subject}, rights", one.sentence))
        elif one.verdict is PreflightVerdict.WARN:
            found.append(warned(f"{subject}, rights", one.sentence))
        else:
            found.append(failed(f"{subject}, rights", PermanentError(one.sentence)))
    blocks = [one.sentence for one in plan.blocks if not _is_rights(one)]
    if blocks:
        said = f"A rollback now would be blocked: {' '.join(blocks)}"
        remedy = f"See “rollback-bot plan {plan.service} --strategy {plan.strategy}”."
        return [*found, warned(f"{subject}, plan", said, remedy)]
    way = f"{plan.from_release} → {plan.to_release} in {len(plan.steps)} steps"
    return [*found, passed(f"{subject}, plan", f"It could go {way}.")]


def _is_rights(preflight: Preflight) -> bool:
    return "right" in preflight.name.lower()


async def _check_rights(
    context: Context, entry: ServiceEntry, strategy: str, subject: str
) -> AsyncIterator[Finding]:
    """The rights that can be told without a plan."""
    kind = _CHANGED_BY.get(strategy)
    target = next(one for one in entry.rollback if one.strategy == strategy)
    namespace = getattr(target, "namespace", None)
    if kind is None or namespace is None:
        return
    cluster = context.world.cluster
    wanted = {f"patch {kind.plural}": ("patch", kind), "watch pods": ("watch", PODS)}
    try:
        missing = [
            said
            for said, (verb, of) in wanted.items()
            if not await cluster.may(verb, of, namespace)
        ]
    except RollbackBotError as error:
        yield failed(f"{subject}, rights", error)
        return
    if missing:
        lacking = PermanentError(
            f"The bot may not {', '.join(missing)} in namespace {namespace}.",
            "Grant it with deploy/rbac.yaml.",
        )
        yield failed(f"{subject}, rights", lacking)
    else:
        yield passed(
            f"{subject}, rights", f"The bot may {', '.join(wanted)} in namespace {namespace}."
        )


async def _check_metrics(context: Context, name: str, entry: ServiceEntry) -> Finding:
    subject = f"{name}, metrics"
    if entry.metrics is None:
        return warned(
            subject,
            "Nothing measures it, so recovery can never be proven.",
            f"Add services.{name}.metrics to the catalog.",
        )
    now = context.clock.now()
    try:
        await context.metrics.series(name, entry, start=now - _LOOK_BACK, end=now, seconds=10)
    except RollbackBotError as error:
        return failed(subject, error)
    read = await context.store.scrapes(name, start=now, end=context.clock.now())
    if not read:
        return warned(subject, "No pod could be read just now.", "Check selector, port and path.")
    releases = ", ".join(sorted({point.release for point in read}))
    pods = len({point.instance for point in read})
    return passed(subject, f"Counters of {pods} pods were read ({releases}).")
