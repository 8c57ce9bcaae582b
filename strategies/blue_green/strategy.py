"""Blue-green: a Service points back to the other set of pods, which still runs."""

from __future__ import annotations

from collections.abc import Sequence

from bot.catalog.service import ServiceEntry
from bot.clouds.kubernetes.objects import Right
from bot.clouds.kubernetes.workloads import is_terminating, release_of, selector_text
from bot.core.errors import RefusedError
from bot.engine.world import Evidence, Instance, Observation, Strategy, World
from bot.incident.freeze import MarkedObject
from bot.incident.plan import Candidate, Plan
from strategies.blue_green.plan import (
    RIGHTS,
    BlueGreenChange,
    BlueGreenPlan,
    BlueGreenTarget,
    Colour,
    live_colour_since,
    read_colours,
)
from strategies.blue_green.switch_service import SwitchService
from strategies.common.choice import Option, choose, rated
from strategies.freezing import deployments
from strategies.kubernetes import evidence
from strategies.kubernetes.drains import AwaitDrain
from strategies.kubernetes.gitops import SuspendGitOps, guard_against_gitops
from strategies.kubernetes.pods import CheckReady


class BlueGreen(Strategy):
    """See ``bot.engine.world.Strategy``; the candidates are the colours that are not live."""

    name = "blue-green"
    settings = BlueGreenTarget
    steps = (SuspendGitOps(), CheckReady(), SwitchService(), AwaitDrain())
    cost = 20

    def rights(self, service: ServiceEntry) -> dict[str, tuple[Right, ...]]:
        """The Service is switched; the rest is looked at."""
        return {service.target(BlueGreenTarget).namespace: RIGHTS}

    async def frozen(self, service: ServiceEntry, world: World) -> tuple[MarkedObject, ...]:
        """A pipeline deploys to a colour before it switches.

        The Service stays as it is: load balancers' controllers act on every change of it.
        """
        target = service.target(BlueGreenTarget)
        return deployments(target.namespace, *sorted(set(target.deployments.values())))

    async def observe(self, service: ServiceEntry, world: World) -> Observation:
        """The colour that the Service selects and the ones beside it."""
        colours = await read_colours(service, world)
        live = colours.live
        return Observation(
            live_release=live.release,
            candidates=tuple(one.candidate for one in _options(colours.others)),
            released_at=await live_colour_since(colours, world),
            summary=f"Service {colours.target.service} selects {selector_text(colours.selector)}: "
            f"{live.release}, {live.ready} of {len(live.pods)} pods ready.",
        )

    async def plan(
        self,
        name: str,
        service: ServiceEntry,
        world: World,
        *,
        target: str | None,
        marked_bad: frozenset[str],
        known_good: Sequence[str],
    ) -> Plan:
        """Check the other colour, switch the selector, wait for the drain."""
        colours = await read_colours(service, world)
        if target == colours.live.name:
            raise RefusedError(
                f"Nothing to do: the Service points to {target} already.", "Name another colour."
            )
        options = _options(colours.others)
        choice = choose(
            options,
            live=colours.live.release,
            target=target,
            marked_bad=marked_bad,
            known_good=known_good,
        )
        colour = _existing(colours.others)[options.index(choice.option)]
        what = f"Service {colours.target.service}"
        guard = await guard_against_gitops(world.cluster, colours.service, what)
        change = BlueGreenChange(service=service, colours=colours, colour=colour, guard=guard)
        plan = BlueGreenPlan(name=name, change=change)
        preflights = await plan.preflights(world)
        candidates = tuple(one.candidate for one in options)
        return plan.build(
            preflights=(choice.preflight, *preflights),
            candidates=rated(candidates, marked_bad=marked_bad, known_good=known_good),
            observed_at=world.clock.now(),
        )

    async def instances(self, service: ServiceEntry, world: World) -> tuple[Instance, ...]:
        """The pods that the live selector selects."""
        colours = await read_colours(service, world)
        pods = [pod for pod in colours.live.pods if not is_terminating(pod)]
        return evidence.instances(pods, service.version_label)

    async def evidence(
        self, service: ServiceEntry, world: World, *, release: str
    ) -> tuple[Evidence, ...]:
        """Of the colours' pods with this release, their Deployments, and the Service."""
        colours = await read_colours(service, world)
        label = service.version_label
        all_colours = (colours.live, *colours.others)
        return await evidence.collect(
            world,
            colours.target.namespace,
            pods=[
                pod
                for colour in all_colours
                for pod in colour.pods
                if release_of(pod, label) == release
            ],
            objects=[
                colours.service,
                *(
                    colour.deployment
                    for colour in all_colours
                    if colour.deployment is not None and colour.release == release
                ),
            ],
        )


def _existing(colours: Sequence[Colour]) -> list[Colour]:
    return [colour for colour in colours if colour.deployment is not None]


def _options(colours: Sequence[Colour]) -> list[Option]:
    """One option for each existing colour, in the same order."""
    return [
        Option(
            candidate=Candidate(release=colour.release, detail=colour.detail),
            aliases=frozenset({colour.name, colour.deployment_name}),
        )
        for colour in _existing(colours)
    ]


STRATEGY = BlueGreen()
