"""``python traced.py ROOT OUT COMMAND…``: the installed command, with a record of where it went.

The product is not told. Every call of one of its functions is written down with the moment, the
file, and what set it off: an event of Slack's or a job of the scheduler, as far as Python's own
contexts follow it. Calls while a module is being imported are left out. Stands for itself, without
the rest of this package: it is started outside of the repository.
"""

from __future__ import annotations

import atexit
import dis
import importlib.metadata
import json
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

FOLDERS = ("bot", "handlers", "strategies")
EDGES = {
    ("slack_bolt/app/async_app.py", "async_dispatch"): "event",
    ("apscheduler/executors/base.py", "run_coroutine_job"): "job",
    ("aiohttp/client.py", "_request"): "request",
}
"""Where something begins or leaves, in the libraries around the product."""

NOTHING = 0
_origin: ContextVar[int] = ContextVar("origin", default=NOTHING)


class Trace:
    """Notes calls; ``write`` them at the end."""

    def __init__(self, root: str) -> None:
        self._folders = tuple(f"{root}/{folder}/" for folder in FOLDERS)
        self._root = len(root) + 1
        self._kinds: dict[CodeType, str] = {}
        self._starts: dict[CodeType, int] = {}
        self.calls: list[tuple[float, str, int]] = []
        """Moment, file, number of the origin."""
        self.origins: list[tuple[float, str]] = [(0.0, "")]
        """Moment and name, by number."""
        self.sent: list[tuple[float, str, int]] = []
        """Moment, HTTP method, number of the origin."""

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        if event != "call":
            return
        code = frame.f_code
        kind = self._kinds.get(code)
        if kind is None:
            kind = self._kinds[code] = self._kind(code)
        if kind == "":
            return
        if kind in EDGES.values():
            # A coroutine is called again whenever it goes on: only the first time counts.
            if frame.f_lasti <= self._starts[code]:
                self._note(frame, kind)
        elif not _is_importing(frame):
            self.calls.append((time.time(), kind, _origin.get()))

    def _kind(self, code: CodeType) -> str:
        name = code.co_filename
        if name.startswith(self._folders):
            # Neither a module's own code nor a class's body.
            return name[self._root :] if code.co_flags & 1 else ""
        for (ending, function), kind in EDGES.items():
            if code.co_name == function and name.endswith(ending):
                self._starts[code] = next(
                    one.offset for one in dis.get_instructions(code) if one.opname == "RESUME"
                )
                return kind
        return ""

    def _note(self, frame: FrameType, kind: str) -> None:
        given = frame.f_locals
        if kind == "request":
            self.sent.append((time.time(), str(given["method"]), _origin.get()))
            return
        self.origins.append((time.time(), str(given["job"].id) if kind == "job" else kind))
        _origin.set(len(self.origins) - 1)

    def write(self, path: str) -> None:
        """As JSON."""
        sys.setprofile(None)
        threading.setprofile(None)
        found = {"calls": self.calls, "origins": self.origins, "sent": self.sent}
        Path(path).write_text(json.dumps(found))


def _is_importing(frame: FrameType) -> bool:
    above = frame.f_back
    while above is not None:
        if above.f_code.co_name == "<module>" and above.f_globals["__name__"] != "__main__":
            return True
        above = above.f_back
    return False


def _with_context(submit: Callable[..., Future[Any]]) -> Callable[..., Future[Any]]:
    """Work that is handed to a thread keeps its origin."""

    def submitted(
        self: ThreadPoolExecutor, work: Callable[..., Any], /, *args: Any, **named: Any
    ) -> Future[Any]:
        return submit(self, copy_context().run, work, *args, **named)

    return submitted


def main() -> None:
    """Load the command by its entry point and run it under the profile."""
    root, out, *words = sys.argv[1:]
    trace = Trace(root)
    atexit.register(trace.write, out)
    sys.argv = ["rollback-bot", *words]
    ThreadPoolExecutor.submit = _with_context(ThreadPoolExecutor.submit)  # type: ignore[method-assign]
    threading.setprofile(trace)
    sys.setprofile(trace)
    (command,) = importlib.metadata.entry_points(group="console_scripts", name="rollback-bot")
    command.load()()


if __name__ == "__main__":
    main()
