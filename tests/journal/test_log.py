"""The append-only file: torn tails, altered bytes, several writers, following readers."""

import errno
import fcntl
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestra_core.errors import StorageError
from orchestra_core.journal.events import Event, EventType, parse_line
from orchestra_core.journal.log import JournalReader, JournalWriter
from orchestra_core.journal.recorder import Recorder

RETRY = EventType.RETRY


@pytest.fixture
def path(tmp_path):
    return tmp_path / "events" / "run.jsonl"


def write(path, *payloads, create=True):
    writer = JournalWriter(path, "run", create=create)
    for payload in payloads:
        writer.append(RETRY, payload)
    writer.close()


def read(path):
    reader = JournalReader(path)
    return [(e.seq, dict(e.payload)) for e in reader], reader.bad_lines


def test_a_line_has_exactly_these_keys(path):
    write(path, {"attempt": 1, "text": "ä🔥"})
    (line,) = path.read_bytes().splitlines()
    found = json.loads(line)
    assert list(found) == ["v", "seq", "run_id", "event_type", "payload", "created_at", "crc"]
    assert (found["v"], found["seq"], found["run_id"], found["event_type"]) == (1, 1, "run", "RETRY")
    assert found["created_at"].endswith("Z")
    assert "ä🔥".encode() in line


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.text(max_size=6), JSON, max_size=4), st.sampled_from(EventType))
def test_what_is_written_reads_back(payload, event_type):
    event = Event(7, "run", event_type, payload, "2025-11-07T10:15:00.000Z")
    line = event.to_line()
    assert line.count(b"\n") == 1
    assert parse_line(line[:-1]) == event


def line_of(event_type):
    """A whole line, with its CRC, of an event of any type."""
    written = {"v": 1, "seq": 2, "run_id": "run", "event_type": event_type, "payload": {"n": 2}}
    body = json.dumps({**written, "created_at": "now"}, separators=(",", ":")).encode()
    return body[:-1] + b',"crc":"%08x"}\n' % zlib.crc32(body)


def test_an_event_of_a_later_version_is_no_damage(path):
    write(path, {"n": 1})
    with path.open("ab") as stream:
        stream.write(line_of("RUN_PAUSED"))
    assert read(path) == ([(1, {"n": 1}), (2, {"n": 2})], 0)
    event = parse_line(line_of("RUN_PAUSED")[:-1])
    assert event.event_type == "RUN_PAUSED"
    assert event.event_type not in set(EventType)
    assert event.to_line() == line_of("RUN_PAUSED")


@pytest.mark.parametrize("event_type", [7, None, ["RETRY"], {}])
def test_an_event_type_that_is_no_text_is_damage(event_type):
    assert parse_line(line_of(event_type)[:-1]) is None


@given(st.binary(max_size=200))
def test_any_bytes_are_an_event_or_none(line):
    assert isinstance(parse_line(line), Event | None)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object()])
def test_what_is_not_json_is_refused_and_nothing_is_written(path, value):
    writer = JournalWriter(path, "run", create=True)
    writer.append(RETRY, {"a": 1})
    before = path.read_bytes()
    with pytest.raises((ValueError, TypeError)):
        writer.append(RETRY, {"a": value})
    assert path.read_bytes() == before
    assert writer.append(RETRY, {"a": 2}).seq == 2
    writer.close()


def test_every_flipped_byte_is_noticed(path):
    write(path, {"n": 1}, {"n": 2}, {"n": 3})
    whole = path.read_bytes()
    first, second = (i for i, byte in enumerate(whole[:-1]) if byte == 10)
    for position in range(first + 1, second):
        for bit in (1, 64):
            altered = bytearray(whole)
            altered[position] ^= bit
            path.write_bytes(altered)
            found, bad = read(path)
            assert (1, {"n": 1}) in found
            assert (3, {"n": 3}) in found
            assert (2, {"n": 2}) not in found
            assert bad >= 1


