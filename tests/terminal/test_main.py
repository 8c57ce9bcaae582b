"""The end of every error at the terminal: a sentence and a code, never a traceback."""

from __future__ import annotations

import importlib
import io
import sys

import pytest
import structlog

from bot.cli.work.options import Ended
from bot.core.errors import PermanentError

module = importlib.import_module("bot.cli.main")


@pytest.fixture(autouse=True)
def _no_log_yet() -> None:
    """As in a process that has just started, whatever ran in this one before."""
    structlog.reset_defaults()


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (PermanentError("It is broken.", "Mend it."), 1, "rollback-bot: It is broken. Mend it."),
        (ValueError("Bearer xoxb-1-s3cret"), 1, "a defect of the bot (ValueError)"),
        (ExceptionGroup("several", [KeyError("s3cret")]), 1, "a defect of the bot"),
        (SystemExit(2), 1, ""),
        (SystemExit(0), 0, ""),
        (Ended(2), 2, ""),
    ],
)
def test_every_end_has_its_code_and_no_traceback(
    raised: BaseException,
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def command() -> None:
        raise raised

    monkeypatch.setattr(module, "cli", command)
    with pytest.raises(SystemExit) as ended:
        module.main()
    assert ended.value.code == code
    shown = capsys.readouterr()
    assert said in shown.err
    assert "Traceback" not in shown.err + shown.out
    assert "s3cret" not in shown.err + shown.out


def test_what_a_terminal_cannot_show_is_written_as_an_escape(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def command() -> None:
        raise PermanentError("There is no service “\udcff”.", "Look for ☂.")

    errors = io.BytesIO()
    monkeypatch.setattr(module, "cli", command)
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(errors, encoding="latin-1"))
    with pytest.raises(SystemExit):
        module.main()
    sys.stderr.flush()
    assert b"\\udcff" in errors.getvalue()
    assert b"\\u2602" in errors.getvalue()
