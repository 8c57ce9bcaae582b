"""Plans for switching a flag off."""
