"""Plans for taking a workload back to an earlier revision."""
