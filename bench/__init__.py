"""Measured speed of the product beside a bare skeleton in the same run; see ``README.md``."""
