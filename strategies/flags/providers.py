"""Which services of feature flags there are."""

from __future__ import annotations

from bot.config.targets.feature_flag import (
    AnyFlagTarget,
    AppConfigTarget,
    FlagsmithTarget,
    HttpFlagTarget,
    LaunchDarklyTarget,
    UnleashTarget,
)
from bot.ports.world import World
from strategies.flags.appconfig import AppConfig
from strategies.flags.flagsmith import Flagsmith
from strategies.flags.http import HttpFlags
from strategies.flags.launchdarkly import LaunchDarkly
from strategies.flags.model import FlagService
from strategies.flags.unleash import Unleash


def flag_service(target: AnyFlagTarget, world: World) -> FlagService:
    """The service that keeps the target's flag."""
    match target:
        case HttpFlagTarget():
            return HttpFlags(target, world)
        case UnleashTarget():
            return Unleash(target, world)
        case LaunchDarklyTarget():
            return LaunchDarkly(target, world)
        case FlagsmithTarget():
            return Flagsmith(target, world)
        case AppConfigTarget():
            return AppConfig(target, world)
