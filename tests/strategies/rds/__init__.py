"""RDS instances restored and swapped, against moto's server."""
