"""Words for a terminal: nothing in them may move the cursor, and nothing may say “press”."""

from __future__ import annotations

import re

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters but tab and newline, and those that reverse the direction of writing."""

_INSTEAD = (
    (re.compile(r"Press “[^”]*[Pp]lan again”"), "Plan again with “rollback-bot resume {id}”"),
    (re.compile(r"press “[^”]*[Pp]lan again”"), "plan again with “rollback-bot resume {id}”"),
    (re.compile(r"Press “Verify again”"), "Verify again with “rollback-bot resume {id}”"),
    (re.compile(r"press “Verify again”"), "verify again with “rollback-bot resume {id}”"),
    (re.compile(r"`/rollback history`"), "“rollback-bot incidents”"),
    (re.compile(r"Join it in [^;]*;"), "Go on with it: rollback-bot resume {id};"),
    (re.compile(r"The status card says where it stands\."), "See “rollback-bot incidents”."),
    (re.compile(r"the plan card says who"), "the catalog says who"),
)
"""What the pipeline advises in Slack's words, and what does the same here."""


def printable(text: str) -> str:
    """The text without anything that a terminal would obey."""
    return _CONTROL.sub("�", text.replace("\r\n", "\n"))


def here(text: str, incident_id: str = "INCIDENT") -> str:
    """Advice for this front end."""
    for pattern, instead in _INSTEAD:
        text = pattern.sub(instead.replace("{id}", incident_id), text)
    return printable(text)
