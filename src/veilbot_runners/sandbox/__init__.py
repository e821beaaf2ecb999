"""Local servers that speak the wire of the real ones; for the demo, the tests and the benchmarks, never in prod."""