def test_a_tail_torn_at_every_byte_costs_that_event_at_most(path):
    write(path, {"n": 1}, {"n": 2})
    whole = path.read_bytes()
    start = whole.index(b"\n") + 1
    for length in range(start, len(whole)):
        path.write_bytes(whole[:length])
        assert read(path) == ([(1, {"n": 1})], 0)
        write(path, {"n": "after"}, create=False)
        found, bad = read(path)
        kept = length == len(whole) - 1  # only the newline was missing
        wanted = [(1, {"n": 1}), *([(2, {"n": 2})] if kept else [])]
        assert found == [*wanted, (len(wanted) + 1, {"n": "after"})]
        assert bad == (0 if kept or length == start else 1)
        path.write_bytes(whole)


@given(
    st.lists(st.text(max_size=40), min_size=1, max_size=4), st.integers(0, 10_000), st.text(max_size=9)
)
def test_a_last_record_cut_anywhere_costs_no_other(tmp_path_factory, texts, cut, later):
    path = tmp_path_factory.mktemp("cut") / "run.jsonl"
    write(path, *({"text": text} for text in texts))
    whole = path.read_bytes()
    start = whole.rindex(b"\n", 0, -1) + 1 if len(texts) > 1 else 0
    path.write_bytes(whole[: start + cut % (len(whole) - start)])
    write(path, {"text": later}, {"text": later}, create=False)
    found = [payload["text"] for _, payload in read(path)[0]]
    last = [texts[-1]] if start + cut % (len(whole) - start) == len(whole) - 1 else []
    assert found == [*texts[:-1], *last, later, later]
    assert [seq for seq, _ in read(path)[0]] == list(range(1, len(found) + 1))


def test_opening_a_long_journal_reads_only_its_end(path, monkeypatch):
    write(path, *({"n": n} for n in range(5_000)))
    with path.open("ab") as stream:
        stream.write(b"damaged\n" * 20_000 + b"torn")
    real, read_bytes = os.pread, []
    monkeypatch.setattr(os, "pread", lambda *args: read_bytes.append(args[1]) or real(*args))
    writer = JournalWriter(path, "run")
    assert writer.append(RETRY, {"n": "after"}).seq == 5_001
    writer.close()
    assert sum(read_bytes) < 300_000 < path.stat().st_size


def test_a_sync_that_fails_takes_no_line_back(path, monkeypatch):
    """Whoever follows the journal may have read it, and would misread what comes in its place."""
    writer = JournalWriter(path, "run", create=True)
    writer.append(EventType.RUN_STARTED, {"n": 1})
    follower, seen = JournalReader(path), []

    def broken(_descriptor):
        seen.extend(follower)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", broken)
    with pytest.raises(StorageError, match="Input/output"):
        writer.append(EventType.RUN_COMPLETED, {"n": 2})
    monkeypatch.undo()
    assert writer.append(EventType.RUN_FAILED, {"n": 3, "longer": True}).seq == 3
    seen.extend(follower)
    assert ([event.seq for event in seen], follower.bad_lines) == ([1, 2, 3], 0)
    assert seen == list(JournalReader(path))
    writer.close()


def test_of_a_batch_that_is_cut_the_whole_lines_stay(path, monkeypatch):
    writer = JournalWriter(path, "run", create=True)
    real, left = os.write, [True, False]
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[:250]) if left.pop(0) else full())

    def full():
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StorageError):
        writer.append_all((RETRY, {"n": n}) for n in range(5))
    monkeypatch.undo()
    kept = [payload["n"] for _, payload in read(path)[0]]
    assert kept == list(range(len(kept)))
    assert 0 < len(kept) < 5
    assert path.read_bytes().endswith(b"\n")
    assert writer.append(RETRY, {"n": "after"}).seq == len(kept) + 1
    writer.close()


@pytest.mark.parametrize(
    ("event_type", "syncs"),
    [("GRID_STARTED", 0), ("UNIT_STARTED", 0), ("RETRY", 0), ("RUN_STARTED", 1), ("UNIT_DONE", 1)],
)
def test_what_ends_something_is_synced(path, monkeypatch, event_type, syncs):
    writer = JournalWriter(path, "run", create=True)
    real, synced = os.fdatasync, []
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: synced.append(1) or real(descriptor))
    writer.append(EventType(event_type), {})
    writer.close()
    assert len(synced) == syncs


