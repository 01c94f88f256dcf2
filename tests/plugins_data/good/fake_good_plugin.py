"""A sound plugin of a distribution that pip never saw."""

from orchestra_core import StrictModel, hookimpl


class Settings(StrictModel):
    """Its section."""

    level: int = 1


@hookimpl
def orchestra_settings():
    """The section's model."""
    return Settings


@hookimpl
def orchestra_run_finished(run):
    """Nothing."""
