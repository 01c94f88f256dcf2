"""JUnit XML of a run, for build servers: one test case per stage and one for the verdict.

A quality failure (regression, a guard's denial) is a `failure`; a failing target, disk or plugin is an
`error`; what was not reached and an inconclusive verdict are `skipped`, since neither shows anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from orchestra_core.artifacts import write_atomic
from orchestra_core.errors import GuardDenied, OrchestraError, RunCancelled, describe_error
from orchestra_core.journal.events import Event
from orchestra_core.journal.state import RunState
from orchestra_core.outcome import Outcome
from orchestra_core.plan import STAGE_ORDER
from orchestra_core.report import Verdict

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
Problem = tuple[str, str, str]
"""Element (`failure`, `error` or `skipped`), type, message."""


@dataclass
class StageTimes:
    """Listens to a run and remembers when each stage began and ended, and how."""

    began: dict[str, str] = field(default_factory=dict)
    ended: dict[str, str] = field(default_factory=dict)
    errors: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    publication: Mapping[str, Any] = field(default_factory=dict)

    def on_event(self, event: Event, _state: RunState) -> None:
        """Take note of a stage's beginning or end."""
        stage, _, what = event.event_type.lower().partition("_")
        if stage in STAGE_ORDER and what == "started":
            self.began[stage] = event.created_at
            self.ended.pop(stage, None)  # a resumed run goes through it again
            self.errors.pop(stage, None)
        if stage in STAGE_ORDER and what in {"done", "failed"}:
            self.ended[stage] = event.created_at
            if what == "failed":
                self.errors[stage] = event.payload["error"]
            elif stage == "publish":
                self.publication = event.payload

    @property
    def broken_off(self) -> list[str]:
        """Stages that began and neither ended nor failed."""
        return [stage for stage in self.began if stage not in self.ended]

    def seconds(self, stage: str) -> float:
        """How long a stage took; 0 when it did not end."""
        if stage not in self.began or stage not in self.ended:
            return 0.0
        passed = _time(self.ended[stage]) - _time(self.began[stage])
        return passed.total_seconds()


def write_run(path: Path, outcome: Outcome, times: StageTimes) -> None:
    """Write the file of a run, however it ended. Raises StorageError."""
    report = outcome.report
    suite = _suite(report.name, {"run_id": report.run_id, "plan_hash": report.plan_hash})
    for stage in STAGE_ORDER:
        _case(suite, report.name, stage, times.seconds(stage), _of_stage(stage, times))
    _case(suite, report.name, "verdict", 0.0, _of_verdict(report.verdict, outcome.error, times))
    _write(path, suite)


@contextmanager
def refusals_in(path: Path | None) -> Iterator[None]:
    """When a run cannot begin, write that to the file (if there is one) before the error goes on."""
    try:
        yield
    except Exception as error:
        if path is not None:
            _write_refusal(path, error)
        raise


def _write_refusal(path: Path, error: Exception) -> None:
    suite = _suite("orchestra", {})
    _case(suite, "orchestra", "run", 0.0, _of_error(describe_error(error)))
    _write(path, suite)


def _of_stage(stage: str, times: StageTimes) -> Problem | None:
    if stage in times.errors:
        return _of_error(times.errors[stage])
    if stage == "publish" and times.publication.get("denied"):
        return "failure", GuardDenied.code, times.publication["reason"]
    if stage == "publish" and not times.publication.get("comparable", True):
        return "error", "not_comparable", times.publication["reason"]
    if stage in times.broken_off:
        return "error", RunCancelled.code, "it had begun and was broken off"
    return None if stage in times.ended else ("skipped", "", "the run did not come this far")


def _of_verdict(
    verdict: Verdict | None, error: BaseException | None, times: StageTimes
) -> Problem | None:
    if verdict is None and (told := [*times.errors, *times.broken_off]):
        return "skipped", "", f"the run came to no verdict: see {told[-1]}"
    if verdict is None:
        missing = OrchestraError("the run came to no verdict")
        return _of_error(describe_error(error or missing))
    kinds = {"regression": "failure", "inconclusive": "skipped"}
    element = kinds.get(verdict.kind)
    return (element, verdict.kind, verdict.reason) if element else None


def _of_error(described: Mapping[str, Any]) -> Problem:
    element = "failure" if described["type"] == GuardDenied.code else "error"
    told, hint = described["msg"], described["hint"]
    return element, described["type"], f"{told.removesuffix('.')}. Hint: {hint}" if hint else told


def _suite(name: str, properties: Mapping[str, str]) -> ElementTree.Element:
    suite = ElementTree.Element("testsuite", {"name": _clean(name)})
    listed = ElementTree.SubElement(suite, "properties")
    for key, value in properties.items():
        ElementTree.SubElement(listed, "property", {"name": key, "value": _clean(value)})
    return suite


def _case(
    suite: ElementTree.Element, group: str, name: str, seconds: float, problem: Problem | None
) -> None:
    told = {"classname": _clean(group), "name": name, "time": f"{seconds:.3f}"}
    case = ElementTree.SubElement(suite, "testcase", told)
    if problem is not None:
        element, kind, message = problem
        attributes = {"message": _clean(message), **({"type": kind} if kind else {})}
        ElementTree.SubElement(case, element, attributes)


def _write(path: Path, suite: ElementTree.Element) -> None:
    cases = suite.findall("testcase")
    suite.set("tests", str(len(cases)))
    for element, count in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        suite.set(count, str(sum(case.find(element) is not None for case in cases)))
    suite.set("time", f"{sum(float(case.get('time', '0')) for case in cases):.3f}")
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    data = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    write_atomic(path.absolute(), data + b"\n")


def _clean(text: str) -> str:
    """Without what XML cannot hold, such as control characters of a target's message."""
    return _NOT_XML.sub("\ufffd", text)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
