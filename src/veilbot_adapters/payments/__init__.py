"""Payment providers, one module each; importing this package imports none of their libraries."""
