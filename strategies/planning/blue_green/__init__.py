"""Plans for two Deployments behind one Service."""
