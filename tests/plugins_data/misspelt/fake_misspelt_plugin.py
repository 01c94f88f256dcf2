"""One of its hooks is misspelt."""

from orchestra_core import hookimpl


@hookimpl
def orchestra_datasets():
    """Right."""
    return []


@hookimpl
def orchestra_reflekt(evidence):
    """Wrong."""
