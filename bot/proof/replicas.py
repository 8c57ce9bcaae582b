"""What every replica, and the service as its users see it, say about health and version."""

from __future__ import annotations

import asyncio
import json

from bot.catalog.service import ServiceEntry
from bot.core.errors import RollbackBotError
from bot.engine.context import Context
from bot.engine.world import Instance, Strategy
from bot.incident import events as e
from bot.incident.state import Incident

NO_PORT = (
    "no port is known to ask it on: set the service's instance_port in rollback.yml, or its "
    "version_path to null"
)


async def check_instances(context: Context, incident: Incident) -> e.InstancesChecked:
    """Ask all of them at once; what cannot be told is a problem, never an error."""
    entry = context.service(incident.declared.service)
    return await instances_of(context, entry, context.strategy_of(incident))


async def instances_of(
    context: Context, entry: ServiceEntry, strategy: Strategy
) -> e.InstancesChecked:
    """The same for any service, as this strategy knows its replicas."""
    problems = []
    instances: tuple[Instance, ...] = ()
    try:
        instances = await strategy.instances(entry, context.world)
    except RollbackBotError as error:
        problems.append(f"The replicas could not be listed: {error.what}")
    checked = await asyncio.gather(*(_check_instance(context, entry, item) for item in instances))
    health, version, gaps = await check_service(context, entry)
    return e.InstancesChecked(
        instances=tuple(checked), health_ok=health, version=version, problems=(*problems, *gaps)
    )


async def _check_instance(
    context: Context, entry: ServiceEntry, instance: Instance
) -> e.InstanceCheck:
    port = entry.instance_port or (entry.pod_metrics.port if entry.pod_metrics else None)
    version, problem = None, instance.problem
    wanted = instance.ready and instance.askable and entry.version_path is not None
    if wanted and port is None:
        problem = problem or NO_PORT
    elif wanted and port is not None and entry.version_path is not None:
        try:
            answer = await context.world.cluster.ask_pod(
                instance.namespace, instance.name, port, entry.version_path
            )
            version = version_in(answer.text) if answer.status == 200 else None
            problem = problem or ("" if version else f"its version path says {answer.status}")
        except RollbackBotError as error:
            problem = error.what
    return e.InstanceCheck(
        name=instance.name,
        ready=instance.ready,
        version=version,
        askable=instance.askable,
        problem=problem,
    )


async def check_service(
    context: Context, entry: ServiceEntry
) -> tuple[bool | None, str | None, list[str]]:
    """Health, version, and what could not be told, as a user of the service would see it."""
    if entry.url is None:
        return None, None, []
    base, problems = str(entry.url).rstrip("/"), []
    health: bool | None = None
    version = None
    try:
        if entry.health_path is not None:
            health = (await context.world.http.get(base + entry.health_path)).status == 200
        if entry.version_path is not None:
            answer = await context.world.http.get(base + entry.version_path)
            version = version_in(answer.text) if answer.status == 200 else None
    except RollbackBotError as error:
        health = False
        problems.append(error.what)
    return health, version, problems


def version_in(text: str) -> str | None:
    """The version that a version endpoint reports: a JSON ``version`` member, or plain text."""
    try:
        parsed = json.loads(text)
    except ValueError:
        return text.strip()[:100] or None
    if isinstance(parsed, dict):
        parsed = next((parsed[key] for key in ("version", "release", "tag") if key in parsed), None)
    return str(parsed)[:100] if parsed else None
