"""Adapters for the servers that give access: one module per protocol, over connections that trust a pin alone."""

import os

# gRPC reads these when it is imported. Its handlers for fork end the children of a process that only starts programs,
# and what it has to say it raises as well.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
