"""May the bot do it? Where AWS has no dry run, IAM's own simulation is asked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from bot.domain.plan import Preflight
from bot.errors import PermanentError, TemporaryError
from bot.ports.outside import Aws
from strategies.preflights.verdicts import blocked, passed, warned

NAME = "Rights"
_SESSION = re.compile(r"(arn:[^:]+):sts::(\d+):assumed-role/([^/]+)/.*")


async def check_actions(
    aws: Aws, region: str, wanted: Mapping[str, str | tuple[str, ...]]
) -> Preflight:
    """Simulates each action (``elasticloadbalancing:ModifyRule``) on the ARNs that it concerns.

    What the simulation cannot tell is a warning: it needs rights of its own, and does not know
    the conditions of every policy.
    """
    names = ", ".join(wanted)
    try:
        identity = await aws.call("sts", "get_caller_identity", region=region)
        source = await _policy_source(aws, region, str(identity["Arn"]))
        if source is None:
            return warned(NAME, f"{identity['Arn']} cannot be simulated, so {names} is unchecked.")
        denied: list[str] = []
        unsure: list[str] = []
        for action, resource in _pairs(wanted):
            answer = await aws.call(
                "iam",
                "simulate_principal_policy",
                region=region,
                PolicySourceArn=source,
                ActionNames=[action],
                ResourceArns=[resource],
            )
            for result in answer["EvaluationResults"]:
                if result["EvalDecision"] != "allowed":
                    (unsure if result.get("MissingContextValues") else denied).append(action)
    except (PermanentError, TemporaryError) as error:
        return warned(
            NAME,
            f"What the plan reads could be read. AWS has no dry run for {names}, and IAM's "
            f"simulation could not be asked: {error.what}",
        )
    if denied:
        what = ", ".join(dict.fromkeys(denied))
        return blocked(NAME, f"{source} may not {what}. Grant it as in deploy/iam/.")
    if unsure:
        what = ", ".join(dict.fromkeys(unsure))
        return warned(NAME, f"{source} may {what} only under conditions that were not simulated.")
    return passed(NAME, f"{source} may {names}, by IAM's simulation.")


def _pairs(wanted: Mapping[str, str | tuple[str, ...]]) -> Iterator[tuple[str, str]]:
    for action, resources in wanted.items():
        for resource in (resources,) if isinstance(resources, str) else resources:
            yield action, resource


async def _policy_source(aws: Aws, region: str, arn: str) -> str | None:
    """The user or role whose policies count; a session's name does not tell the role's path."""
    session = _SESSION.fullmatch(arn)
    if session is None:
        return arn if ":user/" in arn else None
    answer = await aws.call("iam", "get_role", region=region, RoleName=session.group(3))
    return str(answer["Role"]["Arn"])
