"""What several strategies read of a cluster: owners, scalers, drains, evidence."""
