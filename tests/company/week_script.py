"""The week's script, from a seed: services, stories, deaths, and what goes wrong where."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random

from bot.catalog.catalog import Catalog
from tests.company.harness import catalog_of
from tests.company.virtual_clock import NOON
from tests.company.week import Ending, Story
from tests.company.week_places import Manners

WEEK = timedelta(days=7)
SERVICES = tuple(f"service-{number:02d}" for number in range(1, 31))
WITH_TEAM = SERVICES[::3]
WITH_BOARD = SERVICES[1::3]
DEAD = "email:board"
DOWN = (NOON + timedelta(days=2), NOON + timedelta(days=4))
STORM = NOON + timedelta(days=2, hours=10)
"""One bad evening, in the middle of the mail server's death."""
IN_THE_STORM = 16
MIX = {
    Ending.RECOVERED: 10,
    Ending.REPLANNED: 4,
    Ending.RELAPSED: 4,
    Ending.LEFT_OPEN: 52,
    Ending.ABANDONED: 30,
}
LASTING = {
    Ending.RECOVERED: (5, 40),
    Ending.REPLANNED: (5, 60),
    Ending.RELAPSED: (5, 25),
    Ending.LEFT_OPEN: (10, 55),
    Ending.ABANDONED: (6, 35),
}
"""Minutes that an incident is left alone."""
LONG = (timedelta(hours=24), timedelta(hours=4), timedelta(hours=3), timedelta(minutes=150))
"""How long the first ones that are left open stay so."""
DOWNTIMES = (3, 25, 40, 600, 1900, 3600, 9000)
"""Seconds until the bot is started again."""

MANNERS = {
    "slack": Manners(breaks=0.003, loses=0.004),
    "slack:status": Manners(throttles=0.03, loses=0.02, breaks=0.01),
    "statuspage": Manners(loses=0.05),
    "webhook": Manners(throttles=0.15, loses=0.05, can_look=False),
    "email": Manners(loses=0.02, can_look=False),
}


def catalog() -> Catalog:
    """Thirty services; every third has a team's channel, every third is told to the board."""
    entries = {
        name: {
            "url": f"http://{name}.example.com",
            "instance_port": 8080,
            "rollback": [{"strategy": "rolling", "namespace": name, "deployment": name}],
            "stakeholder_channels": [f"team-{name[-1]}"] if name in WITH_TEAM else [],
        }
        for name in SERVICES
    }
    return catalog_of(
        {
            "company": "Shop",
            "services": entries,
            "updates": {"every": "10m", "channels": ["status"]},
            "assessment": {"watch_every": "6h"},
            "verification": {
                "checkpoints": ["2m"],
                "judge": {"bucket_seconds": 20},
                "baseline_window": "10m",
                "watch_after": "4h",
            },
            "destinations": {
                "public": {
                    "kind": "statuspage",
                    "page_id": "y2h6z0xk5r3t",
                    "api_key": "STATUSPAGE_KEY",
                    "services": list(WITH_TEAM),
                },
                "partners": {
                    "kind": "webhook",
                    "url": "https://partners.example.com/status",
                    "services": list(WITH_BOARD),
                },
                "board": {
                    "kind": "email",
                    "host": "mail.example",
                    "from": "status@shop.example",
                    "audience": "stakeholders",
                    "to": ["board@shop.example"],
                    "services": list(WITH_BOARD),
                },
            },
        }
    )


def stories(random: Random) -> list[Story]:
    """A hundred incidents, most at any time of the first six days, some in one evening."""
    endings = [ending for ending, count in MIX.items() for _ in range(count)]
    random.shuffle(endings)
    calm = len(endings) - IN_THE_STORM
    starts = [NOON + timedelta(days=random.uniform(0, 5.8)) for _ in range(calm)]
    starts += [STORM + timedelta(minutes=random.uniform(0, 25)) for _ in range(IN_THE_STORM)]
    long = [number for number, ending in enumerate(endings) if ending is Ending.LEFT_OPEN]
    lasts = dict(zip(long, LONG, strict=False))
    return [
        Story(
            number=number,
            starts=moment,
            ending=ending,
            lasts=lasts.get(number, timedelta(minutes=random.uniform(*LASTING[ending]))),
            words=random.random() < 0.15,
        )
        for number, (moment, ending) in enumerate(zip(sorted(starts), endings, strict=True))
    ]


def deaths(random: Random) -> Iterator[tuple[datetime, timedelta]]:
    """When the bot is killed, and how long nobody starts it again; once while it is storming."""
    moments = [NOON + timedelta(days=random.uniform(0, 6.5)) for _ in range(13)]
    moments.append(STORM + timedelta(minutes=32))
    for moment in sorted(moments):
        yield moment, timedelta(seconds=random.choice(DOWNTIMES))
