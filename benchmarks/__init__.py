"""The budgets of the product, measured as ratios against a peer in the same run."""
