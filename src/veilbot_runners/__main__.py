"""``veilbot``, and ``python -m veilbot_runners``: Ctrl+C is heard from the first moment."""

import sys


def main() -> None:
    """Load the command line, which takes a second, and run it."""
    try:
        from veilbot_runners.cli import main as run  # noqa: PLC0415 - whoever interrupts this wants no traceback
    except KeyboardInterrupt:
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
