"""Answers of plugins, checked: every fault found here names plugin, version and hook."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from orchestra_core.datasets import Dataset, DatasetSource, unknown_place
from orchestra_core.errors import HookError, OrchestraError, StorageError
from orchestra_core.plugins.discovery import PluginCandidate
from orchestra_core.report import Ruling

Item = TypeVar("Item")
RUNNER_METHODS = ("fingerprint", "health", "evaluate", "probe", "close")
EXECUTOR_METHODS = ("run", "close")


@dataclass(frozen=True, slots=True)
class Origin:
    """Who gave an answer: a hook of a plugin, or a function that this hook gave."""

    candidate: PluginCandidate
    hook: str
    place: str
    """The hook, or the function, in the words of a message."""

    def at(self, place: str) -> Origin:
        """The same hook, for what a function of its answer does."""
        return replace(self, place=place)

    def failed(self, error: BaseException) -> HookError:
        """The error of an implementation that raised."""
        hint = f"Report it to the plugin's authors, or switch it off with --plugins no:{self._name}"
        return self._error(f"failed in {self.place}: {type(error).__name__}: {error}", hint)

    def muted(self, errors: int) -> HookError:
        """The notice that this hook is not called again in this run."""
        hint = f"Its earlier errors say why; switch it off with --plugins no:{self._name}"
        return self._error(f"is muted after {errors} errors in {self.place}", hint)

    def expect(self, answer: Any, expected: type[Item]) -> Item:
        """The answer, of that type. Raises HookError."""
        if isinstance(answer, expected):
            return answer
        found = type(answer).__name__
        raise self._wrong(f"answered {self.place} with {found}, expected {expected.__name__}")

    def expect_methods(self, answer: Any, methods: Sequence[str]) -> Any:
        """The answer, if it has these methods. Raises HookError."""
        missing = [f"{name}()" for name in methods if not callable(getattr(answer, name, None))]
        if missing:
            found = type(answer).__name__
            raise self._wrong(f"answered {self.place} with {found}, which has no {', '.join(missing)}")
        return answer

    @property
    def _name(self) -> str:
        return self.candidate.name

    def _wrong(self, problem: str) -> HookError:
        return self._error(problem, "See the hook's page in the documentation.")

    def _error(self, problem: str, hint: str) -> HookError:
        return HookError(
            f"plugin '{self._name}' ({self.candidate.provider}) {problem}",
            hint=hint,
            details={"plugin": self._name, "version": self.candidate.version, "hook": self.hook},
        )


def attributed(source: DatasetSource, origin: Origin) -> DatasetSource:
    """The source, whose functions raise HookError for whatever is no OrchestraError."""

    def opened(argument: str) -> Dataset:
        name = f"{source.name}:{argument}" if source.is_scheme else source.name
        opening = origin.at(f"open() of dataset '{name}'")
        return opening.expect(_guarded(opening, lambda: source.open(argument)), Dataset)

    def located() -> Path | None:
        return _guarded(origin.at(f"location() of dataset '{source.name}'"), source.location)

    # Whether it can tell where its data is stays visible.
    location = source.location if source.location is unknown_place else located
    return replace(source, open=opened, location=location)


def _guarded(origin: Origin, call: Callable[[], Item]) -> Item:
    try:
        return call()
    except OrchestraError:
        raise
    except (Exception, SystemExit) as error:
        raise origin.failed(error) from error


def as_list(answer: Any) -> Sequence[Any]:
    """None, one item or several, as several."""
    if answer is None:
        return []
    return list(answer) if isinstance(answer, list | tuple | set | frozenset) else [answer]


def storage_error_in(error: BaseException | None) -> StorageError | None:
    """The error itself or what caused it: a reporter may gather several failures into one."""
    while error is not None and not isinstance(error, StorageError):
        error = error.__cause__
    return error


def denial(plugin: str, error: OrchestraError) -> Ruling:
    """What a guard that could not rule stands for."""
    return Ruling(
        kind="deny",
        rule="guard_failed",
        plugin=plugin,
        reason=f"the guard could not rule: {error.message}",
        hint=f"A guard that fails denies; repair it, or switch it off with --plugins no:{plugin}",
    )
