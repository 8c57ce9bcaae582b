"""A strict stand-in for Slack: one workspace with one installed app, on loopback."""

from sandbox.slack.base.accounts import User, UserGroup
from sandbox.slack.base.errors import Refusal, SlackRefusal
from sandbox.slack.base.faults import Faults
from sandbox.slack.base.inputs import NotAChoice
from sandbox.slack.base.manifest import InvalidManifest, validate_manifest
from sandbox.slack.base.model import ApiCall, Channel, Message, View, render
from sandbox.slack.people.person import Person
from sandbox.slack.people.results import ActionResult, CommandResult, SubmitResult
from sandbox.slack.people.workspace import Workspace
from sandbox.slack.server import SlackServer

__all__ = [
    "ActionResult",
    "ApiCall",
    "Channel",
    "CommandResult",
    "Faults",
    "InvalidManifest",
    "Message",
    "NotAChoice",
    "Person",
    "Refusal",
    "SlackRefusal",
    "SlackServer",
    "SubmitResult",
    "User",
    "UserGroup",
    "View",
    "Workspace",
    "render",
    "validate_manifest",
]
