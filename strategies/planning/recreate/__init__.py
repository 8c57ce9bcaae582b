"""Plans for stopping a workload and applying its old manifest."""
