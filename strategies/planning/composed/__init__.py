"""Plans over several strategies."""
