"""replay, and what verify says of the same."""

import hashlib
import struct
import zlib

import pytest

from orchestra_core.artifacts import Home
from orchestra_core.journal.log import JournalReader

REPORTERS_OFF = ("--plugins", "stub_target,no:reporters")


def found(orchestra, run_id, *words, command="replay"):
    result = orchestra(command, run_id, "--json", *words)
    return result.code, {(f["kind"], f["file"]): f for f in result.json["findings"]}


def forge(home, run_id, change):
    """The journal with some payloads changed, every checksum right."""
    path = Home(home).journal(run_id)
    events = [e._replace(payload=change(e.event_type, dict(e.payload))) for e in JournalReader(path)]
    path.write_bytes(b"".join(event.to_line() for event in events))


def recorded_as(paths):
    """A change that records the artifacts' hashes as they are now."""

    def change(event_type, payload):
        for path in paths:
            if event_type == "ARTIFACT_WRITTEN" and payload["path"].endswith(path.name):
                payload["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
        return payload

    return change


def with_text(png, key, text):
    """The picture with another text in it, as another library may write one."""
    body = b"tEXt" + key + b"\0" + text
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return png[:33] + chunk + png[33:]


def test_everything_agrees(finished, orchestra):
    _, run_id = finished
    assert found(orchestra, run_id) == (0, {})


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x89PNG\r\n\x1a\n"])
def test_a_picture_that_was_altered_is_found(finished, orchestra, content):
    home, run_id = finished
    for name in ("pareto.png", "ab_diff.png"):
        (home / "reports" / run_id / name).write_bytes(content)
    code, findings = found(orchestra, run_id)
    expected = {("differs", f"reports/{run_id}/{name}") for name in ("pareto.png", "ab_diff.png")}
    assert (code, set(findings)) == (1, expected)
    assert orchestra("replay", run_id, "--write").code == 0
    assert found(orchestra, run_id) == (0, {})


def test_a_picture_that_another_library_drew_is_compared_by_its_data(finished, orchestra):
    home, run_id = finished
    path = home / "reports" / run_id / "pareto.png"
    drawn = path.read_bytes()
    path.write_bytes(with_text(drawn, b"Software", b"another"))
    assert found(orchestra, run_id)[0] == 1  # not what the run recorded
    forge(home, run_id, recorded_as([path]))
    assert found(orchestra, run_id) == (0, {})
    path.write_bytes(with_text(drawn, b"Data", b"other"))
    forge(home, run_id, recorded_as([path]))
    code, findings = found(orchestra, run_id)
    assert (code, set(findings)) == (1, {("differs", f"reports/{run_id}/pareto.png")})


def test_artifacts_whose_reporter_is_not_loaded_are_told(finished, orchestra):
    home, run_id = finished
    folder = home / "reports" / run_id
    code, findings = found(orchestra, run_id, *REPORTERS_OFF)
    assert (code, set(findings)) == (
        3,
        {("missing", f"reports/{run_id}/{p.name}") for p in folder.iterdir()},
    )
    assert all("not loaded" in finding["what"] for finding in findings.values())
    (folder / "winners.md").write_text("forged")
    code, findings = found(orchestra, run_id, *REPORTERS_OFF)
    assert code == 1
    assert ("differs", f"reports/{run_id}/winners.md") in findings


def test_what_was_recorded_of_an_artifact_must_follow_too(finished, orchestra):
    """The file is as derived, but the journal says that the run wrote another."""
    home, run_id = finished

    def change(event_type, payload):
        if event_type == "ARTIFACT_WRITTEN" and payload["path"].endswith("winners.md"):
            payload["sha256"] = "0" * 64
        return payload

    forge(home, run_id, change)
    code, findings = found(orchestra, run_id)
    assert (code, set(findings)) == (1, {("differs", f"reports/{run_id}/winners.md")})
    assert orchestra("replay", run_id, "--write").code == 1


@pytest.mark.parametrize(("content", "code"), [(None, 3), ("[]\n", 3), ("nothing", 1)])
def test_the_history_is_looked_at(finished, orchestra, content, code):
    home, run_id = finished
    path = home / "reports" / "winners.final.json"
    path.write_text(content) if content else path.unlink()
    for command in ("replay", "verify"):
        words = ("--plugins", "stub_target") if command == "verify" else ()
        assert orchestra(command, run_id, *words).code == code


def test_a_lost_result_is_one_finding(finished, orchestra):
    """Not one for every event that rests on it, whichever it is."""
    home, run_id = finished
    journal = f"reports/events/{run_id}.jsonl"
    results = list((home / ".runs" / run_id / "units").iterdir())
    for path in results:
        data = path.read_bytes()
        path.unlink()
        file = path.relative_to(home).as_posix()
        code, findings = found(orchestra, run_id)
        assert (code, set(findings)) == (3, {("missing", file), ("missing", journal)})
        assert "could not be derived" in findings["missing", journal]["what"]
        path.write_bytes(data)
    path.write_bytes(data[:-1])
    code, findings = found(orchestra, run_id)
    assert (code, set(findings)) == (1, {("differs", file), ("missing", journal)})
    path.unlink()
    told = orchestra("replay", run_id)
    assert "0 differ, 2 missing." in told.out
    assert len(told.out.splitlines()) < 15
    path.write_bytes(data)
    assert found(orchestra, run_id) == (0, {})


def test_a_torn_line_that_was_sealed_holds_nothing(finished, orchestra):
    """A process was killed while it wrote, and the run was gone on with."""
    home, run_id = finished
    path = Home(home).journal(run_id)
    lines = path.read_bytes().splitlines(keepends=True)
    end = next(i for i, line in enumerate(lines) if b'"VERDICT"' in line) + 1
    path.write_bytes(b"".join(lines[:end]) + b'{"v":1,"seq":99')
    assert orchestra("resume", run_id, "--json").code == 0
    assert b'"seq":99\n' in path.read_bytes()
    assert found(orchestra, run_id) == (0, {})
    told = orchestra("verify", run_id, "--plugins", "stub_target")
    assert (told.code, "1 torn line" in told.out) == (0, True), told.text
    assert orchestra("report", run_id).code == 0


def test_a_line_that_is_lost_is_not_passed_over(finished, orchestra):
    home, run_id = finished
    path = Home(home).journal(run_id)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-5] + lines[-4:]))
    assert orchestra("replay", run_id).code == 3
    path.write_bytes(
        b"".join(lines[:-5]) + lines[-5].replace(b'"seq"', b'"sEq"') + b"".join(lines[-4:])
    )
    assert orchestra("replay", run_id).code == 3
    assert orchestra("verify", run_id, "--plugins", "stub_target").code == 1


