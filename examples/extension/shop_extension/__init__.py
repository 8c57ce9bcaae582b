"""What our shop adds to rollback-bot: a way to roll back, and a destination."""
