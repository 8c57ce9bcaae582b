"""Steps that wait for pods: until those that take the traffic are ready, or none is left."""

from __future__ import annotations

from collections.abc import Mapping

from bot.domain.plan import Milestone, Step, StepSpec
from bot.domain.values import Facts
from bot.domain.workloads import selector_text
from strategies.commands import kubectl
from strategies.steps.await_no_pods import AwaitNoPods, AwaitNoPodsParams
from strategies.steps.check_ready import CheckReady, CheckReadyParams
from strategies.steps.rollout import RolloutParams

_READY_SECONDS = 30.0
"""Patience for pods that were ready when the plan was made."""
_MARGIN_SECONDS = 60.0
_USUAL_END_SECONDS = 10.0


def ready_step(
    namespace: str,
    *,
    title: str,
    live: Mapping[str, str],
    target: Mapping[str, str],
    name: str,
    expects: Facts,
    at_least: int = 1,
) -> Step:
    """The pods of ``target``, called ``name``, can take the traffic of those of ``live``."""
    params = CheckReadyParams(
        namespace=namespace,
        live=dict(live),
        target=dict(target),
        colour=name,
        at_least=at_least,
        patience_seconds=_READY_SECONDS,
    )
    return Step(
        title=title,
        action=StepSpec(kind=CheckReady.name, params=params.model_dump(mode="json")),
        expects=expects,
        inverse=None,
        command=kubectl(
            namespace,
            "wait",
            "--for=condition=Ready",
            "pod",
            "-l",
            selector_text(target),
            f"--timeout={_READY_SECONDS:.0f}s",
        ),
        estimate_seconds=1.0,
        changes=False,
    )


def end_patience(grace: float) -> float:
    """Seconds that pods with this grace period are given to end."""
    return grace + _MARGIN_SECONDS


def gone_step(
    pods: RolloutParams,
    *,
    labels: str,
    grace: float,
    target: Facts | None = None,
    milestone: Milestone | None = None,
) -> Step:
    """No pod of the release is left; ``target`` is the template that comes next, if any does."""
    params = AwaitNoPodsParams.model_validate(
        {**pods.model_dump(), "target": target, "patience_seconds": end_patience(grace)}
    )
    return Step(
        title=f"Wait until no pod of {pods.release} is left",
        action=StepSpec(kind=AwaitNoPods.name, params=params.model_dump(mode="json")),
        expects={"replicas": 0},
        inverse=None,
        command=gone_command(pods.namespace, labels, end_patience(grace)),
        estimate_seconds=min(grace, _USUAL_END_SECONDS),
        changes=False,
        milestone=milestone,
    )


def gone_command(namespace: str, labels: str, patience: float) -> str:
    """``kubectl wait`` fails where no pod matches from the beginning, which is well too."""
    timeout = f"--timeout={patience:.0f}s"
    wait = kubectl(namespace, "wait", "--for=delete", "pod", "-l", labels, timeout)
    left = kubectl(namespace, "get", "pods", "-l", labels, "-o", "name")
    return f'{wait} || test -z "$({left})"'
