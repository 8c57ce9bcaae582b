"""RDS on loopback: moto's server, and what it does at once that AWS takes its time for.

Moto keeps instances, snapshots, groups, tags and keys, and speaks the real wire protocol. Where it
differs from AWS, this file makes it as AWS documents it:

- A restored instance is ``creating``, then ``backing-up``, and has no creation time yet. It has
  default groups, one zone, no monitoring and the default maintenance window, unless it was told.
- A renaming shows as pending first, then the instance is in no listing, then it has the new name.
  An instance that is not available is not renamed, and not to a name that is taken.
- Quotas (``DescribeAccountAttributes``), which moto does not know at all; and CloudTrail and IAM's
  simulation, as for ELBv2.

Each of these moves on by one with every sleep of the bot's clock.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any
from unittest import mock

from moto.core.responses import BaseResponse
from moto.moto_server.werkzeug_app import DomainDispatcherApplication
from moto.rds.models import rds_backends

from tests.strategies.elbv2_aws import ACCOUNT, REGION, Aws, HastyClock

_READING = ("Describe", "List")
_KEPT = ("databases", "database_snapshots", "db_parameter_groups", "subnet_groups", "db_proxies")


class PresentClock(HastyClock):
    """Begins now, since moto stamps its instances with the machine's own time."""

    def __init__(self) -> None:
        super().__init__()
        self._now = datetime.now(UTC)


