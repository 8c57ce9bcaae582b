"""Which services of feature flags there are."""

from __future__ import annotations

from bot.engine.world import World
from strategies.feature_flag.appconfig import AppConfig
from strategies.feature_flag.flagsmith import Flagsmith
from strategies.feature_flag.http import HttpFlags
from strategies.feature_flag.launchdarkly import LaunchDarkly
from strategies.feature_flag.service import FlagService
from strategies.feature_flag.target import (
    AnyFlagTarget,
    AppConfigTarget,
    FlagsmithTarget,
    HttpFlagTarget,
    LaunchDarklyTarget,
    UnleashTarget,
)
from strategies.feature_flag.unleash import Unleash


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
