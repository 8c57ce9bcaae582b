"""How other services and addresses are doing just now: what an incident may have its cause in."""

from __future__ import annotations

from urllib.parse import urlsplit

from bot.config.verification import is_address
from bot.domain.binomial import exact_bounds
from bot.domain.causes import Health
from bot.errors import RollbackBotError
from bot.pipeline.context import Context
from bot.pipeline.measuring import counted
from bot.pipeline.replicas import check_service


async def dependency(context: Context, name: str) -> Health:
    """Something that a service needs: another service of the catalog, or an address."""
    if is_address(name):
        return await _address(context, name)
    health, _, problems = await check_service(context, context.service(name))
    measured = await rate(context, name)
    if health is False:
        why = problems[0] if problems else f"The health check of {name} fails."
        return Health(name=name, well=False, sentence=why, service=name)
    if measured.well is not None or measured.service:
        # What its users meet counts for more than a health check, also where it leaves doubts.
        return measured
    if health is None:
        return Health(name=name, well=None, sentence=f"{name} has neither health check nor counts.")
    return Health(name=name, well=True, sentence=f"{name} passes its health check.", service=name)


async def _address(context: Context, url: str) -> Health:
    parts = urlsplit(url)
    # The rest of an address may hold what nobody should read.
    shown = f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"
    try:
        answer = await context.world.http.get(url)
    except RollbackBotError:
        return Health(name=shown, well=False, sentence=f"{shown} does not answer.")
    well = 200 <= answer.status < 300
    return Health(name=shown, well=well, sentence=f"{shown} answers {answer.status}.")


async def rate(context: Context, name: str) -> Health:
    """A service's error rate just now; failing takes proof, as everywhere."""
    entry = context.service(name)
    if entry.metrics is None:
        return Health(name=name, well=None, sentence=f"{name} is not measured.")
    end = context.clock.now() - entry.metrics.late_by
    outcome = await counted(context, name, end - context.catalog.assessment.live_window, end)
    if isinstance(outcome, str):
        return Health(name=name, well=None, sentence=f"{name} could not be measured: {outcome}")
    if outcome.error_rate is None:
        return Health(name=name, well=None, sentence=f"{name} had no request just now.")
    limit = entry.thresholds.discuss_error_rate
    lower, _ = exact_bounds(outcome.errors, outcome.requests)
    told = f"{name} fails {outcome.error_rate:.2%} of {outcome.requests} requests (its limit: "
    if lower <= limit < outcome.error_rate:
        # Above the limit, and by too few requests to be sure: neither sick nor well.
        too_few = f"{told}{limit:.2%}), which are too few to be sure."
        return Health(name=name, well=None, sentence=too_few, service=name)
    return Health(name=name, well=lower <= limit, sentence=f"{told}{limit:.2%}).", service=name)
