"""The cluster that is not there: for a catalog that is all on AWS and flag services."""

from __future__ import annotations

from typing import Any, NoReturn

from bot.errors import ConfigurationError


class NoCluster:
    """Implements ``bot.ports.cluster.Cluster``. Asked for anything, it raises ConfigurationError.

    Only a plan of an older catalog can ask.
    """

    async def close(self) -> None:
        """There is nothing to end."""

    async def _refused(self, *_: Any, **__: Any) -> NoReturn:
        raise _not_connected()

    def watch(self, *_: Any, **__: Any) -> NoReturn:
        """There is nothing to be seen."""
        raise _not_connected()

    get = list = patch = apply = delete = may = logs = ask_pod = _refused


def _not_connected() -> ConfigurationError:
    return ConfigurationError(
        "The bot is connected to no Kubernetes cluster, because no service of the catalog is in "
        "one.",
        "Put the service back into rollback.yml as it was, and start the bot anew.",
    )
