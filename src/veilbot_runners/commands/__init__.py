"""What ``veilbot`` can be told, one file per kind of command."""
