"""Pure functions from domain values to what people see: Block Kit, and the report."""
