"""PostgreSQL for the database strategy: through psql and its sisters, never through a shell."""
