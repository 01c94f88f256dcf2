"""gc, export and import, winners."""

import io
import json
import tarfile

import pytest

from orchestra_core.artifacts import Home
from orchestra_core.journal.lock import RunLock


def runs(home):
    return sorted(path.stem for path in (home / "reports" / "events").glob("*.jsonl"))


def everything(home):
    return {p.relative_to(home).as_posix() for p in home.rglob("*") if p.is_file()}


def test_old_runs_go_with_all_they_left(finished, orchestra):
    home, second = finished
    (first,) = [run for run in runs(home) if run != second]
    before = everything(home)
    told = orchestra("gc", "--keep", "1", "--dry-run", "--json").json
    assert (told["runs"], told["dry_run"]) == ([first], True)
    assert told["bytes"] > 10_000
    assert everything(home) == before
    assert orchestra("gc", "--keep", "1").code == 0
    assert runs(home) == [second]
    assert not [name for name in everything(home) if first in name and "index" not in name]
    assert {name for name in before if second in name} <= everything(home)
    assert [entry["run_id"] for entry in orchestra("list", "--json").json] == [second]
    assert orchestra("winners", "verify").code == 0
    assert orchestra("verify", second, "--plugins", "stub_target").code == 0


def test_the_last_winners_run_and_running_ones_stay(finished, orchestra):
    home, second = finished
    (first,) = [run for run in runs(home) if run != second]
    lock = RunLock(Home(home).lock(first))
    try:
        orchestra("gc", "--keep", "0")
    finally:
        lock.release()
    assert runs(home) == sorted([first, second])
    orchestra("gc", "--keep", "0")
    assert runs(home) == [second]


def test_leftovers_go(finished, orchestra):
    home, second = finished
    (home / ".runs" / "gone-grid-x").mkdir()
    (home / ".runs" / "gone-grid-x" / "metrics.json").write_text("{}")
    (home / "reports" / second / ".winners.json.1234.tmp").write_text("half")
    told = orchestra("gc", "--json").json
    assert told["runs"] == []
    assert told["leftovers"] == [".runs/gone-grid-x", f"reports/{second}/.winners.json.1234.tmp"]
    assert orchestra("gc", "--json").json["leftovers"] == []


def test_a_run_with_a_longer_id_is_another(finished, orchestra):
    home, second = finished
    events = home / "reports" / "events"
    longer = f"{second}-longer"
    (events / f"{longer}.jsonl").write_bytes((events / f"{second}.jsonl").read_bytes())
    (home / ".runs" / f"{longer}-grid-x").mkdir()
    from orchestra_core.housekeeping import files_of

    assert not [path for path in files_of(Home(home), second) if longer in path.name]
    assert files_of(Home(home), longer)[0].name == f"{longer}-grid-x"


# -- archives ---------------------------------------------------------------------------------------


@pytest.fixture
def archive(finished, orchestra, folder):
    path = folder / "run.tar.gz"
    assert orchestra("export", finished[1], str(path)).code == 0
    return path


def test_a_run_travels_whole(finished, orchestra, archive, folder):
    home, run_id = finished
    other = folder / "other"
    assert orchestra("import", str(archive), "--home", str(other)).code == 0
    own = {n for n in everything(home) if run_id in n and not n.endswith(f"memory/{run_id}.json")}
    assert own <= everything(other)
    for name in own:
        assert (other / name).read_bytes() == (home / name).read_bytes()
    assert orchestra("replay", run_id, "--home", str(other)).code == 0
    again = orchestra("import", str(archive), "--home", str(other))
    assert again.code == 2
    assert "is here already" in again.err


def test_a_run_that_is_carried_is_not_exported(finished, orchestra, folder):
    home, run_id = finished
    lock = RunLock(Home(home).lock(run_id))
    try:
        assert orchestra("export", run_id, str(folder / "x.tar.gz")).code == 2
    finally:
        lock.release()
    assert not (folder / "x.tar.gz").exists()


def repacked(archive, folder, change):
    """The archive with its members passed through `change(member, data) -> list`."""
    path = folder / "changed.tar.gz"
    with tarfile.open(archive) as source, tarfile.open(path, "w:gz") as target:
        for member in source:
            data = source.extractfile(member).read()
            for other, content in change(member, data):
                target.addfile(other, io.BytesIO(content))
    return path


def plain(name, data=b"x"):
    member = tarfile.TarInfo(name)
    member.size = len(data)
    return member, data


def special(name, kind, target=""):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member, b""


@pytest.mark.parametrize(
    "evil",
    [
        plain("../outside"),
        plain("/outside"),
        plain("reports/../../outside"),
        plain("reports/events/../../../outside"),
        plain("reports/events/other.jsonl"),
        plain("reports/winners.final.json"),
        plain("orchestra.yaml"),
        plain(".runs/other-grid-x/metrics.json"),
        special("reports/events/link", tarfile.SYMTYPE, "/etc/passwd"),
        special("reports/events/hard", tarfile.LNKTYPE, "reports/events/x"),
        special("reports/dev", tarfile.CHRTYPE),
        special("reports/fifo", tarfile.FIFOTYPE),
        special("reports/folder", tarfile.DIRTYPE),
    ],
    ids=lambda evil: evil[0].name,
)
def test_nothing_else_comes_in(archive, folder, orchestra, evil):
    other = folder / "other"
    first = []

    def add(member, data):
        told = [] if first else [evil]
        first.append(member)
        return [(member, data), *told]

    result = orchestra("import", str(repacked(archive, folder, add)), "--home", str(other))
    assert result.code == 2, result.text
    assert everything(folder) == {"run.tar.gz", "changed.tar.gz"} | {
        name for name in everything(folder) if name.startswith("home/")
    }


def test_archives_that_are_none(archive, folder, orchestra):
    whole = archive.read_bytes()
    for data in (b"", b"nothing", whole[: len(whole) // 2]):
        (folder / "bad.tar.gz").write_bytes(data)
        result = orchestra("import", str(folder / "bad.tar.gz"), "--home", str(folder / "other"))
        assert result.code == 2, result.text
        assert "Traceback" not in result.text
    assert runs(folder / "other") == []


def test_what_is_missing_or_too_large_is_told(archive, folder, orchestra):
    def lacking(member, data):
        return [] if member.name.endswith("metrics.json") else [(member, data)]

    result = orchestra("import", str(repacked(archive, folder, lacking)), "--home", str(folder / "o"))
    assert (result.code, "not complete" in result.err) == (2, True)
    result = orchestra("import", str(archive), "--max-size", "0.01", "--home", str(folder / "o"))
    assert (result.code, "holds too much" in result.err) == (2, True)
    assert runs(folder / "o") == []


# -- winners ----------------------------------------------------------------------------------------


def test_winners_are_shown_and_checked(finished, orchestra):
    home, run_id = finished
    shown = orchestra("winners", "show", "--json").json
    assert [record["run_id"] for record in shown][-1] == run_id
    assert run_id in orchestra("winners", "show").out
    assert orchestra("winners", "verify", "--json").json == {"records": 2, "whole": True, "broken": []}
    path = home / "reports" / "winners.final.json"
    records = json.loads(path.read_bytes())
    path.write_text(json.dumps(records[1:]))
    result = orchestra("winners", "verify")
    assert (result.code, run_id in result.err) == (1, True)


def test_no_winners_yet(orchestra):
    assert "No winner" in orchestra("winners", "show").out
    assert orchestra("winners", "verify").code == 0
