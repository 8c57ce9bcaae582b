"""The sections of the rollback report, each made from the incident and its events."""
