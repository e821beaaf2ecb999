"""What the product does, one module per activity; the modules are strangers to each other."""
