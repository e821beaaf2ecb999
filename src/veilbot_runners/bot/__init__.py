"""The bot: customers in Telegram, served with aiogram; importing this package does not import aiogram yet."""