def append_forked(writer, name, count):
    for n in range(count):
        writer.append(RETRY, {"from": name, "n": n})


def test_a_forked_writer_excludes_its_parent(path):
    writer = JournalWriter(path, "run", create=True)
    writer.append(RETRY, {"from": "a", "n": 0})
    child = multiprocessing.get_context("fork").Process(target=append_forked, args=(writer, "b", 200))
    child.start()
    for n in range(1, 200):
        writer.append(RETRY, {"from": "a", "n": n})
    child.join(60)
    assert child.exitcode == 0
    writer.close()
    check_interleaved(path, "ab", 200)


def test_an_existing_journal_is_never_begun_again(path):
    write(path, {"n": 1})
    with pytest.raises(StorageError):
        JournalWriter(path, "run", create=True)
    with pytest.raises(StorageError):
        JournalWriter(path.with_name("other.jsonl"), "run")


def test_a_closed_writer_refuses_and_touches_no_other_file(path, tmp_path):
    """The descriptor's number may belong to another file by then."""
    writer = JournalWriter(path, "run", create=True)
    writer.append(RETRY, {"n": 1})
    writer.close()
    with (tmp_path / "innocent").open("w+b") as innocent:
        with pytest.raises(StorageError, match="closed"):
            writer.append(RETRY, {"n": 2})
        writer.close()
        assert innocent.read() == b""
        innocent.write(b"still open")
    assert read(path) == ([(1, {"n": 1})], 0)


def test_a_batch_is_numbered_in_order(path):
    writer = JournalWriter(path, "run", create=True)
    events = writer.append_all((RETRY, {"n": n}) for n in range(5))
    writer.close()
    assert [e.seq for e in events] == [1, 2, 3, 4, 5]
    assert [seq for seq, _ in read(path)[0]] == [1, 2, 3, 4, 5]


def append_many(path, name, count, together):
    together.wait(60)  # a process takes longer to start than to append
    writer = JournalWriter(path, "run")
    for n in range(count):
        writer.append(RETRY, {"from": name, "n": n})
    writer.close()


def check_interleaved(path, names, count):
    found, bad = read(path)
    assert bad == 0
    assert [seq for seq, _ in found] == list(range(1, len(names) * count + 1))
    for name in names:
        assert [p["n"] for _, p in found if p["from"] == name] == list(range(count))


def test_a_journal_without_an_event_leaves_no_file(path):
    write(path)
    assert not path.exists()


