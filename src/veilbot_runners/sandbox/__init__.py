"""Local servers that speak the wire of the real ones; for the demo, the tests and the benchmarks, never in prod."""

import os

if os.environ.get("VEILBOT_ENV", "").strip().lower() == "prod":
    raise ImportError("the sandbox plays Telegram, VPN servers and Stripe; it is not to be had in prod")

# gRPC reads these when it is imported. Its handlers for fork end the children of a process that only starts programs,
# and what it has to say it raises as well.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
