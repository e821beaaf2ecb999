"""Module users: customers."""
