"""Step: every pod is the target's, ready, and says so itself."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta

from prometheus_client.parser import text_string_to_metric_families

from bot.clouds.kubernetes.objects import PODS, Manifest
from bot.clouds.kubernetes.ownership import last_writer
from bot.clouds.kubernetes.rollouts import (
    doomed_reason,
    is_partitioned_off,
    mark_on,
    own_pods,
    partition_of,
    target_marks,
    wanted_pods,
)
from bot.clouds.kubernetes.workloads import (
    is_finished,
    is_ready,
    is_terminating,
    name_of,
    ready_names,
    reports_release,
    selector_text,
)
from bot.core.errors import NotFoundError, PermanentError, TemporaryError, WorldMovedError
from bot.core.values import Facts, Value, amount, spoken
from bot.engine.world import Observed, StepState, World
from bot.incident.plan import Milestone, Step, StepSpec
from strategies.common.commands import kubectl
from strategies.common.waiting import Objects, Pending, Selection, until_right, wait_until
from strategies.kubernetes.workload import (
    RolloutParams,
    existing,
    has_template,
    moved,
    read,
    selections,
    the_one,
    without_template,
)

# Step: the target's pods must be ready to take the live side's traffic.


class CheckReadyParams(Value):
    """Which pods take over from which."""

    namespace: str
    live: dict[str, str]
    """Selector of the pods that serve now."""
    target: dict[str, str]
    colour: str
    at_least: int = 1
    """So many pods are needed however few serve now."""
    patience_seconds: float


class CheckReady:
    """Waits until the target has at least the live side's ready capacity; changes nothing."""

    name = "check-ready"

    async def observe(self, step: Step, world: World) -> Observed:
        """AFTER when the target is ready, else BEFORE."""
        params = CheckReadyParams.model_validate(step.action.params)
        objects = [
            await world.cluster.list(PODS, one.namespace, labels=one.labels)
            for one in _selections(params)
        ]
        verdict = _readiness(params, objects)
        if isinstance(verdict, str):
            return Observed(state=StepState.AFTER, summary=verdict)
        return Observed(state=StepState.BEFORE, summary=verdict.summary)

    async def act(self, step: Step, world: World) -> None:
        """Nothing to do."""

    async def confirm(self, step: Step, world: World) -> str:
        """Raises PermanentError when the target does not become ready in time."""
        params = CheckReadyParams.model_validate(step.action.params)

        def check(objects: Objects) -> Pending | str:
            for pod in objects[0]:
                if reason := doomed_reason(pod):
                    raise PermanentError(
                        f"Pod {name_of(pod)} of {params.colour} cannot start: {reason}.",
                        "Repair the target or choose another one; traffic was not switched.",
                    )
            return _readiness(params, objects)

        return await wait_until(
            world, _selections(params), check, patience_seconds=params.patience_seconds
        )


def _selections(params: CheckReadyParams) -> tuple[Selection, Selection]:
    return (
        Selection(kind=PODS, namespace=params.namespace, labels=selector_text(params.target)),
        Selection(kind=PODS, namespace=params.namespace, labels=selector_text(params.live)),
    )


def _readiness(params: CheckReadyParams, objects: Objects) -> Pending | str:
    target, live = objects
    ready, needed = len(ready_names(target)), max(params.at_least, len(ready_names(live)))
    running = len([pod for pod in target if not is_terminating(pod)])
    summary = f"{ready} of {running} pods of {params.colour} are ready, {needed} needed"
    return f"{summary}." if ready >= needed else Pending(summary=summary, progress=str(ready))


# Step: wait until the last pod of the bad release has ended.


class AwaitNoPodsParams(RolloutParams):
    """Whose pods must be gone; ``template`` is the bad one."""

    target: Facts | None = None
    """The template that comes next: its own pods may be there when this is looked at again.
    None when nothing comes next."""
    patience_seconds: float


class AwaitNoPods:
    """Counts pods, not replicas: a pod that is ending still holds its locks and connections."""

    name = "await-no-pods"

    async def observe(self, step: Step, world: World) -> Observed:
        """AFTER when no pod is left; OTHER when somebody scaled up again."""
        params = AwaitNoPodsParams.model_validate(step.action.params)
        deployment = await read(params, world)
        objects = [
            await world.cluster.list(one.kind, one.namespace, labels=one.labels, fields=one.fields)
            for one in selections(params, deployment)
        ]
        try:
            verdict = _leftovers(params, objects)
        except WorldMovedError as error:
            path = ("template",) if not _is_known(params, deployment) else ("replicas",)
            return Observed(
                state=StepState.OTHER,
                summary=error.what,
                changed_by=last_writer(deployment, "spec", *path),
            )
        if isinstance(verdict, str):
            return Observed(state=StepState.AFTER, summary=verdict)
        return Observed(state=StepState.BEFORE, summary=f"{verdict.summary}.")

    async def act(self, step: Step, world: World) -> None:
        """Nothing to do."""

    async def confirm(self, step: Step, world: World) -> str:
        """Raises PermanentError naming the pods that do not end in time."""
        params = AwaitNoPodsParams.model_validate(step.action.params)
        deployment = await read(params, world)
        return await wait_until(
            world,
            selections(params, deployment),
            lambda objects: _leftovers(params, objects),
            patience_seconds=params.patience_seconds,
        )


