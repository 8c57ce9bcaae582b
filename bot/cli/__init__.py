"""The command line: ``rollback-bot``."""
