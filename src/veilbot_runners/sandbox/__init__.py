"""Local servers that speak the wire of the real ones; for the demo, the tests and the benchmarks, never in prod."""

import os

if os.environ.get("VEILBOT_ENV", "").strip().lower() == "prod":
    raise ImportError("the sandbox plays Telegram, VPN servers and Stripe; it is not to be had in prod")
