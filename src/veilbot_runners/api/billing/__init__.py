"""Module billing: tariffs, orders and payments."""
