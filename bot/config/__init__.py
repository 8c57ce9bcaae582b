"""Settings from the environment, and the catalog from ``rollback.yml``."""
