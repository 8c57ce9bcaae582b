"""``frozen`` in a pipeline, and ``unfreeze`` at a terminal."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from bot.cli.main import main
from bot.freeze.freeze import KIND
from bot.incident import events as e
from bot.incident.freeze import Freeze
from bot.store.sqlite import SqliteStore
from bot.store.values import Batch, Document
from tests.incident.story import PLAN, Story

CATALOG = {
    "services": {
        name: {"rollback": [{"strategy": "rolling", "namespace": "shop", "deployment": name}]}
        for name in ("checkout", "payments")
    },
    "people": {"release_managers": ["ben@example.com"]},
}
KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "nowhere",
    "clusters": [{"name": "nowhere", "cluster": {"server": "https://127.0.0.1:9"}}],
    "users": [{"name": "nobody", "user": {}}],
    "contexts": [{"name": "nowhere", "context": {"cluster": "nowhere", "user": "nobody"}}],
}


@dataclass(frozen=True, kw_only=True)
class Desk:
    """A machine with a catalog and a store, and its screen."""

    folder: Path
    screen: pytest.CaptureFixture[str]

    def type(self, *words: str) -> tuple[int, str]:
        """Run a command; its exit code and everything that it says."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.argv", ["rollback-bot", *words])
            patch.setenv("ROLLBACK_DATABASE_URL", f"sqlite:///{self.store}")
            patch.setenv("KUBECONFIG", str(self.folder / "kubeconfig"))
            patch.setenv("LOGNAME", "mallory")
            patch.chdir(self.folder)
            with pytest.raises(SystemExit) as ended:
                main()
        shown = self.screen.readouterr()
        return int(str(ended.value.code or 0)), shown.out + shown.err

    @property
    def store(self) -> Path:
        return self.folder / "bot.sqlite3"

    def froze(self, until: datetime) -> None:
        """A rollback of checkout was proven; nothing on the live system is marked."""
        asyncio.run(_froze(self.store, until))


async def _froze(path: Path, until: datetime) -> None:
    store = SqliteStore(path)
    await store.start()
    story = Story().declared().planned().approved().executed().verified(*((600, 0),) * 10)
    freeze = Freeze(
        service="checkout",
        incident_id="INC-2026-001",
        plan_hash=PLAN.hash,
        release="v2.1.0",
        until=until,
    )
    story.tell(e.FreezeSet(marks=(), freezes=(freeze,)))
    first, *rest = (one.event for one in story.recorded)
    head = await store.declare(
        service="checkout", now=story.now, make=lambda _: Batch(events=(first,))
    )
    await store.append(head.id, expected=1, batch=Batch(events=tuple(rest)), now=story.now)
    await store.put(Document(kind=KIND, id=freeze.key, body=freeze.model_dump(mode="json")))
    await store.close()


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    (tmp_path / "rollback.yml").write_text(yaml.safe_dump(CATALOG))
    (tmp_path / "kubeconfig").write_text(json.dumps(KUBECONFIG))
    return Desk(folder=tmp_path, screen=capsys)


IN_A_WEEK = datetime.now(tz=UTC) + timedelta(days=7)


def test_a_pipeline_is_told_whether_it_may_deploy_and_how_to_lift_a_freeze(desk: Desk) -> None:
    desk.froze(IN_A_WEEK)
    code, said = desk.type("frozen", "checkout")
    assert code == 5
    assert f"frozen until {IN_A_WEEK:%Y-%m-%d %H:%M} UTC: INC-2026-001 withdrew v2.1.0" in said
    assert "rollback-bot unfreeze checkout" in said
    assert desk.type("frozen", "payments") == (0, "Deploys of payments are free.\n")


def test_a_freeze_whose_time_has_ended_holds_nobody_up(desk: Desk) -> None:
    desk.froze(datetime.now(tz=UTC) - timedelta(minutes=1))
    assert desk.type("frozen", "checkout") == (0, "Deploys of checkout are free.\n")


def test_no_record_is_never_taken_for_free(desk: Desk) -> None:
    code, said = desk.type("frozen", "checkout")
    assert code == 1
    assert "Set ROLLBACK_DATABASE_URL" in said
    desk.froze(IN_A_WEEK)
    code, said = desk.type("frozen", "chekout")
    assert code == 1
    assert "Known services: checkout, payments" in said


def test_a_freeze_is_lifted_by_a_name_that_the_catalog_knows(desk: Desk) -> None:
    desk.froze(IN_A_WEEK)
    code, said = desk.type("unfreeze", "checkout")
    assert code == 1
    assert "--by NAME" in said
    code, said = desk.type("unfreeze", "checkout", "--by", "ben@example.com")
    assert (code, "may go on" in said) == (0, True)
    assert desk.type("frozen", "checkout")[0] == 0
    code, said = desk.type("unfreeze", "checkout", "--by", "ben@example.com")
    assert (code, "are not frozen" in said) == (1, True)
