"""The people of the workspace, who type and click."""