class Region(Aws):
    """RDS in one region of one account."""

    def reset(self) -> None:
        """As after ``keep``, or no instance at all."""
        if self._kept is None:
            self.backend.reset()
        else:
            self._restore(self._kept)
        self.calls = []
        self.faults = {}
        self.trail = []
        self.simulation = "allowed"
        self.underway: list[Callable[[], None]] = []
        """What happens next, one with every sleep."""
        self.quotas: dict[str, tuple[int, int]] | None = {
            "DBInstances": (3, 40),
            "AllocatedStorage": (1500, 100000),
        }
        """Used and most; None: it is not told."""
        self.slow = True
        """False: like plain moto, everything takes effect at once."""

    def _state(self) -> dict[str, Any]:
        # Every instance holds on to the backend, and its subnets to all of EC2.
        networks = [one for group in self.backend.subnet_groups.values() for one in group._subnets]
        shared = {id(one): one for one in [self.backend, *networks]}
        return copy.deepcopy({name: dict(getattr(self.backend, name)) for name in _KEPT}, shared)

    def _restore(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            kept = getattr(self.backend, name)  # moto finds tags through the same dictionary
            kept.clear()
            kept.update(value)
        self._kept = self._state()

    @property
    def backend(self) -> Any:
        return rds_backends[ACCOUNT][REGION]

    def writes(self) -> list[str]:
        return [call for call in self.calls if not call.startswith(_READING)]

    def pass_time(self, _: datetime) -> None:
        if self.underway:
            self.underway.pop(0)()

    def names(self) -> list[str]:
        return sorted(self.backend.databases)

    def described(self, name: str) -> dict[str, Any]:
        found = self.client("rds").describe_db_instances(DBInstanceIdentifier=name)
        described: dict[str, Any] = found["DBInstances"][0]
        self.calls.pop()
        return described

    def renamed_by_somebody(self, old: str, new: str, by: str) -> None:
        self.slow = False
        self.client("rds").modify_db_instance(
            DBInstanceIdentifier=old, NewDBInstanceIdentifier=new, ApplyImmediately=True
        )
        self.slow = True
        self.calls.clear()
        self.trace("ModifyDBInstance", {"dBInstanceIdentifier": old}, by)

    def restored(self, name: str, asked: dict[str, Any]) -> None:
        """What AWS makes of it, and when."""
        made = self.backend.databases[name]
        made.multi_az = bool(asked.get("multi_az"))
        made.db_parameter_group_name = asked.get("db_parameter_group_name")
        made.vpc_security_group_ids = asked.get("vpc_security_group_ids") or ["sg-default"]
        made.monitoring_interval, made.monitoring_role_arn = 0, None
        made.source_db_instance_identifier = None  # moto takes it for a replica
        made.preferred_maintenance_window = "mon:04:00-mon:05:00"
        if not self.slow:
            return
        created, made.instance_create_time = made.instance_create_time, None
        made.status = "creating"

        def back_up() -> None:
            made.status, made.instance_create_time = "backing-up", created

        def finish() -> None:
            made.status = "available"

        self.underway += [back_up, finish]

    def renaming(self, old: str, new: str) -> None:
        """Not at once."""
        self.backend.modify_db_instance(
            new, {"db_instance_identifier": new, "new_db_instance_identifier": old}
        )
        moving = self.backend.databases[old]
        moving.pending_modified_values = {"DBInstanceIdentifier": new}

        def vanish() -> None:
            self.backend.databases.pop(old)

        def appear() -> None:
            self.backend.databases[old] = moving
            self.backend.modify_db_instance(
                old, {"db_instance_identifier": old, "new_db_instance_identifier": new}
            )
            moving.pending_modified_values = {}

        self.underway += [vanish, appear]

    def refusal(self, action: str, name: str, new: str | None) -> str:
        """The error that AWS would answer; empty for none."""
        if action != "ModifyDBInstance" or name not in self.backend.databases:
            return ""
        if new and new in self.backend.databases:
            return "DBInstanceAlreadyExists"
        busy = self.backend.databases[name].status != "available"
        return "InvalidDBInstanceState" if busy else ""


def serve() -> Iterator[Region]:
    """Run it with moto's differences from AWS taken away."""
    region = Region()
    call_action = BaseResponse.call_action

    def answered(self: Any) -> Any:
        if self.service_name != "rds":
            return call_action(self)
        action = self._get_action()
        region.calls.append(action)
        fault = region.faults.pop(action, None)
        if fault == "busy":
            return 400, {}, _error("InvalidDBInstanceState")
        if fault == "before":
            return 500, {}, _error("InternalFailure")
        answer = _act(region, action, self, call_action)
        return (500, {}, _error("InternalFailure")) if fault else answer

    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # a line for every request
    # Moto lists its folders for every request to find out which service is meant.
    remembered = cache(DomainDispatcherApplication.get_backend_for_host)
    with (
        mock.patch.object(DomainDispatcherApplication, "get_backend_for_host", remembered),
        mock.patch.object(BaseResponse, "call_action", answered),
    ):
        region.start()
        yield region
        region.stop()


def _act(region: Region, action: str, request: Any, call_action: Callable[[Any], Any]) -> Any:
    if action == "DescribeAccountAttributes":
        return _quotas(region.quotas)
    name = str(request._get_param("DBInstanceIdentifier"))
    new = request._get_param("NewDBInstanceIdentifier")
    refused = region.refusal(action, name, new)
    if refused:
        return 400, {}, _error(refused)
    asked = dict(request.params)
    answer = call_action(request)
    if action.startswith("RestoreDBInstance") and answer[0] == 200:
        made = request._get_param("TargetDBInstanceIdentifier") or name
        region.restored(made, asked)
    elif new and region.slow:
        region.renaming(name, new)
    return answer


def _quotas(quotas: dict[str, tuple[int, int]] | None) -> tuple[int, dict[str, str], str]:
    if quotas is None:
        return 403, {}, _error("AccessDenied")
    entries = "".join(
        f"<AccountQuota><AccountQuotaName>{name}</AccountQuotaName><Used>{used}</Used>"
        f"<Max>{most}</Max></AccountQuota>"
        for name, (used, most) in quotas.items()
    )
    text = (
        "<DescribeAccountAttributesResponse><DescribeAccountAttributesResult><AccountQuotas>"
        f"{entries}</AccountQuotas></DescribeAccountAttributesResult>"
        "</DescribeAccountAttributesResponse>"
    )
    return 200, {}, text


def _error(code: str) -> str:
    return f"<ErrorResponse><Error><Code>{code}</Code></Error></ErrorResponse>"
