"""How the app is told: Socket Mode, signed HTTP and response URLs."""
