"""What moto and our stand-in both have of AWS AppConfig, held to one contract.

Moto (5.2) knows applications, configuration profiles and hosted configuration versions. It has
neither environments nor deployments (``ListDeployments``, ``StopDeployment``, ``StartDeployment``)
and no deployment strategies, so these are tested against the stand-in alone, which is written from
the service's documented REST API.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from bot.clouds.aws import BotoAws
from bot.core.errors import NotFoundError
from strategies.feature_flag.appconfig import enabled_in
from tests.strategies.flag_services.appconfig import AppConfigServer
from tests.strategies.flag_services.fixtures import opened

REGION = "eu-central-1"


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A profile whose version 1 has the flag off and version 2 has it on."""

    aws: BotoAws
    application: str
    profile: str

    async def version(self, number: int, **changes: str) -> dict[str, Any]:
        names = {"ApplicationId": self.application, "ConfigurationProfileId": self.profile}
        return await self.aws.call(
            "appconfig",
            "get_hosted_configuration_version",
            region=REGION,
            **{**names, **changes},
            VersionNumber=number,
        )


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["moto", "stand-in"])
async def profile(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Profile]:
    async with opened(AppConfigServer(), monkeypatch):
        if request.param == "stand-in":
            yield Profile(aws=BotoAws(), application="abc1234", profile="prof123")
            return
        monkeypatch.setenv("AWS_ENDPOINT_URL", request.getfixturevalue("moto"))
        application, made = await asyncio.to_thread(_deployed)
        yield Profile(aws=BotoAws(), application=application, profile=made)


def _deployed() -> tuple[str, str]:
    client = boto3.client("appconfig", region_name=REGION)
    application = client.create_application(Name="shop")["Id"]
    profile = client.create_configuration_profile(
        ApplicationId=application,
        Name="flags",
        LocationUri="hosted",
        Type="AWS.AppConfig.FeatureFlags",
    )["Id"]
    for enabled in (False, True):
        document = {
            "version": "1",
            "flags": {"oauth_auth": {"name": "OAuth"}},
            "values": {"oauth_auth": {"enabled": enabled}},
        }
        client.create_hosted_configuration_version(
            ApplicationId=application,
            ConfigurationProfileId=profile,
            Content=json.dumps(document).encode(),
            ContentType="application/json",
        )
    return application, profile


async def test_a_version_of_the_configuration_is_read_and_understood(profile: Profile) -> None:
    for number, enabled in ((1, False), (2, True)):
        answer = await profile.version(number)
        assert answer["ContentType"] == "application/json"
        assert int(answer["VersionNumber"]) == number
        content = await asyncio.to_thread(answer["Content"].read)
        assert enabled_in(content, "oauth_auth") is enabled
        assert enabled_in(content, "another_flag") is None


@pytest.mark.parametrize(
    "unknown", [{"ApplicationId": "zzz9999"}, {"ConfigurationProfileId": "zzz9999"}]
)
async def test_what_does_not_exist_is_not_found(profile: Profile, unknown: dict[str, str]) -> None:
    with pytest.raises(NotFoundError):
        await profile.version(1, **unknown)


async def test_a_version_that_was_never_made_is_not_found(profile: Profile) -> None:
    with pytest.raises(NotFoundError):
        await profile.version(99)
