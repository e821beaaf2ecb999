"""Hypothesis without a stopwatch, because the machine may be busy."""

from hypothesis import settings

settings.register_profile("unhurried", deadline=None, max_examples=60)
settings.load_profile("unhurried")