def _is_known(params: AwaitNoPodsParams, deployment: Manifest) -> bool:
    return has_template(deployment, params.template) or _is_past(params, deployment)


def _is_past(params: AwaitNoPodsParams, deployment: Manifest) -> bool:
    return params.target is not None and has_template(deployment, params.target)


def _leftovers(params: AwaitNoPodsParams, objects: Objects) -> Pending | str:
    found, revisions, pods = objects
    deployment = the_one(found, params)
    if not _is_known(params, deployment):
        raise moved(params, deployment)
    running = [pod for pod in own_pods(pods, revisions, deployment) if not is_finished(pod)]
    if params.target is not None and has_template(deployment, params.target):
        marks = target_marks(revisions, deployment, params.target)
        running = [pod for pod in running if mark_on(pod) not in marks]
    elif deployment["spec"].get("replicas", 1) != 0:
        raise WorldMovedError(
            f"{params} was scaled up to {deployment['spec'].get('replicas', 1)} again by "
            f"{last_writer(deployment, 'spec', 'replicas')}.",
            "Find out what scales it, then plan again.",
        )
    if not running:
        return f"No pod of {params.release} is left."
    ready = sum(is_ready(pod) for pod in running)
    names = ", ".join(sorted(map(name_of, running)))
    left = amount(len(running), "pod")
    return Pending(
        summary=f"{left} of {params.release} still there ({names}), {ready} ready",
        progress=f"{len(running)} {ready}",
    )


# Steps that wait for pods: until those that take the traffic are ready, or none is left.

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


# Asking the service and its pods which release they are, and how much they have served.

_AT_ONCE = 16
_FRESH_ANSWERS = 3
"""Consecutive fresh connections that must reach the target: a stale route may still answer."""


class RequestCounter(Value):
    """Where a pod counts the requests of its users."""

    port: int
    path: str
    name: str
    where: dict[str, str]

    def __str__(self) -> str:
        """As in PromQL: ``http_requests_total{path="/"}``."""
        labels = ",".join(f'{key}="{value}"' for key, value in sorted(self.where.items()))
        return f"{self.name}{{{labels}}}" if labels else self.name


class Count(Value):
    """What one pod says that it has served."""

    total: float | None
    """Requests since it started; None where the counter cannot be read."""
    matches: bool = True
    """False where no series of the counter has the labels of ``where``.

    So it is in a pod that has not served such a request yet, and where the filter is wrong.
    """


async def await_release(world: World, url: str, release: str, *, patience_seconds: float) -> str:
    """Ask the version endpoint until it names the release several times in a row.

    The answer that was missing is returned as a sentence; empty when all is well.
    """

    async def ask() -> str:
        try:
            answer = await world.http.get(url)
        except TemporaryError as error:
            return error.what or "no answer"
        if answer.status == 200 and reports_release(answer.text, release):
            return ""
        return f"HTTP {answer.status}: {answer.text.strip()[:80]}"

    last = await until_right(
        ask, world.clock, times=_FRESH_ANSWERS, patience_seconds=patience_seconds
    )
    return f"{url} does not answer with {release} (last: {last})" if last else ""


