"""Plans for target groups behind an AWS load balancer."""
