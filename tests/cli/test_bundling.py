"""export and import."""

import errno
import gzip
import hashlib
import io
import json
import tarfile
import tracemalloc

import pytest

from orchestra_core import bundling, temporaries, unbundling
from orchestra_core.artifacts import Home, storage_error
from orchestra_core.journal.lock import RunLock


def runs(home):
    return sorted(path.stem for path in (home / "reports" / "events").glob("*.jsonl"))


def everything(home):
    return {p.relative_to(home).as_posix() for p in home.rglob("*") if p.is_file()}


def leave(home, name, content="{}"):
    path = home / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


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


def test_the_same_run_gives_the_same_archive(finished, orchestra, archive, folder):
    assert orchestra("export", finished[1], str(folder / "again.tar.gz")).code == 0
    assert (folder / "again.tar.gz").read_bytes() == archive.read_bytes()


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
                other.size = len(content)
                target.addfile(other, io.BytesIO(content))
    return path


def told_of(more):
    """A change of the manifest, so that it tells of other members too."""

    def change(member, data):
        if member.name != "orchestra-run.json":
            return [(member, data)]
        about = json.loads(data)
        about["files"] |= {name: hashlib.sha256(content).hexdigest() for name, content in more.items()}
        first = member, json.dumps(about).encode()
        return [first, *((tarfile.TarInfo(name), content) for name, content in more.items())]

    return change


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


@pytest.mark.parametrize("told", [True, False])
def test_what_is_no_file_of_the_run_is_named(archive, folder, orchestra, told):
    other = folder / "o"
    for name in ("../../evil", "", ".", "reports/events/../x", "reports/x\n/y", "a" * 300):
        change = told_of({name: b"x"})
        if not told:

            def change(member, data, name=name):
                more = [plain(name)] if member.name == "orchestra-run.json" else []
                return [(member, data), *more]

        result = orchestra("import", str(repacked(archive, folder, change)), "--home", str(other))
        assert result.code == 2, result.text
        assert f"'{name}' is no file of run" in result.err
        assert "changed.tar.gz" in result.err
    assert runs(other) == []


