"""Full disks, writes cut anywhere, two resumers, policies: what is left can be gone on with."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from orchestra_core import hookimpl
from orchestra_core.artifacts import Home
from orchestra_core.errors import StorageError
from orchestra_core.history import broken_records, read_history
from orchestra_core.journal.log import JournalReader
from orchestra_core.journal.memory import load_state
from orchestra_core.journal.skimming import skim
from orchestra_core.payloads import PolicyReceipt
from orchestra_core.resuming import request_of

# -- a disk that is full ----------------------------------------------------------------------------


@pytest.fixture
def full(monkeypatch):
    """`full(n, *calls)`: the n-th of these calls fails, as when the disk is full; None: none."""
    left, counted_calls = [None], set()

    def counted(name, call):
        def limited(*words):
            if left[0] is not None and name in counted_calls:
                left[0] -= 1
                if left[0] == 0:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return call(*words)

        return limited

    for name in ("fsync", "fdatasync", "write", "pwrite"):
        monkeypatch.setattr(os, name, counted(name, getattr(os, name)))

    def fill(at, *calls):
        left[0] = at
        counted_calls.clear()
        counted_calls.update(calls)

    return fill


@pytest.mark.parametrize("at", [4, 5, 7, 9, 12, 15, 18, 22])
def test_a_disk_that_is_full_at_any_write(lab, undisturbed, told, full, at):
    full(at, "fsync", "fdatasync")
    first = lab.run()
    full(None)
    assert first.outcome.exit_code == 3
    assert first.outcome.error.code == "storage"
    assert "disk is full" in first.outcome.error.hint
    assert not list(lab.home.rglob(".*.tmp"))
    outcome, _ = lab.resume(first.run_id)
    assert told(outcome) == told(undisturbed.outcome)


@pytest.mark.parametrize("at", [*range(4, 12), 14, 17, 21, 26])
def test_a_disk_that_takes_no_more_lines_at_any_of_them(lab, undisturbed, told, full, at):
    """Starts of units are written by the workers; their errors are told like any other."""
    full(at, "write")
    first = lab.run()
    full(None)
    assert first.outcome.exit_code == 3
    assert first.outcome.error.code == "storage"
    assert "UNIT_FAILED" not in {e.event_type for e in lab.events(first.run_id)}
    outcome, _ = lab.resume(first.run_id)
    assert told(outcome) == told(undisturbed.outcome)


def test_a_run_is_free_again_though_the_disk_was_full_as_it_was_taken(lab, doomed, full):
    """The process that could not take it may live on: a service, say."""
    first = lab.run(doomed(at=5))
    full(1, "pwrite")
    with pytest.raises(StorageError, match="No space left"):
        lab.resume(first.run_id)
    full(None)
    assert lab.resume(first.run_id)[0].report.status == "completed"


# -- cut anywhere in a trace of writes --------------------------------------------------------------


class Trace:
    """Every write, sync, rename and removal below a folder, in order."""

    def __init__(self, root, monkeypatch):
        self.root, self.steps, self.names, self.opened = root, [], {}, {}
        for name in ("open", "write", "ftruncate", "fsync", "fdatasync", "rename", "replace", "unlink"):
            monkeypatch.setattr(os, name, getattr(self, name)(getattr(os, name)))
        monkeypatch.setattr(os, "mkdir", self.mkdir(os.mkdir))

    def _inner(self, path):
        path = Path(os.fspath(path)) if not isinstance(path, int) else self.root.parent
        return path.relative_to(self.root) if path.is_relative_to(self.root) else None

    def open(self, real):
        def call(path, flags, mode=0o777, **more):
            descriptor = real(path, flags, mode, **more)
            inner = None if more else self._inner(path)
            self.opened[descriptor] = inner
            self.names[descriptor] = inner if flags & (os.O_WRONLY | os.O_RDWR) else None
            if inner and flags & os.O_CREAT:
                self.steps.append(("create", inner))
            return descriptor

        return call

    def write(self, real):
        def call(descriptor, data):
            written = real(descriptor, data)
            if inner := self.names.get(descriptor):
                self.steps.append(("write", inner, bytes(data[:written])))
            return written

        return call

    def ftruncate(self, real):
        def call(descriptor, length):
            if inner := self.names.get(descriptor):
                self.steps.append(("truncate", inner, length))
            return real(descriptor, length)

        return call

    def fsync(self, real):
        def call(descriptor):
            real(descriptor)
            if inner := self.opened.get(descriptor):
                self.steps.append(("sync", inner))

        return call

    fdatasync = fsync

    def rename(self, real):
        def call(source, target, **more):
            real(source, target, **more)
            if (inner := self._inner(target)) and self._inner(source):
                # What is renamed was written by ways that are not traced: take it as it is now.
                path = self.root / inner
                content = path.read_bytes() if path.is_file() else _tree(path)
                self.steps.append(("put", inner, content))

        return call

    replace = rename

    def unlink(self, real):
        def call(path, **more):
            real(path, **more)
            if not more and (inner := self._inner(path)):
                self.steps.append(("unlink", inner))

        return call

    def mkdir(self, real):
        return real

    def replay(self, steps, root):
        for kind, inner, *rest in [step for step in steps if step[0] != "sync"]:
            path = root / inner
            path.parent.mkdir(parents=True, exist_ok=True)
            if kind == "create":
                path.touch()
            elif kind == "write":
                with path.open("ab") as stream:
                    stream.write(rest[0])
            elif kind == "truncate":
                os.truncate(path, rest[0])
            elif kind == "unlink":
                path.unlink(missing_ok=True)
            elif isinstance(rest[0], bytes):
                path.write_bytes(rest[0])
            else:
                shutil.rmtree(path, ignore_errors=True)
                for name, content in rest[0].items():
                    (path / name).parent.mkdir(parents=True, exist_ok=True)
                    (path / name).write_bytes(content)


def _tree(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_every_prefix_of_the_writes_is_a_valid_state(lab, tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        trace = Trace(lab.home, patch)
        run = lab.run()
    other = tmp_path / "prefix"
    states = set()
    for length in range(len(trace.steps) + 1):
        if length:
            trace.replay(trace.steps[length - 1 : length], other)
        journal = other / "reports" / "events" / f"{run.run_id}.jsonl"
        if not journal.exists():
            continue
        reader = JournalReader(journal)
        state = skim(reader)
        assert reader.bad_lines == 0
        states.add((state.status, tuple(state.stages)))
        units = Home(other).units(run.run_id)
        for event in JournalReader(journal):
            if event.event_type == "UNIT_DONE":
                assert (units / f"{event.payload['result']}.jsonl.gz").is_file()
        assert broken_records(read_history(Home(other))) == []
        if state.publication and state.publication["published"]:
            assert [record["run_id"] for record in read_history(Home(other))] == [run.run_id]
    assert len(trace.steps) > 60
    assert len(states) > 5


def power_cuts(steps):
    """After each sync of a file: what is on disk for sure. Nothing else is."""
    written, renamed, there = {}, {}, {}
    for kind, inner, *rest in steps:
        if kind == "write":
            written[inner] = written.get(inner, b"") + rest[0]
        elif kind == "truncate":
            written[inner] = written.get(inner, b"")[: rest[0]]
        elif kind == "put" and isinstance(rest[0], bytes):
            renamed[inner] = rest[0]
        elif kind == "unlink":
            there.pop(inner, None)
        elif kind == "sync" and inner in written:
            there[inner] = written[inner]
            yield dict(there)
        elif kind == "sync":
            there |= {path: content for path, content in renamed.items() if path.parent == inner}


def test_what_the_journal_says_outlives_a_power_cut(lab, tmp_path, undisturbed, told):
    """Only what was synced is left: jobs' folders and unsynced lines are gone."""
    with pytest.MonkeyPatch.context() as patch:
        trace = Trace(lab.home, patch)
        run = lab.run()
    cuts = list(power_cuts(trace.steps))
    assert len(cuts) > 20
    experiment = (lab.home / "orchestra.yaml").read_bytes()
    for number, there in enumerate(cuts):
        home = tmp_path / f"cut{number}"
        for inner, content in {**there, Path("orchestra.yaml"): experiment}.items():
            (home / inner).parent.mkdir(parents=True, exist_ok=True)
            (home / inner).write_bytes(content)
        events = list(JournalReader(home / "reports" / "events" / f"{run.run_id}.jsonl"))
        for event in events:
            if event.event_type == "UNIT_DONE":
                name = f"{event.payload['result']}.jsonl.gz"
                assert (Home(home).units(run.run_id) / name).is_file()
            if event.event_type == "PUBLISH_DONE":
                assert [record["run_id"] for record in read_history(Home(home))] == [run.run_id]
        if number % 12 == 3:
            outcome, _ = type(lab)(home, lab.experiment).resume(run.run_id)
            assert told(outcome) == told(undisturbed.outcome)