def test_two_processes_append_without_losing_or_mixing(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    context = multiprocessing.get_context("spawn")
    together = context.Barrier(2)
    workers = [context.Process(target=append_many, args=(path, name, 50, together)) for name in "ab"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    check_interleaved(path, "ab", 50)


def test_threads_share_a_writer(path):
    writer = JournalWriter(path, "run", create=True)

    def append(name):
        for n in range(50):
            writer.append(RETRY, {"from": name, "n": n})

    threads = [threading.Thread(target=append, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()
    check_interleaved(path, "abcd", 50)


def test_a_reader_can_follow(path):
    writer = JournalWriter(path, "run", create=True)
    reader = JournalReader(path)
    assert list(reader) == []
    writer.append(RETRY, {"n": 1})
    assert [e.seq for e in reader] == [1]
    assert list(reader) == []
    whole = Event(2, "run", RETRY, {"n": 2}, "now").to_line()
    for part in (whole[:10], whole[10:-1]):
        with path.open("ab") as stream:
            stream.write(part)
        assert list(reader) == []
    with path.open("ab") as stream:
        stream.write(b"\n")
    assert [e.seq for e in reader] == [2]
    assert reader.position == path.stat().st_size
    writer.append(RETRY, {"n": 3})
    assert [e.seq for e in reader] == [3]
    writer.close()


def test_a_write_that_fails_half_way_leaves_nothing(path, monkeypatch):
    writer = JournalWriter(path, "run", create=True)
    writer.append(RETRY, {"n": 1})
    before = path.read_bytes()
    real, left = os.write, [True, False]

    def full(descriptor, data):
        if not left.pop(0):
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, data[: len(data) // 2])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StorageError, match="No space left") as caught:
        writer.append(RETRY, {"n": 2})
    assert "disk is full" in caught.value.hint
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert writer.append(RETRY, {"n": 3}).seq == 2
    writer.close()
    assert read(path) == ([(1, {"n": 1}), (2, {"n": 3})], 0)


def test_a_journal_that_cannot_be_read(tmp_path):
    with pytest.raises(StorageError, match="cannot read"):
        list(JournalReader(tmp_path / "nothing.jsonl"))


def test_a_short_write_is_completed(path, monkeypatch):
    """The kernel may take a part for other reasons than a full disk."""
    writer = JournalWriter(path, "run", create=True)
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:7]))
    writer.append(RETRY, {"n": 1})
    monkeypatch.undo()
    writer.close()
    assert read(path) == ([(1, {"n": 1})], 0)


# -- forks ------------------------------------------------------------------------------------------


def in_a_child(work, meanwhile=lambda: None):
    """Do it in a forked child, and something else here; whether that ended by itself, and well."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(sys.exc_info()[0] is not None)
    meanwhile()
    ended = []
    waiting = threading.Thread(target=lambda: ended.append(os.waitpid(child, 0)[1]))
    waiting.start()
    waiting.join(60)
    if not ended:
        os.kill(child, signal.SIGKILL)
    waiting.join()
    return ended == [0]


@pytest.mark.parametrize("recording", [False, True])
def test_a_child_forked_while_a_thread_holds_the_lock_appends(path, monkeypatch, recording):
    """In the middle of an append the lock is held for sure."""
    writer = JournalWriter(path, "run", create=True)
    append = Recorder("run", writer).record if recording else writer.append
    real, inside, go_on = os.write, threading.Event(), threading.Event()

    def slow(descriptor, data):
        inside.set()
        go_on.wait(60)
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", slow)
    thread = threading.Thread(target=append, args=(RETRY, {"n": 1}))
    thread.start()
    assert inside.wait(60)

    def work():
        go_on.set()  # the child's own copy
        append(RETRY, {"n": 2})

    assert in_a_child(work, meanwhile=go_on.set)
    thread.join(60)
    writer.close()
    assert [payload["n"] for _, payload in read(path)[0]] == [1, 2]


def test_the_threads_of_a_forked_child_share_one_descriptor(path):
    writer = JournalWriter(path, "run", create=True)
    writer.append(RETRY, {"n": 0})

    def work():
        sys.setswitchinterval(1e-6)
        together = threading.Barrier(4)

        def append():
            together.wait()
            for n in range(5):
                writer.append(RETRY, {"n": n})

        threads = [threading.Thread(target=append) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    for _ in range(5):
        assert in_a_child(work)
    writer.append(RETRY, {"n": 0})
    writer.close()
    assert [seq for seq, _ in read(path)[0]] == list(range(1, 103))


def is_free_soon(path, seconds=10.0):
    """Whether nobody holds the file's lock; a child may not have been given its first turn yet."""
    deadline = time.monotonic() + seconds
    descriptor = os.open(path, os.O_RDONLY)
    try:
        while time.monotonic() < deadline:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.05)
            else:
                return True
        return False
    finally:
        os.close(descriptor)


def test_a_forked_child_does_not_hold_a_dead_parents_lock(path):
    """The parent dies in the middle of an append; its child must not keep the journal locked."""
    code = f"""
import fcntl, os, threading, time
from pathlib import Path
from orchestra_core.journal.log import JournalWriter
writer = JournalWriter(Path({str(path)!r}), "run", create=True)
fcntl.flock(writer._descriptor, fcntl.LOCK_EX)
child = os.fork()
if child == 0:
    time.sleep(60)
    os._exit(0)
print(child, flush=True)
os._exit(0)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())
        try:
            assert parent.wait() == 0
            os.kill(child, 0)  # it lives: else it could hold nothing
            assert is_free_soon(path)
        finally:
            os.kill(child, signal.SIGKILL)
