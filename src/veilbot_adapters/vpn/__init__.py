"""Adapters for the servers that give access: one module per protocol, over connections that trust a pin alone."""