def test_the_trace_is_whole(lab, tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        trace = Trace(lab.home, patch)
        run = lab.run()
    trace.replay(trace.steps, tmp_path / "again")
    journal = tmp_path / "again" / "reports" / "events" / f"{run.run_id}.jsonl"
    assert journal.read_bytes() == lab.journal(run.run_id).read_bytes()


def test_the_name_of_every_folder_is_on_disk(lab, tmp_path, monkeypatch):
    """A file outlives a power cut only if the folders above it do."""
    lab.home.mkdir()
    made, synced, names = [], set(), {}
    mkdir, fsync, opened = os.mkdir, os.fsync, os.open
    monkeypatch.setattr(os, "mkdir", lambda path, *more: mkdir(path, *more) or made.append(Path(path)))
    monkeypatch.setattr(os, "fsync", lambda one: synced.add(names.get(one)) or fsync(one))

    def named(path, *more, **others):
        descriptor = opened(path, *more, **others)
        names[descriptor] = Path(os.fspath(path))
        return descriptor

    monkeypatch.setattr(os, "open", named)
    lab.run()
    kept = [path for path in made if path.is_relative_to(tmp_path) and path.is_dir()]
    assert len(kept) > 5
    assert [path for path in kept if path.parent not in synced] == []


# -- processes --------------------------------------------------------------------------------------

RESUME = """
import sys
from pathlib import Path
from orchestra_core.errors import OrchestraError
from orchestra_core.resuming import resume_experiment
from orchestra_core.testing.running import stub_session
from orchestra_core.testing import StubReporter, StubRunner
import orchestra_reflection_rules.plugin as rules
plugins = StubReporter(), ("reflection_rules", rules)
session = stub_session(Path(sys.argv[1]), *plugins, experiment=eval(sys.argv[3]))
print("ready", flush=True)
sys.stdin.readline()
try:
    sys.exit(resume_experiment(session, sys.argv[2]).exit_code)
except OrchestraError as error:
    print(error.message)
    sys.exit(77)
"""


def test_of_many_resumers_one_goes_on(lab, doomed, undisturbed):
    first = lab.run(doomed(at=5))
    words = [sys.executable, "-c", RESUME, str(lab.home), first.run_id, repr(lab.experiment)]
    pipe = subprocess.PIPE
    several = [subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True) for _ in range(3)]
    for process in several:
        assert process.stdout.readline() == "ready\n"
    for process in several:
        process.stdin.write("\n")
        process.stdin.flush()
    told = [process.communicate(timeout=60)[0] for process in several]
    codes = sorted(process.returncode for process in several)
    assert codes[0] == 0
    assert set(codes) <= {0, 77}
    assert all("is running it" in text for text, p in zip(told, several, strict=True) if p.returncode)
    events = lab.events(first.run_id)
    done = [e.payload["unit"] for e in events if e.event_type == "UNIT_DONE"]
    assert len(done) == len(set(done)) == len(undisturbed.of_type("UNIT_DONE"))
    assert [e.event_type for e in events].count("RUN_COMPLETED") == 1


