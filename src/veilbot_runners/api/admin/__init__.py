"""Module admin: API keys and work that waits for a person."""
