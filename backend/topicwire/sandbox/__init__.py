"""A strict Bot API server with an operators' console: Telegram's stand-in where there is no bot token."""