def test_archives_that_are_none(archive, folder, orchestra):
    whole = archive.read_bytes()
    for data in (b"", b"nothing", whole[: len(whole) // 2]):
        (folder / "bad.tar.gz").write_bytes(data)
        result = orchestra("import", str(folder / "bad.tar.gz"), "--home", str(folder / "other"))
        assert result.code == 2, result.text
        assert "Traceback" not in result.text
    assert runs(folder / "other") == []


def test_a_damaged_archive_is_refused_and_a_sound_copy_comes_in(archive, folder, orchestra):
    """Cut off, or flipped anywhere: in the middle, in the checksum, in the length."""
    whole = archive.read_bytes()
    damaged = [whole[:-8], whole[:-1], flipped(whole, -1), flipped(whole, -7)]
    damaged += [flipped(whole, at) for at in range(20, len(whole), len(whole) // 12)]
    for data in damaged:
        (folder / "bad.tar.gz").write_bytes(data)
        result = orchestra("import", str(folder / "bad.tar.gz"), "--home", str(folder / "other"))
        assert result.code == 2, result.text
        assert "bug in Orchestra" not in result.text
    assert everything(folder / "other") == set()
    assert orchestra("import", str(archive), "--home", str(folder / "other")).code == 0


def flipped(data, at):
    changed = bytearray(data)
    changed[at] ^= 0xFF
    return bytes(changed)


@pytest.mark.parametrize("name", ["metrics.json", ".jsonl.gz", ".jsonl"])
def test_an_altered_member_is_refused(archive, folder, orchestra, name):
    def alter(member, data):
        return [(member, data + b" " if member.name.endswith(name) else data)]

    result = orchestra("import", str(repacked(archive, folder, alter)), "--home", str(folder / "o"))
    assert (result.code, "is not what was exported" in result.err) == (2, True)
    assert runs(folder / "o") == []


def test_a_result_is_what_its_name_says(archive, folder, orchestra):
    """Also where the manifest was altered with it."""
    with tarfile.open(archive) as source:
        name = next(n for n in source.getnames() if "/units/" in n)

    def alter(member, data):
        changed = told_of({name: b"altered"})(member, data)
        return [] if member.name == name else changed

    result = orchestra("import", str(repacked(archive, folder, alter)), "--home", str(folder / "o"))
    assert (result.code, "is not what was exported" in result.err) == (2, True)


def test_what_is_missing_or_too_large_is_told(archive, folder, orchestra):
    def lacking(member, data):
        return [] if member.name.endswith("metrics.json") else [(member, data)]

    result = orchestra("import", str(repacked(archive, folder, lacking)), "--home", str(folder / "o"))
    assert (result.code, "not complete" in result.err) == (2, True)
    result = orchestra("import", str(archive), "--max-size", "0.01", "--home", str(folder / "o"))
    assert (result.code, "unpacks to more than 0.01 MB" in result.err) == (2, True)
    assert runs(folder / "o") == []


def header(kind, size, name="././@Header"):
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, size
    return member.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize(
    "kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, b"L", b"K"], ids=lambda k: k.decode()
)
def test_a_header_that_is_too_large_takes_no_memory(folder, orchestra, kind):
    size = 300 * 2**20
    with gzip.open(folder / "big.tar.gz", "wb", 1) as stream:
        stream.write(header(kind, size))
        for _ in range(size // 2**20):
            stream.write(bytes(2**20))
        stream.write(header(tarfile.REGTYPE, 0, "orchestra-run.json") + bytes(1024))
    tracemalloc.start()
    result = orchestra("import", str(folder / "big.tar.gz"), "--home", str(folder / "o"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (result.code, "a header is too large" in result.err) == (2, True), result.text
    assert peak < 50 * 2**20


def end_of_members(tar):
    """Where the last member ends; how many zeros follow depends on the members' sizes."""
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        last = archive.getmembers()[-1]
    return last.offset_data + -(-last.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE


def test_headers_that_lead_nowhere(folder, orchestra, archive):
    """Sizes below zero lead back, or beyond the end."""
    name = "orchestra-run.json"
    for first in (header(tarfile.REGTYPE, -512, name), header(tarfile.REGTYPE, 2**40, name)):
        (folder / "odd.tar.gz").write_bytes(gzip.compress(first + bytes(2048)))
        result = orchestra("import", str(folder / "odd.tar.gz"), "--home", str(folder / "o"))
        assert result.code == 2, result.text
        assert "bug in Orchestra" not in result.text
    whole = gzip.decompress(archive.read_bytes())
    odd = whole[: end_of_members(whole)] + header(tarfile.REGTYPE, -512, "x") + bytes(1024)
    (folder / "odd.tar.gz").write_bytes(gzip.compress(odd))
    result = orchestra("import", str(folder / "odd.tar.gz"), "--home", str(folder / "o"))
    assert result.code == 2, result.text
    assert runs(folder / "o") == []


def test_what_the_service_was_asked_for_stays_behind(finished, orchestra, folder):
    home, run_id = finished
    leave(home, f"reports/service/{run_id}/order.json")
    leave(home, f"reports/{run_id}/.winners.json.0123abcd.tmp", "half")
    archive = str(folder / "run.tar.gz")
    assert orchestra("export", run_id, archive).code == 0
    assert orchestra("import", archive, "--home", str(folder / "o")).code == 0
    assert not [n for n in everything(folder / "o") if "service" in n or n.endswith(".tmp")]


def test_a_published_run_verifies_where_it_came_to(finished, orchestra, archive, folder):
    _, run_id = finished
    other, third = folder / "o", folder / "third"
    assert orchestra("import", str(archive), "--home", str(other)).code == 0
    verify = "verify", run_id, "--plugins", "stub_target"
    for words in (verify, ("winners", "verify"), ("replay", run_id)):
        result = orchestra(*words, "--home", str(other))
        assert result.code == 0, result.text
    assert "No winner" in orchestra("winners", "show", "--home", str(other)).out
    again = str(folder / "again.tar.gz")
    assert orchestra("export", run_id, again, "--home", str(other)).code == 0
    assert orchestra("import", again, "--home", str(third)).code == 0
    assert orchestra(*verify, "--home", str(third)).code == 0
    origin = third / "reports" / "imports" / f"{run_id}.json"
    came = json.loads(origin.read_bytes())
    came["winner"]["winner"]["config_id"] = "forged"
    origin.write_text(json.dumps(came))
    assert orchestra(*verify, "--home", str(third)).code == 1
    orchestra("gc", "--keep", "0", "--home", str(third))
    assert not [name for name in everything(third) if run_id in name]


class Killed(BaseException):
    """As if the process had been killed."""


@pytest.mark.parametrize("swept", [False, True])
@pytest.mark.parametrize("at", range(8))
def test_an_import_that_was_killed_can_be_done_again(
    finished, orchestra, archive, folder, monkeypatch, at, swept
):
    other, moves = folder / "o", []

    def move(path, target):
        moves.append(path)
        if len(moves) > at:
            raise Killed
        real(path, target)

    real = unbundling.move_into
    with monkeypatch.context() as patched:
        patched.setattr(unbundling, "move_into", move)
        patched.setattr(temporaries.shutil, "rmtree", lambda *_words, **_more: None)
        with pytest.raises(Killed):
            unbundling.import_run(Home(other), archive)
    (scratch,) = other.glob(".import.*.tmp")
    assert runs(other) == []
    if swept:
        assert orchestra("gc", "--home", str(other)).code == 0
        assert everything(other) <= {"reports/memory/index.jsonl", "reports/memory/.lock"}
        assert not scratch.exists()
    assert orchestra("import", str(archive), "--home", str(other)).code == 0
    assert orchestra("verify", finished[1], "--plugins", "stub_target", "--home", str(other)).code == 0
    assert orchestra("gc", "--home", str(other)).code == 0
    assert not list(other.rglob(".*.tmp"))


@pytest.mark.parametrize("content", [b"[]", b"null", b"[" * 100_000, b"{}", b'{"format": 2}', b"\xff"])
def test_a_manifest_that_makes_no_sense_is_refused(archive, folder, orchestra, content):
    def change(member, data):
        return [(member, content if member.name == "orchestra-run.json" else data)]

    result = orchestra("import", str(repacked(archive, folder, change)), "--home", str(folder / "o"))
    assert (result.code, "bug in Orchestra" in result.err) == (2, False), result.text


@pytest.mark.parametrize("name", ["events", "service", "winners.final.json", "../x", ""])
def test_a_run_that_is_called_as_nothing_can_be(archive, folder, orchestra, name):
    def change(member, data):
        if member.name == "orchestra-run.json":
            return [(member, json.dumps({**json.loads(data), "run_id": name}).encode())]
        return [(member, data)]

    other = folder / "o"
    result = orchestra("import", str(repacked(archive, folder, change)), "--home", str(other))
    assert result.code == 2, result.text
    assert everything(other) == set()


def test_more_than_it_tells_of_ends_it_at_once(archive, folder, orchestra):
    seen = []

    def change(member, data):
        seen.append(member.name)
        return [plain(f"reports/x/{n}") for n in range(2000)] if len(seen) == 3 else [(member, data)]

    result = orchestra("import", str(repacked(archive, folder, change)), "--home", str(folder / "o"))
    assert (result.code, "'reports/x/0' is no file of run" in result.err) == (2, True)


def test_a_home_that_cannot_be_written_is_exported(finished, orchestra, folder, monkeypatch):
    """Nobody can take a run up there; as root nothing is read-only, so the lock itself says so."""
    home, run_id = finished

    def refuse(path):
        raise storage_error(OSError(errno.EROFS, "Read-only file system"), path)

    monkeypatch.setattr(bundling, "RunLock", refuse)
    assert orchestra("export", run_id, str(folder / "x.tar.gz")).code == 0
    lock = RunLock(Home(home).lock(run_id))
    assert orchestra("export", run_id, str(folder / "y.tar.gz")).code == 3
    lock.release()
    assert not (folder / "y.tar.gz").exists()