HOLDER = """
import sys, time
from pathlib import Path
from orchestra_core.journal.lock import RunLock
lock = RunLock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


def test_a_stopped_holder_keeps_the_run_and_a_killed_one_does_not(lab, doomed):
    first = lab.run(doomed(at=5))
    path = Home(lab.home).lock(first.run_id)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout.readline() == "held\n"
        holder.send_signal(signal.SIGSTOP)
        os.utime(path, (0, 0))  # however old it looks
        before = lab.journal(first.run_id).read_bytes()
        with pytest.raises(Exception, match=f"process {holder.pid} on"):
            lab.resume(first.run_id)
        assert lab.journal(first.run_id).read_bytes() == before
    finally:
        holder.kill()
        holder.communicate()
    assert path.exists()
    assert lab.resume(first.run_id)[0].report.status == "completed"
    assert not path.exists()


FORKING_HOLDER = """
import os, sys, time
from pathlib import Path
from orchestra_core.journal.lock import RunLock
lock = RunLock(Path(sys.argv[1]))
let_go, child_has = os.pipe()
child = os.fork()
if child == 0:
    os.write(child_has, b".")
    time.sleep(600)
    os._exit(0)
os.read(let_go, 1)
print(child, flush=True)
os._exit(0)  # dies without a word: only the kernel frees the lock
"""


def test_a_forked_child_does_not_hold_its_dead_parents_run(lab, doomed):
    first = lab.run(doomed(at=5))
    path = Home(lab.home).lock(first.run_id)
    words = [sys.executable, "-c", FORKING_HOLDER, str(path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())
        try:
            assert parent.wait() == 0
            os.kill(child, 0)  # it lives: else it could hold nothing
            assert lab.resume(first.run_id)[0].report.status == "completed"
        finally:
            os.kill(child, signal.SIGKILL)


# -- policies ---------------------------------------------------------------------------------------


class Policy:
    """Applies, and may die just afterwards."""

    def __init__(self):
        self.applied = 0

    @hookimpl
    def orchestra_apply_policy(self, winner):
        self.applied += 1
        return PolicyReceipt(verified=True, summary="done", undo={"n": self.applied})


@pytest.mark.parametrize("last", ["POLICY_INTENT", "POLICY_APPLIED", "PUBLISH_DONE"])
def test_an_applied_policy_is_not_applied_again(lab, last):
    policy = Policy()
    run = lab.run(None, ("policy", policy))
    kinds = [e.event_type for e in run.events]
    lines = lab.journal(run.run_id).read_bytes().splitlines(keepends=True)
    lab.journal(run.run_id).write_bytes(b"".join(lines[: kinds.index(last) + 1]))
    outcome, _ = lab.resume(run.run_id, None, ("policy", policy))
    assert outcome.report.published
    assert policy.applied == (2 if last == "POLICY_INTENT" else 1)
    state = load_state(Home(lab.home), run.run_id)
    assert [p["event_type"] for p in state.policies][-1] == "POLICY_APPLIED"
    assert len(read_history(Home(lab.home))) == 1


# -- what was typed ---------------------------------------------------------------------------------


def test_a_file_that_is_gone_is_told(lab, doomed):
    first = lab.run(doomed(at=5))
    state = load_state(Home(lab.home), first.run_id)
    request = request_of(Home(lab.home), state)
    assert json.loads(request.file.read_text())["stages"] == lab.experiment["stages"]
    request.file.unlink()
    with pytest.raises(Exception, match=r"orchestra.yaml is gone"):
        request_of(Home(lab.home), state)
