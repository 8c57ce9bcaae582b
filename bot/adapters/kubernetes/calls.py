"""A call to the API server, in the words of a right."""

from __future__ import annotations

from bot.domain.values import Value


class Call(Value):
    """What was asked of the API server, in the words of a right."""

    verb: str
    resource: str
    """``deployments.apps``, ``pods/proxy``."""
    namespace: str
    name: str = ""
    writes: bool = False
    """The call changes what is stored, so that a lost answer leaves its outcome open."""

    def __str__(self) -> str:
        named = f" {self.name}" if self.name else ""
        where = f" in namespace {self.namespace}" if self.namespace else ""
        return f"{self.verb} {self.resource}{named}{where}"
