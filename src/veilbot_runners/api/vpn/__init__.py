"""Module vpn: servers, subscriptions and keys."""
