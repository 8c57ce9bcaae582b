"""Which strategies and step kinds there are; an unknown name is an error."""

from __future__ import annotations

from functools import cache

from bot.catalog.target import STRATEGIES
from bot.core.errors import ConfigurationError
from bot.engine.world import StepKind, Strategy


def strategy(name: str) -> Strategy:
    """The strategy of this name, as in the catalog; raises ConfigurationError."""
    found: Strategy = STRATEGIES.get(name)
    return found


@cache
def step_kinds() -> dict[str, StepKind]:
    """Those of every strategy by name; raises ConfigurationError when two are called alike."""
    kinds: dict[str, StepKind] = {}
    for one in STRATEGIES:
        for kind in one.steps:
            other = kinds.setdefault(kind.name, kind)
            if type(other) is not type(kind):
                raise ConfigurationError(
                    f"There are two step kinds “{kind.name}”: {type(other).__module__} and "
                    f"{type(kind).__module__}.",
                    "Rename one of them, or uninstall the package that it comes from.",
                )
    return kinds


def step_kind(name: str) -> StepKind:
    """The step kind of this name, as in a plan; raises ConfigurationError."""
    try:
        return step_kinds()[name]
    except KeyError:
        raise ConfigurationError(
            f"There is no step kind “{name}”.",
            "The plan was made by another version of the bot: plan again.",
        ) from None
