"""Module links: what a customer opens, in a browser or in an app."""
