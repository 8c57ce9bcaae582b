"""Ways to roll a service back, as the catalog describes them: one file a strategy."""
