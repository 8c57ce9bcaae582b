"""Step: point a Service at another set of pods."""

from __future__ import annotations

from bot.clouds.kubernetes.objects import ENDPOINT_SLICES, PODS, SERVICES, Manifest
from bot.clouds.kubernetes.ownership import last_writer
from bot.clouds.kubernetes.workloads import is_terminating, name_of, ready_names, selector_text
from bot.core.errors import PermanentError, WorldMovedError
from bot.core.values import Value, amount, spoken
from bot.engine.world import Observed, StepState, World
from bot.incident.plan import Step
from strategies.common.waiting import Objects, Pending, Selection, wait_until
from strategies.kubernetes.fields import edit
from strategies.kubernetes.pods import await_release
from strategies.kubernetes.workload import named, the_one


class SwitchServiceParams(Value):
    """From which selector to which, and how to tell that users have arrived there."""

    namespace: str
    service: str
    old: dict[str, str]
    new: dict[str, str]
    release: str
    url: str
    """The version endpoint as users reach it; empty when there is none."""
    patience_seconds: float


def switch_operations(old: dict[str, str], new: dict[str, str]) -> list[Manifest]:
    """The JSON Patch: the whole selector, since a merge would leave stale keys."""
    return [
        {"op": "test", "path": "/spec/selector", "value": old},
        {"op": "replace", "path": "/spec/selector", "value": new},
    ]


class SwitchService:
    """Replaces the selector, then waits until the endpoints and the users' URL have followed."""

    name = "switch-service"

    async def observe(self, step: Step, world: World) -> Observed:
        """By the live selector."""
        params = SwitchServiceParams.model_validate(step.action.params)
        service = await world.cluster.get(SERVICES, params.namespace, params.service)
        selector = _selector(service)
        summary = f"Service {params.service} selects {selector_text(selector)}."
        if selector == params.new:
            state = StepState.AFTER
        elif selector == params.old:
            state = StepState.BEFORE
        else:
            state = StepState.OTHER
        changed_by = last_writer(service, "spec", "selector") if state is StepState.OTHER else ""
        return Observed(
            state=state, summary=summary, facts={"selector": selector}, changed_by=changed_by
        )

    async def act(self, step: Step, world: World) -> None:
        """Raises WorldMovedError, naming who, when the selector is no longer the old one."""
        params = SwitchServiceParams.model_validate(step.action.params)

        def change(service: Manifest) -> list[Manifest]:
            selector = _selector(service)
            if selector not in (params.old, params.new):
                raise _moved(params, service)
            return [] if selector == params.new else switch_operations(params.old, params.new)

        await edit(world.cluster, SERVICES, params.namespace, params.service, change)

    async def confirm(self, step: Step, world: World) -> str:
        """Raises PermanentError when endpoints or users do not arrive in time."""
        params = SwitchServiceParams.model_validate(step.action.params)
        endpoints = await wait_until(
            world,
            _selections(params),
            lambda objects: _check(params, objects),
            patience_seconds=params.patience_seconds,
        )
        if not params.url:
            return f"{endpoints} Nobody was asked for the version: url or version_path is not set."
        trouble = await await_release(
            world, params.url, params.release, patience_seconds=params.patience_seconds
        )
        if trouble:
            raise PermanentError(
                f"The Service was switched, but after {spoken(params.patience_seconds)} {trouble}.",
                "Look at what lies between the users and the Service: ingress, proxies, DNS.",
            )
        return f"{endpoints} {params.url} answers with {params.release}."


def _selector(service: Manifest) -> dict[str, str]:
    return service["spec"].get("selector") or {}


def _moved(params: SwitchServiceParams, service: Manifest) -> WorldMovedError:
    return WorldMovedError(
        f"The selector of Service {params.service} was changed to "
        f"{selector_text(_selector(service))} by {last_writer(service, 'spec', 'selector')}.",
        "Plan again.",
    )


def _selections(params: SwitchServiceParams) -> tuple[Selection, ...]:
    return (
        named(SERVICES, params.namespace, params.service),
        Selection(
            kind=ENDPOINT_SLICES,
            namespace=params.namespace,
            labels=f"kubernetes.io/service-name={params.service}",
        ),
        Selection(kind=PODS, namespace=params.namespace, labels=selector_text(params.new)),
    )


def _check(params: SwitchServiceParams, objects: Objects) -> Pending | str:
    services, slices, pods = objects
    service = the_one(services, f"Service {params.service}")
    if _selector(service) != params.new:
        raise _moved(params, service)
    ready = ready_names(pods)
    allowed = ready
    if service["spec"].get("publishNotReadyAddresses"):
        # Its endpoints are called ready whether the pods are or not.
        allowed = frozenset(name_of(pod) for pod in pods if not is_terminating(pod))
    behind = _behind(slices)
    if ready and ready <= behind <= allowed:
        counted = amount(len(ready), "ready pod")
        return f"The Service's endpoints are exactly the {counted} of the target."
    strange = ", ".join(sorted(behind - allowed)) or "none"
    missing = ", ".join(sorted(ready - behind)) or "none"
    return Pending(
        summary=f"the endpoints of {params.service} have not followed "
        f"(pods too many: {strange}; missing: {missing})"
    )


def _behind(slices: tuple[Manifest, ...]) -> frozenset[str]:
    """Names of the pods that receive traffic; an address without a pod stands for itself."""
    found: set[str] = set()
    for endpoint_slice in slices:
        for endpoint in endpoint_slice.get("endpoints") or []:
            # A missing condition means ready (EndpointConditions in discovery.k8s.io/v1).
            if (endpoint.get("conditions") or {}).get("ready", True) is False:
                continue
            target = endpoint.get("targetRef") or {}
            found.update([target["name"]] if "name" in target else endpoint["addresses"])
    return frozenset(found)
