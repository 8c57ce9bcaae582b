"""The real Alembic with its imports done once: every call is a fork of this process.

Alembic and SQLAlchemy take most of a second to import, and a plan calls them six times. Run as a
program with the path of a socket; ``launcher`` writes the executable that calls it.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import traceback
from pathlib import Path

_CLIENT = """#!{python} -IS
import json, os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({path!r})
call = json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]).encode()
socket.send_fds(server, [len(call).to_bytes(4, "big")], [0, 1, 2])
server.sendall(call)
sys.exit(int(server.recv(8) or b"1"))
"""


def start(folder: Path) -> subprocess.Popen[bytes]:
    """The process that forks; ``folder/alembic`` is the executable. Its path must be short."""
    path = folder / "socket"
    process = subprocess.Popen([sys.executable, __file__, str(path)], stdout=subprocess.PIPE)
    if process.stdout is None or process.stdout.readline() != b"ready\n":
        raise RuntimeError("Alembic cannot be imported.")
    program = folder / "alembic"
    program.write_text(_CLIENT.format(python=sys.executable, path=str(path)), encoding="utf-8")
    program.chmod(0o755)
    return process


def stop(process: subprocess.Popen[bytes]) -> None:
    """End it."""
    process.terminate()
    process.communicate()


def _serve(path: str) -> None:
    import alembic.config  # noqa: F401 - this is what is done once
    import psycopg  # noqa: F401
    import sqlalchemy.dialects.postgresql.psycopg  # noqa: F401

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        print("ready", flush=True)  # noqa: T201 - whoever started it waits for this
        while True:
            client, _ = server.accept()
            if os.fork() == 0:
                _call(client)
            client.close()


def _call(client: socket.socket) -> None:
    size, descriptors, _, _ = socket.recv_fds(client, 4, 3)
    text = b""
    while len(text) < int.from_bytes(size, "big"):
        text += client.recv(65536)
    arguments, environment, folder = json.loads(text)
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    status = _alembic(arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    client.send(str(status).encode())
    os._exit(status)


def _alembic(arguments: list[str]) -> int:
    from alembic.config import main

    try:
        main(arguments, prog="alembic")
    except SystemExit as end:
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
        return end.code if isinstance(end.code, int) else int(bool(end.code))
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    _serve(sys.argv[1])
