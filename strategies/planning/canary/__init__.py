"""Plans for taking traffic from a canary, by what splits it."""
