"""Asking a service whether a feature is off."""

from __future__ import annotations

import json
from typing import Any

from bot.config.targets.feature_flag import Expectation, Probe
from bot.errors import TemporaryError
from bot.ports.outside import HttpAnswer
from bot.ports.world import World
from strategies.waiting import until_right


async def await_expected(world: World, url: str, probe: Probe) -> str:
    """Ask until so many answers in a row are as expected; what is wrong else, empty when well.

    One answer proves nothing: a load balancer may have chosen an instance that knows already.
    """
    return await until_right(
        lambda: ask(world, url, probe),
        world.clock,
        times=probe.times,
        patience_seconds=probe.patience.total_seconds(),
    )


async def ask(world: World, url: str, probe: Probe) -> str:
    """What is wrong with one answer; empty when it is as expected."""
    try:
        answer = await world.http.get(probe_url(url, probe))
    except TemporaryError as error:
        return error.what
    wrong = _difference(answer, probe.expect)
    return f"{probe.path} answers {wrong}" if wrong else ""


def probe_url(url: str, probe: Probe) -> str:
    """Where the probe asks."""
    return f"{url.rstrip('/')}/{probe.path.lstrip('/')}"


def _difference(answer: HttpAnswer, expected: Expectation) -> str:
    if answer.status != expected.status:
        return f"HTTP {answer.status} instead of {expected.status}"
    if expected.contains and expected.contains not in answer.text:
        return f"without “{expected.contains}”"
    if expected.not_contains and expected.not_contains in answer.text:
        return f"with “{expected.not_contains}”"
    if not expected.json_members:
        return ""
    try:
        body = json.loads(answer.text)
    except ValueError:
        return "something else than JSON"
    for path, value in expected.json_members.items():
        found = _member(body, path)
        if found != value or isinstance(found, bool) is not isinstance(value, bool):
            return f"{path} = {json.dumps(found)[:80]} instead of {json.dumps(value)}"
    return ""


def _member(body: Any, path: str) -> Any:
    for name in path.split("."):
        body = body.get(name) if isinstance(body, dict) else None
    return body
