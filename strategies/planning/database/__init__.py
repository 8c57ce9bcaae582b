"""Plans for a schema or its data: down migrations, Alembic, restore."""
