"""How an observed service becomes a plan: one package a strategy."""
