"""What people and machines start: the bot, the HTTP API, the worker, the command line and the sandbox."""
