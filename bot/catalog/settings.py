"""Settings from the environment: where things are, and the secrets to reach them."""

from __future__ import annotations

from typing import Literal, TypeVar

from pydantic import AliasChoices, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from bot.core.errors import ConfigurationError

SECRET_VARIABLES = (
    "SLACK_BOT_TOKEN",
    "SLACK_APP_TOKEN",
    "SLACK_SIGNING_SECRET",
    "ROLLBACK_DATABASE_URL",
    "ROLLBACK_ALERTS_TOKEN",
)


class Settings(BaseSettings):
    """All environment variables that the bot reads itself.

    Kubernetes and AWS clients read their usual variables on top.
    """

    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",
        populate_by_name=True,
        # A variable that is set to nothing is one that is not set.
        env_ignore_empty=True,
        # Secrets are often kept in files, whose last line break no header could hold.
        str_strip_whitespace=True,
    )

    slack_bot_token: SecretStr | None = Field(default=None, validation_alias="SLACK_BOT_TOKEN")
    slack_app_token: SecretStr | None = Field(default=None, validation_alias="SLACK_APP_TOKEN")
    slack_signing_secret: SecretStr | None = Field(
        default=None, validation_alias="SLACK_SIGNING_SECRET"
    )
    slack_api_url: str = Field(
        default="https://slack.com/api/",
        pattern=r"^https?://",
        validation_alias=AliasChoices("SLACK_API_URL", "SLACK_API_BASE_URL"),
    )
    database_url: str = Field(
        default="sqlite:///rollback-bot.sqlite3", validation_alias="ROLLBACK_DATABASE_URL"
    )
    alerts_token: SecretStr | None = Field(default=None, validation_alias="ROLLBACK_ALERTS_TOKEN")
    """What senders of alerts must show; without it they are not listened to."""
    host: str = Field(default="127.0.0.1", validation_alias="ROLLBACK_HOST")
    port: int = Field(default=8080, ge=0, le=65535, validation_alias="ROLLBACK_PORT")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", validation_alias="ROLLBACK_LOG_LEVEL"
    )
    log_format: Literal["json", "console"] = Field(
        default="json", validation_alias="ROLLBACK_LOG_FORMAT"
    )

    @property
    def transport(self) -> Literal["socket", "http"]:
        """Socket Mode when there is an app token, else signed HTTP."""
        return "socket" if self.slack_app_token else "http"


class ServeSettings(Settings):
    """What serving Slack needs on top."""

    slack_bot_token: SecretStr = Field(validation_alias="SLACK_BOT_TOKEN")


S = TypeVar("S", bound=Settings)


def read_settings() -> Settings:
    """Read the environment for a command that works without Slack.

    Raises ConfigurationError that names every wrong variable, never its value.
    """
    return _read(Settings)


def read_serve_settings() -> ServeSettings:
    """Read the environment for serving Slack.

    Raises ConfigurationError that names every wrong or missing variable, never its value.
    """
    settings = _read(ServeSettings)
    if settings.slack_app_token is None and settings.slack_signing_secret is None:
        raise ConfigurationError(
            "Neither SLACK_APP_TOKEN nor SLACK_SIGNING_SECRET is set.",
            "Set SLACK_APP_TOKEN for Socket Mode, or SLACK_SIGNING_SECRET for HTTP.",
        )
    return settings


def _read(kind: type[S]) -> S:
    try:
        return kind()
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}"
            for item in error.errors(include_input=False, include_url=False)
        )
        raise ConfigurationError(
            f"The environment is not complete: {problems}.",
            "Set the variables named; README.md, “Install it”, says where each comes from.",
        ) from None
