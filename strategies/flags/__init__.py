"""Feature flags at the services that keep them: one file a service."""
