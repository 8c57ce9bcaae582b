"""What else decides how many pods there are: autoscalers and disruption budgets."""

from __future__ import annotations

from bot.domain.plan import Preflight
from bot.domain.rollouts import kind_of
from bot.domain.workloads import labels_of, name_of, selects
from bot.ports.cluster import AUTOSCALERS, DISRUPTION_BUDGETS, Cluster, Manifest
from strategies.preflights.verdicts import passed, warned

AUTOSCALER = "Autoscaler"
BUDGET = "Disruption budget"


async def check_autoscaler(cluster: Cluster, namespace: str, deployment: Manifest) -> Preflight:
    """Warns where an autoscaler has gone inactive at zero: it never scales up from there."""
    name = name_of(deployment)
    for autoscaler in await cluster.list(AUTOSCALERS, namespace):
        target = autoscaler["spec"]["scaleTargetRef"]
        if target.get("kind") != kind_of(deployment) or target.get("name") != name:
            continue
        spec = autoscaler["spec"]
        limits = f"{spec.get('minReplicas', 1)} to {spec['maxReplicas']} pods"
        if deployment["spec"].get("replicas", 1) == 0:
            return warned(
                AUTOSCALER,
                f"{name} stands at 0 replicas, where HorizontalPodAutoscaler "
                f"{name_of(autoscaler)} ({limits}) is inactive: it will not scale up by itself. "
                "Scale it up by hand.",
            )
        return passed(AUTOSCALER, f"{name_of(autoscaler)} keeps {name} at {limits}.")
    return passed(AUTOSCALER, f"No HorizontalPodAutoscaler scales {name}.")


async def check_budget(cluster: Cluster, namespace: str, deployment: Manifest) -> Preflight:
    """Names the disruption budget; it limits evictions, not a rollout or a switch."""
    labels = labels_of(deployment["spec"]["template"])
    for budget in await cluster.list(DISRUPTION_BUDGETS, namespace):
        if not selects(budget["spec"].get("selector"), labels):
            continue
        status = budget.get("status") or {}
        allowed = status.get("disruptionsAllowed", 0)
        return passed(
            BUDGET,
            f"{name_of(budget)} allows {allowed} evictions now; it does not slow the rollback.",
        )
    return passed(BUDGET, "None covers the target's pods.")
