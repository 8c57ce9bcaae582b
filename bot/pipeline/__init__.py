"""Runs the phases: load the incident, ask the domain, record what follows, then act."""
