"""Every error that Orchestra raises on purpose.

    OrchestraError                       code           exit
    ├── UsageError                       usage          2
    │   ├── ExperimentError              experiment     2
    │   ├── DataError                    data           2
    │   ├── InvalidName                  name           2
    │   ├── AddressRefused               address        2
    │   ├── RunNotFound                  run_not_found  2
    │   ├── RunsDiffer                   runs_differ    2
    │   ├── RunInUse                     run_in_use     2
    │   ├── RunChanged                   run_changed    2
    │   └── AlreadyRun                   already_run    2
    ├── PluginError                      plugin         2
    │   ├── PluginNotFound               plugin_missing 2
    │   ├── PluginLoadError              plugin_load    2
    │   ├── DuplicateName                duplicate      2
    │   ├── RunnerSelectionError         runner         2
    │   └── HookError                    hook           2
    ├── InfrastructureError              infrastructure 3
    │   ├── TargetError                  target         3
    │   │   ├── HealthFailed             health         3
    │   │   ├── RunnerTimeout            timeout        3
    │   │   ├── RequestFailed            request        3
    │   │   └── IdsDoNotAlign            ids            3
    │   ├── DatasetUnavailable           dataset        3
    │   ├── StorageError                 storage        3
    │   └── BudgetExhausted              budget         3
    ├── GuardDenied                      denied         1
    ├── StatisticsError                  statistics     2
    │   ├── MisalignedQueries            misaligned     2
    │   └── TooFewQueries                too_few        2
    ├── EarlyStop                        early_stop     3
    └── RunCancelled                     cancelled      130

Each class has a stable ``code`` for machines and an ``exit_code`` (DESIGN §9; 130 is the shell's for a
Ctrl-C); each error says what was wrong, where (``where``), and what to do next (``hint``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from math import isfinite
from typing import Any, ClassVar
from unicodedata import category


class OrchestraError(Exception):
    """Base class; `where` names a file, key, line or plugin; `details` must be JSON-ready."""

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 3

    def __init__(
        self,
        message: str,
        *,
        where: str = "",
        hint: str = "",
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = plain(message)
        self.where = plain(where)
        self.hint = plain(hint)
        self.details = dict(details or {})

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message

    def as_payload(self) -> dict[str, Any]:
        """The `error` object of a failure event: `type, msg, hint, details`."""
        details = _as_json(self.details)
        return {"type": self.code, "msg": str(self), "hint": self.hint, "details": details}


class UsageError(OrchestraError):
    """The user asked for something that cannot be done as asked."""

    code = "usage"
    exit_code = 2


class ExperimentError(UsageError):
    """The experiment (file, environment or --set) is not valid."""

    code = "experiment"


class DataError(UsageError):
    """A dataset's files are malformed, or disagree with each other."""

    code = "data"


class InvalidName(UsageError):
    """A name that would become part of a path is not a safe name."""

    code = "name"


class AddressRefused(UsageError):
    """An address is malformed, or not one that the experiment allows to be asked."""

    code = "address"
    whole = ""  # the message with the address uncut


class RunNotFound(UsageError):
    """No journal of that run id under the reports folder."""

    code = "run_not_found"


class RunsDiffer(UsageError):
    """Two runs cannot be compared, because they measured different things."""

    code = "runs_differ"


class RunInUse(UsageError):
    """Another process is carrying the run; the message names it."""

    code = "run_in_use"


class RunChanged(UsageError):
    """A run cannot be gone on with, because what it rests on is no longer the same."""

    code = "run_changed"


class AlreadyRun(UsageError):
    """The same experiment is running or done; `details` has its `run_id` and `status`."""

    code = "already_run"


class PluginError(OrchestraError):
    """A plugin is missing, broken, in conflict, or failed in a hook."""

    code = "plugin"
    exit_code = 2


class PluginNotFound(PluginError):
    """A plugin was named that is not installed."""

    code = "plugin_missing"


class PluginLoadError(PluginError):
    """A plugin failed while it was imported, checked or registered."""

    code = "plugin_load"


