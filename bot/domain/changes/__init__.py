"""What each event changes in an incident's state: one file a theme, as the events have them."""
