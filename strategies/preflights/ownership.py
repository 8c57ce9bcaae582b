"""Would the tool that owns an AWS resource undo the rollback?"""

from __future__ import annotations

from collections.abc import Mapping

from bot.domain.plan import Preflight
from strategies.preflights.verdicts import passed, warned

NAME = "Infrastructure as code"
_STACK = "aws:cloudformation:stack-name"
_CONTROLLER = "elbv2.k8s.aws/cluster"
_BY_HAND = ("terraform", "opentofu", "pulumi")
"""These tools leave no tag of their own; most teams add one that names them."""


def check_ownership(tags: Mapping[str, Mapping[str, str]], what: str) -> Preflight:
    """Warns by the tags of the resources (ARN → tags) that the plan changes or relies on."""
    owners = sorted({owner for one in tags.values() for owner in _owners(one)})
    if not owners:
        return passed(
            NAME,
            f"No tag says that a tool owns {what}. Terraform sets no tag by itself: if it does "
            "own it, the next apply undoes the rollback.",
        )
    return warned(
        NAME,
        f"{', '.join(owners)} owns {what} and undoes the rollback with its next run. Stop its "
        "pipeline, and change it there too.",
    )


def _owners(tags: Mapping[str, str]) -> list[str]:
    found = []
    if _STACK in tags:
        found.append(f"CloudFormation stack {tags[_STACK]}")
    if _CONTROLLER in tags:
        found.append(f"the AWS Load Balancer Controller of cluster {tags[_CONTROLLER]}")
    text = " ".join(f"{key} {value}" for key, value in tags.items()).lower()
    found += [name.capitalize() for name in _BY_HAND if name in text]
    return found
