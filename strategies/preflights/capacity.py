"""Can the other colour take the live one's traffic?"""

from __future__ import annotations

from bot.domain.plan import Preflight
from bot.domain.releases import release_of
from bot.domain.revisions import doomed_reason
from bot.domain.values import amount
from bot.domain.workloads import name_of, selector_text, selects
from strategies.planning.blue_green.colours import Colour
from strategies.preflights.verdicts import blocked, passed, warned

CAPACITY = "Capacity"
ROLLOUT = "Rollout"
SELECTOR = "Selector"


def check_capacity(live: Colour, target: Colour) -> Preflight:
    """Compares ready pods, counted from the pods: the Service shows the live colour only."""
    doomed = [f"{name_of(pod)}: {doomed_reason(pod)}" for pod in target.pods if doomed_reason(pod)]
    trouble = f" ({doomed[0]})" if doomed else ""
    counted = f"{target.name} has {amount(target.ready, 'ready pod')}, {live.name} has {live.ready}"
    if target.ready == 0:
        return blocked(
            CAPACITY,
            f"{target.name} is not ready: none of its {amount(len(target.pods), 'pod')} is"
            f"{trouble}. Scale Deployment {target.deployment_name} up first.",
        )
    if target.ready < live.ready:
        return blocked(
            CAPACITY,
            f"{counted}{trouble}. Scale Deployment {target.deployment_name} up to at least "
            f"{live.ready} first.",
        )
    wanted = live.deployment["spec"].get("replicas", 1) if live.deployment else 0
    if target.ready < wanted:
        return warned(
            CAPACITY, f"{counted}, but {live.name} is meant to have {wanted}: it may be too few."
        )
    return passed(CAPACITY, f"{counted}.")


def check_target_rollout(target: Colour, version_label: str) -> Preflight:
    """A target in the middle of a rollout serves two releases at once."""
    deployment = target.deployment or {"spec": {}, "metadata": {}}
    status = deployment.get("status") or {}
    paused = bool(deployment["spec"].get("paused"))
    mixed = {release_of(pod, version_label) for pod in target.pods} - {target.release}
    unseen = deployment["metadata"].get("generation", 0) > status.get("observedGeneration", 0)
    if mixed or unseen or status.get("updatedReplicas", 0) < status.get("replicas", 0):
        also = f" and still runs {', '.join(sorted(mixed))}" if mixed else ""
        return blocked(
            ROLLOUT,
            f"Deployment {target.deployment_name} is in the middle of "
            f"{'a paused' if paused else 'a'} rollout{also}. Let it finish or choose another "
            "release.",
        )
    if paused:
        return warned(
            ROLLOUT,
            f"Deployment {target.deployment_name} is paused; its pods run {target.release} and "
            "stay as they are.",
        )
    return passed(ROLLOUT, f"All pods of {target.name} are {target.release}.")


def check_selector(target: Colour, live: Colour) -> Preflight:
    """The new selector must select the target's pods and no others."""
    selector = (target.deployment or {"spec": {}})["spec"].get("selector")
    strangers = [
        name_of(pod)
        for pod in target.pods
        if not selects(selector, pod["metadata"].get("labels") or {})
    ]
    text = selector_text(target.selector)
    if strangers:
        return blocked(
            SELECTOR,
            f"{text} also selects pods that are not those of Deployment "
            f"{target.deployment_name}: {', '.join(sorted(strangers))}.",
        )
    if target.stale_keys:
        stale = ", ".join(f"{key}={live.selector[key]}" for key in target.stale_keys)
        return warned(
            SELECTOR,
            f"The live selector holds {stale}, which no pod of {target.name} has; the plan "
            f"leaves it out and selects {text}.",
        )
    return passed(SELECTOR, f"{text} selects the pods of Deployment {target.deployment_name}.")
