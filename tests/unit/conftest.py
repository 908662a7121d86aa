"""Hypothesis for machines that are busy with other tests: no deadlines, nothing kept on disk."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "clawkeep", deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("clawkeep")
