"""What this plugin raises on purpose."""

from __future__ import annotations

from collections.abc import Mapping

from orchestra_core.errors import OrchestraError, PluginError


class ArtifactsFailed(PluginError):
    """Some artifacts could not be written; all the others were."""

    code = "artifacts"

    @classmethod
    def of(cls, failures: Mapping[str, Exception]) -> ArtifactsFailed:
        """One error for several: artifact name → what went wrong with it."""
        causes = {name: f"{type(error).__name__}: {error}" for name, error in failures.items()}
        listed = "; ".join(f"{name} ({cause})" for name, cause in causes.items())
        return cls(
            f"could not write {listed}",
            where="reporters",
            hint=_hint(failures),
            details={"artifacts": causes},
        )


def _hint(failures: Mapping[str, Exception]) -> str:
    """The first remedy that a cause knows, else how to make the artifacts again."""
    hints = (error.hint for error in failures.values() if isinstance(error, OrchestraError))
    default = "The other artifacts were written; `orchestra report` makes them all again."
    return next((hint for hint in hints if hint), default)
