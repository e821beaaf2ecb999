"""The product: standard library only; knows no framework, no wire, no clock."""
