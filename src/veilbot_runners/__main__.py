"""``python -m veilbot_runners`` is ``veilbot``."""

from veilbot_runners.cli import main

main()
