"""Amazon Web Services, for every strategy that reaches it."""
