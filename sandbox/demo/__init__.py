"""The demo: a bad release, two people, and the bot, in about 90 seconds."""
