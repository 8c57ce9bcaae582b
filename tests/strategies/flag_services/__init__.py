"""Stand-ins for services of feature flags, written from their documented APIs."""
