"""The real services under faults, deterministically: virtual time, seeded chance, invariants checked at the end."""

from veilbot_runners.simulation.faults import Fault, read_faults
from veilbot_runners.simulation.run import Outcome, Scenario, simulate
from veilbot_runners.simulation.shrink import shrink
from veilbot_runners.simulation.world import Plant

__all__ = ["Fault", "Outcome", "Plant", "Scenario", "read_faults", "shrink", "simulate"]
