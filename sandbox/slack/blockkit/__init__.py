"""Block Kit: a table of what Slack takes, and the check against it."""
