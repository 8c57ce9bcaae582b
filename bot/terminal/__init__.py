"""The terminal front end: the same pipeline for the day Slack is down."""