def test_an_end_that_is_cut_off_is_told(finished, orchestra):
    home, run_id = finished
    path = Home(home).journal(run_id)
    path.write_bytes(path.read_bytes()[:-10])
    code, findings = found(orchestra, run_id)
    assert code == 3
    assert "cut off" in findings["missing", f"reports/events/{run_id}.jsonl"]["what"]


def test_a_run_whose_target_was_not_there(orchestra, write_plugin, folder):
    """Nothing was asked, so nothing can differ."""
    write_plugin("ailing", AILING)
    home = str(folder / "home")
    assert orchestra("run", "--plugins", "ailing", "--home", home).code == 3
    result = orchestra("replay", "latest", "--home", home)
    assert result.code in {0, 2}
    assert "differ" not in result.text


AILING = """
from dataclasses import dataclass
from orchestra_core.runner import Health
from orchestra_core.testing.stubs import StubDatasets, StubRunner

class Ailing(StubRunner):
    def orchestra_runner(self, request):
        opened = super().orchestra_runner(request)
        opened.health = lambda: Health(ok=False, message="no answer")
        return opened

    orchestra_runner.orchestra_impl = StubRunner.orchestra_runner.orchestra_impl

RUNNER, DATASETS = Ailing(), StubDatasets()
orchestra_describe_runner = RUNNER.orchestra_describe_runner
orchestra_runner = RUNNER.orchestra_runner
orchestra_datasets = DATASETS.orchestra_datasets
"""
