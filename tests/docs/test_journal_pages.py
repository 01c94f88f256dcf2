"""Events and artifacts are documented to the last key, as real runs write them."""

from __future__ import annotations

import csv
import json
import re

import pytest
from orchestra_reporters import plugin as reporters

from orchestra_core import Decision, PolicyReceipt, Ruling, hookimpl
from orchestra_core.journal.events import EventType
from orchestra_core.testing import StubRunner

CODE = re.compile(r"`([^`]+)`")


class Policy:
    """Applies a policy; the second one is not found when read back."""

    def __init__(self, *, verified=True):
        self.verified = verified

    @hookimpl
    def orchestra_apply_policy(self, winner):
        winner.intend({"previous": 1})
        return PolicyReceipt(self.verified, "stored", {"previous": 1})

    @hookimpl
    def orchestra_rollback_policy(self, intent):
        return None


class Stopper:
    @hookimpl
    def orchestra_reflect(self, evidence):
        return Decision(kind="early_stop", scope="run", rule="enough", reason="enough is enough")


class Warner:
    @hookimpl
    def orchestra_guard(self, evidence):
        return Ruling(kind="warn", rule="friday", reason="it is Friday")

    @hookimpl
    def orchestra_event(self, event):
        if event.event_type == "GRID_STARTED":
            raise ValueError("no")


@pytest.fixture
def finished(run_orchestra, stub_runner, tmp_path):
    """A won and published run with artifacts."""
    stub_runner.target.cost = 0.00001
    plots_off = {"plugins": {"reporters": {"plots": False}}}
    run = run_orchestra(("reporters", reporters), Policy(), Warner(), experiment=plots_off)
    assert run.report.published
    return run


@pytest.fixture
def journals(finished, run_orchestra, stub_runner):
    """Events of runs that end in every way."""
    runs = [finished, run_orchestra(Policy(), ("second", Policy(verified=False)))]
    runs.append(run_orchestra(Stopper()))
    gone = StubRunner()
    gone.target.failing = lambda _c, _q: setattr(gone.target, "healthy", False) is None
    runs.append(run_orchestra(runner=gone))
    stub_runner.target.failing = lambda config_id, _query_id: "q0p5" in config_id
    runs.append(run_orchestra())
    stub_runner.target.raises = RuntimeError("broken")
    runs.append(run_orchestra())
    stub_runner.target.raises = None
    stub_runner.target.raises_in_probe = KeyboardInterrupt()
    runs.append(run_orchestra())
    stub_runner.target.healthy = False
    runs.append(run_orchestra())
    return [event for run in runs for event in run.events]


@pytest.fixture(scope="session")
def rows(pages):
    """Event type → names in the payload column."""
    found, previous = {}, set()
    for line in pages["events.md"].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        names = CODE.findall(cells[0])
        if len(cells) == 3 and names and names[0].isupper():
            keys = set(CODE.findall(cells[2]))
            previous = keys | (previous if "as above" in cells[2] else set())
            found.update(dict.fromkeys(names, previous))
    return found


FREE = {"RETRY", "ALIAS_APPLIED"}
"""Recorded by runners; a stub records what it likes."""


def test_every_event_type_is_documented(rows):
    assert sorted(rows) == sorted(EventType)


def test_every_payload_key_is_documented(rows, journals):
    written = {(e.event_type, key) for e in journals for key in e.payload if e.event_type not in FREE}
    assert {(name, key) for name, key in written if key not in rows[name]} == set()
    kinds = {event.event_type for event in journals}
    assert len(kinds) > 25, sorted(kinds)


def test_documented_payload_keys_exist(rows, journals):
    written: dict[str, set[str]] = {}
    for event in journals:
        written.setdefault(event.event_type, set()).update(event.payload)
    extra = {"evaluate", "probe"}
    checked = {name: keys for name, keys in rows.items() if name in written and name not in FREE}
    gone = {(n, k) for n, keys in checked.items() for k in keys - written[n] - extra}
    assert gone == set()


def test_reserved_events_are_not_written(pages, journals):
    text = pages["events.md"]
    reserved = {name for name in EventType if re.search(rf"`{name}` \| reserved", text)}
    assert reserved
    assert not reserved & {event.event_type for event in journals}


def section(pages, heading):
    """Names in code under a heading, up to the next one of that level or above."""
    level = len(heading) - len(heading.lstrip("#"))
    text = pages["artifacts.md"].split(heading + "\n", 1)[1]
    return set(CODE.findall(re.split(rf"^#{{2,{level}}} ", text, flags=re.MULTILINE)[0]))


def test_keys_of_a_job_are_documented(finished, pages):
    for path in (finished.home / ".runs").glob("*/metrics.json"):
        content = json.loads(path.read_text())
        assert set(content) | set(content["metrics"]) <= section(pages, "### `metrics.json`")
        assert set(content["config"]) <= section(pages, "### `metrics.json`")
        line = json.loads((path.parent / "queries.jsonl").read_text().splitlines()[0])
        assert set(line) <= section(pages, "### `queries.jsonl`")
        assert {p.name for p in path.parent.iterdir()} <= {
            "metrics.json",
            "queries.jsonl",
            "run.trec.gz",
        }


def test_keys_of_winners_json_are_documented(finished, pages):
    content = json.loads(next(finished.home.glob("reports/*/winners.json")).read_text())
    latency = content["ab"]["latency"]
    keys = set(content) | set(content["winner"]) | set(content["ab"]) | set(content["fingerprints"])
    keys |= set(latency) | set(latency["baseline"])
    assert keys == section(pages, "### `winners.json`")


def test_keys_of_the_history_are_documented(finished, pages):
    (record,) = json.loads((finished.home / "reports/winners.final.json").read_text())
    keys = set(record) | set(record["winner"]) | set(record["ab_diff"][0])
    assert keys <= section(pages, "## `reports/winners.final.json`")


def test_keys_of_the_memory_are_documented(finished, pages):
    lines = (finished.home / "reports/memory/index.jsonl").read_text().splitlines()
    assert set(json.loads(lines[0])) <= section(pages, "## `reports/memory/`")


@pytest.mark.parametrize("name", ["ab_diff.csv", "failTopN.csv"])
def test_columns_are_documented(name, finished, pages):
    with next(finished.home.glob(f"reports/*/{name}")).open(newline="") as stream:
        header = next(csv.reader(stream))
    assert f"`{','.join(header)}`" in pages["artifacts.md"]


def test_every_file_of_a_run_is_documented(finished, pages):
    text = pages["artifacts.md"]
    for path in finished.home.rglob("*"):
        name = path.name.replace(finished.run_id, "<run_id>")
        name = re.sub("[0-9a-f]{64}", "<result>", name)
        if path.is_file() and not name.startswith(".") and name != "orchestra.yaml":
            assert name in text, name