class DuplicateName(PluginError):
    """Two plugins provide one name; the message names both."""

    code = "duplicate"


class RunnerSelectionError(PluginError):
    """No runner, or more than one, where a run needs exactly one."""

    code = "runner"


class HookError(PluginError):
    """A hook implementation raised, or answered with the wrong type."""

    code = "hook"


class InfrastructureError(OrchestraError):
    """The world outside failed: target, disk, network, budget."""

    code = "infrastructure"


class TargetError(InfrastructureError):
    """The target answered wrongly, or not at all."""

    code = "target"


class HealthFailed(TargetError):
    """A health check failed: before any query was sent, or after requests had failed."""

    code = "health"


class RunnerTimeout(TargetError):
    """The runner did not come back in time."""

    code = "timeout"


class RequestFailed(TargetError):
    """A request gave no usable answer, after whatever repetitions were due.

    `reason` is short and countable (`timeout`, `http_503`, `too_large`), and the `type` of its payload.
    `attempts`, the milliseconds and `cost` (USD, where the answer told it) say what it took, so that a
    failure is recorded like an answer.
    """

    code = "request"
    attempts = 0
    cost: float | None = None
    latency_ms = backoff_ms = held_ms = 0.0

    def __init__(
        self, reason: str, message: str, *, hint: str = "", details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message, hint=hint, details=details)
        self.reason = reason

    def as_payload(self) -> dict[str, Any]:
        """The `error` object; its type is the reason."""
        return {**super().as_payload(), "type": self.reason}


class IdsDoNotAlign(TargetError):
    """Retrieved ids match nothing in the corpus or the qrels."""

    code = "ids"


class DatasetUnavailable(InfrastructureError):
    """The dataset's data is not on this machine and could not be fetched."""

    code = "dataset"


class StorageError(InfrastructureError):
    """A file could not be read or written."""

    code = "storage"


class BudgetExhausted(InfrastructureError):
    """A limit of the run (wall time, requests, cost) was reached before a verdict."""

    code = "budget"


class GuardDenied(OrchestraError):
    """A guard said no."""

    code = "denied"
    exit_code = 1


class StatisticsError(OrchestraError):
    """Figures that cannot be compared, or too few of them."""

    code = "statistics"
    exit_code = 2


class MisalignedQueries(StatisticsError):
    """Two arms do not cover the same queries."""

    code = "misaligned"


class TooFewQueries(StatisticsError):
    """Fewer queries than the method needs."""

    code = "too_few"


class EarlyStop(OrchestraError):
    """Reflection ended the whole run, for example because too many requests failed."""

    code = "early_stop"


class RunCancelled(OrchestraError):
    """The user interrupted the run; what was done is recorded."""

    code = "cancelled"
    exit_code = 130


def _as_json(value: Any) -> Any:
    """JSON values for anything: an error must be recordable whatever a plugin put into it."""
    if isinstance(value, Mapping):
        return {str(key): _as_json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_as_json(inner) for inner in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    return value if isinstance(value, float) and isfinite(value) else str(value)


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint naming the nearest known word, else the first few known ones; empty when none exist."""
    words = sorted(known)
    if close := get_close_matches(name, words, n=1, cutoff=0.6):
        return f"Did you mean '{close[0]}'?"
    listed = ", ".join(words[:12]) + (", …" if len(words) > 12 else "")
    return f"Known: {listed}." if words else ""


def plain(text: str) -> str:
    """The text without control characters but line ends and tabs: a terminal would obey a target's."""
    if text.isprintable():
        return text
    return "".join(c if c in "\n\t" or category(c) != "Cc" else "\ufffd" for c in text)


def describe_error(error: BaseException) -> dict[str, Any]:
    """The `error` object for any exception; unexpected ones are named by their class."""
    if isinstance(error, OrchestraError):
        return error.as_payload()
    message = plain(str(error)) or type(error).__name__
    return {"type": type(error).__name__, "msg": message, "hint": "", "details": {}}
