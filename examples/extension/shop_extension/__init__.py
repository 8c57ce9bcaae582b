"""What a shop adds to rollback-bot: it registers itself, by its entry points."""
