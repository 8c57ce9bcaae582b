"""The libraries of the bot: exactly those modules that a process has loaded that is to serve."""

from __future__ import annotations

import asyncio
import sys

from benchmarks.model import CannotRunError

OURS = frozenset({"bot", "handlers", "strategies"})

_PROBE = """
import sys
before = set(sys.modules)
from bot.cli import work
work.serving
for name, module in sys.modules.items():
    spec = getattr(module, "__spec__", None)
    if name not in before and spec is not None and spec.origin:
        print(name)
"""


async def loaded_libraries() -> tuple[str, ...]:
    """Names of other people's modules, in the order in which the bot imports them."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PROBE, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    if process.returncode:
        raise CannotRunError("the bot's modules cannot be imported: the error stands above")
    known = OURS | sys.stdlib_module_names
    return tuple(name for name in said.decode().split() if name.partition(".")[0] not in known)
