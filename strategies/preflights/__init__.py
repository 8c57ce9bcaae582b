"""Checks against the live system before approval, shared by the strategies."""