async def wrong_versions(
    world: World, namespace: str, pods: Sequence[str], *, port: int, path: str, release: str
) -> dict[str, str]:
    """Each pod that does not report the release, with what it did instead."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def ask(pod: str) -> str:
        async with gate:
            try:
                answer = await world.cluster.ask_pod(namespace, pod, port, path)
            except (TemporaryError, NotFoundError) as error:
                return error.what
        if answer.status == 200 and reports_release(answer.text, release):
            return ""
        return f"answers HTTP {answer.status}: {answer.text.strip()[:80]}"

    answers = await asyncio.gather(*(ask(pod) for pod in pods))
    return {pod: text for pod, text in zip(pods, answers, strict=True) if text}


async def served(
    world: World, namespace: str, pods: Sequence[str], counter: RequestCounter
) -> dict[str, Count]:
    """What each pod has served since it started.

    Pods that are gone are left out: they serve nothing any more.
    """
    gate = asyncio.Semaphore(_AT_ONCE)

    async def read(pod: str) -> tuple[str, Count] | None:
        async with gate:
            try:
                answer = await world.cluster.ask_pod(namespace, pod, counter.port, counter.path)
            except NotFoundError:
                return None
            except TemporaryError:
                return pod, Count(total=None)
        read = answer.status == 200
        return pod, _count(answer.text, counter) if read else Count(total=None)

    readings = await asyncio.gather(*(read(pod) for pod in pods))
    return dict(reading for reading in readings if reading is not None)


def _count(text: str, counter: RequestCounter) -> Count:
    """Unknown for metrics without this counter: no figure is not the figure 0."""
    try:
        families = list(text_string_to_metric_families(text))
    except ValueError:
        return Count(total=None)
    names = {name for one in families for name in (one.name, f"{one.name}_total")}
    names |= {sample.name for one in families for sample in one.samples}
    if counter.name not in names:
        return Count(total=None)
    values = [
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == counter.name and counter.where.items() <= sample.labels.items()
    ]
    return Count(total=sum(values), matches=bool(values) or not counter.where)


_PAUSE_SECONDS = 0.5


class VerifyPodsParams(RolloutParams):
    """Where each pod tells its version; without a port nobody asks."""

    port: int | None
    path: str
    patience_seconds: float


class VerifyPods:
    """Waits until only ready pods of the target are left, then asks each; changes nothing."""

    name = "verify-pods"

    async def observe(self, step: Step, world: World) -> Observed:
        """BEFORE: what pods answer must be asked anew each time; OTHER for another template."""
        params = VerifyPodsParams.model_validate(step.action.params)
        workload = await read(params, world)
        if not has_template(workload, params.template):
            return without_template(params, workload)
        return Observed(
            state=StepState.BEFORE, summary=f"The pods of {params.workload} are to be asked."
        )

    async def act(self, step: Step, world: World) -> None:
        """Nothing to do."""

    async def confirm(self, step: Step, world: World) -> str:
        """Raises PermanentError naming the pods that are not right in time."""
        params = VerifyPodsParams.model_validate(step.action.params)
        deadline = world.clock.now() + timedelta(seconds=params.patience_seconds)
        while True:
            workload = await read(params, world)
            if not has_template(workload, params.template):
                raise moved(params, workload)
            names = await self._settled(params, workload, world)
            if not names:
                return f"{params} stands at 0 replicas: no pod is left, and none could be asked."
            if params.port is None:
                return (
                    f"{_counted(names)} ready and of the target's revision. The catalog names "
                    "no port or path for versions, so the pods were not asked for their version."
                )
            wrong = await wrong_versions(
                world,
                params.namespace,
                names,
                port=params.port,
                path=params.path,
                release=params.release,
            )
            if not wrong:
                return f"{_counted(names)} ready and answer with {params.release}."
            if world.clock.now() >= deadline:
                told = "; ".join(f"{pod} {text}" for pod, text in sorted(wrong.items()))
                raise PermanentError(
                    f"Not every pod is {params.release} after {spoken(params.patience_seconds)}: "
                    f"{told}.",
                    "Check the version endpoint and the image behind the tag.",
                )
            await world.clock.sleep(_PAUSE_SECONDS)

    @staticmethod
    async def _settled(
        params: VerifyPodsParams, workload: Manifest, world: World
    ) -> tuple[str, ...]:
        """Names of the pods once none but the target's are left and all are ready."""
        settled: list[str] = []

        def check(objects: Objects) -> Pending | str:
            found, revisions, pods = objects
            live = existing(params, found)
            marks = target_marks(revisions, live, params.template)
            running = [
                pod
                for pod in own_pods(pods, revisions, live)
                if not is_finished(pod) and not is_partitioned_off(pod, live)
            ]
            old = [name_of(pod) for pod in running if mark_on(pod) not in marks]
            unready = [
                name_of(pod) for pod in running if mark_on(pod) in marks and not is_ready(pod)
            ]
            if old or unready:
                return Pending(
                    summary=f"old pods still there: {', '.join(old) or 'none'}; "
                    f"not ready: {', '.join(unready) or 'none'}",
                    progress=f"{sorted(old)} {sorted(unready)}",
                )
            wanted = wanted_pods(live) - partition_of(live)
            if len(running) < wanted:
                return Pending(
                    summary=f"{len(running)} of {wanted} pods are there",
                    progress=str(len(running)),
                )
            settled[:] = sorted(name_of(pod) for pod in running)
            return "settled"

        await wait_until(
            world,
            selections(params, workload),
            check,
            patience_seconds=params.patience_seconds,
        )
        return tuple(settled)


def _counted(names: tuple[str, ...]) -> str:
    return f"All {len(names)} pods are" if len(names) != 1 else "The pod is"
