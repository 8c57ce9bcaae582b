"""Plans for restoring an Amazon RDS instance."""
