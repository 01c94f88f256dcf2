"""What a diagnosis found: one finding a row, and what it means for the exit code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from orchestra_core.errors import OrchestraError, describe_error

Status = Literal["ok", "info", "warn", "fail", "skip"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One row."""

    area: str
    """`configuration`, `plugins`, `network`, `dataset`, `target`, `trial` or `home`."""
    name: str
    status: Status
    message: str
    hint: str = ""
    """What to do; never empty where something failed."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """JSON values."""
    exit_code: int = 0
    """Of a failure: 2 a wrong configuration, 3 a target that is not usable."""


@dataclass
class Diagnosis:
    """All findings, in the order they were made."""

    findings: list[Finding] = field(default_factory=list)

    @property
    def failures(self) -> list[Finding]:
        """What stands against a run."""
        return [finding for finding in self.findings if finding.status == "fail"]

    @property
    def exit_code(self) -> int:
        """0 when a run can begin, else that of the first failure."""
        return self.failures[0].exit_code if self.failures else 0

    def add(
        self,
        area: str,
        name: str,
        status: Status,
        message: str,
        hint: str = "",
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Note what is no failure."""
        self.findings.append(Finding(area, name, status, message, hint, details or {}))

    def fail(self, area: str, name: str, error: BaseException) -> None:
        """Note a failure."""
        told = describe_error(error)
        hint = told["hint"] or "`orchestra --debug diag` shows where it happened."
        code = error.exit_code if isinstance(error, OrchestraError) else OrchestraError.exit_code
        message, details = told["msg"], told["details"]
        self.findings.append(Finding(area, name, "fail", message, hint, details, code))

    def noting(self, area: str, name: str) -> _Noting:
        """Whatever is raised inside becomes a failure of that name, and goes no further."""
        return _Noting(self, area, name)

    def skip(self, why: str, *places: tuple[str, str]) -> None:
        """Note what could not be looked at."""
        for area, name in places:
            self.add(area, name, "skip", why)

    def as_json(self) -> dict[str, Any]:
        """JSON values: `usable, exit_code, checks[{area, name, status, message, hint, details}]`."""
        checks = [
            {
                "area": one.area,
                "name": one.name,
                "status": one.status,
                "message": one.message,
                "hint": one.hint,
                "details": dict(one.details),
            }
            for one in self.findings
        ]
        return {"usable": not self.failures, "exit_code": self.exit_code, "checks": checks}


@dataclass(frozen=True)
class _Noting:
    diagnosis: Diagnosis
    area: str
    name: str

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: object
    ) -> bool:
        if not isinstance(error, Exception | SystemExit):  # a plugin that exits is one that failed
            return False
        self.diagnosis.fail(self.area, self.name, error)
        return True
