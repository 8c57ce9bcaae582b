"""A PostgreSQL server of our own for the tests of the store, on a socket in a new directory."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

_START_SECONDS = 30.0


def find_postgres() -> Path | None:
    """The directory of ``initdb`` and ``postgres``: on PATH, else where Debian keeps them."""
    on_path = shutil.which("initdb")
    candidates = [Path(on_path).resolve().parent] if on_path else []
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for directory in candidates:
        if (directory / "initdb").exists() and (directory / "postgres").exists():
            return directory
    return None


class PostgresServer:
    """One throw-away server; each test gets a schema of its own."""

    def __init__(self, programs: Path) -> None:
        # Not pytest's directory: the path of a socket must be short, and its owner another user.
        self._home = Path(tempfile.mkdtemp(prefix="store-pg-"))
        self._schemas = 0
        # The server refuses to run as root.
        self._as_user: dict[str, Any] = {}
        if os.geteuid() == 0:
            user = _unprivileged()
            os.chown(self._home, user.pw_uid, user.pw_gid)
            self._as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        self._run_initdb(programs)
        self._log = (self._home / "log").open("wb")
        self._process = subprocess.Popen(
            [
                str(programs / "postgres"),
                *("-D", str(self._home / "data"), "-k", str(self._home)),
                *("-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=50"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            cwd=self._home,
            **self._as_user,
        )
        self._connection = self._connect()

    @property
    def home(self) -> Path:
        """The directory of its socket: what libpq calls the host."""
        return self._home

    def execute(self, statement: str) -> None:
        """Run one statement as the owner of everything, in database ``postgres``."""
        self._connection.execute(statement.encode())

    def new_url(self) -> str:
        """A URL of an empty database (a schema, which is quicker to make)."""
        self._schemas += 1
        schema = f"store_{self._schemas}"
        self._connection.execute(f"CREATE SCHEMA {schema}".encode())
        return f"{self._url}&options={quote(f'-csearch_path={schema}', safe='')}"

    def disconnect_everybody(self) -> None:
        """Break every connection but the tests' own."""
        self._connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )

    def stop(self) -> None:
        """End the server at once and remove its files."""
        self._connection.close()
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(timeout=_START_SECONDS)
        self._log.close()
        shutil.rmtree(self._home)

    @property
    def _url(self) -> str:
        return f"postgresql://postgres@/postgres?host={quote(str(self._home), safe='')}"

    def _run_initdb(self, programs: Path) -> None:
        subprocess.run(
            [
                str(programs / "initdb"),
                *("-D", str(self._home / "data"), "-U", "postgres"),
                *("--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C"),
            ],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            cwd=self._home,
            **self._as_user,
        )

    def _connect(self) -> psycopg.Connection[Any]:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                return psycopg.connect(self._url, autocommit=True)
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self._process.kill()
                    self._process.wait()
                    raise RuntimeError((self._home / "log").read_text()) from None
                time.sleep(0.02)


def _unprivileged() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")
