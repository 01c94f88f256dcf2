"""Append from processes that get killed: `python -m benchmarks.workers.appending SECONDS FOLDER`.

Eight processes of four threads append to one journal. Each thread notes an event in a file of its own
only after the journal took it. Every few moments a process is killed and another takes its place.

A kill hardly ever meets the middle of a write. So that lines are torn at all, writes take two calls of
the kernel, the cut at random; a process that is killed between them leaves half a line, as a disk does
that takes a part.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from orchestra_core.journal.events import EventType
from orchestra_core.journal.log import JournalReader, JournalWriter

Write = Callable[[int, bytes], int]
PROCESSES, THREADS = 8, 4
PAYLOAD = "x" * 200


def main(seconds: float, folder: Path) -> dict[str, float]:
    """How much was acknowledged, lost, doubled and torn."""
    path = folder / "journal.jsonl"
    path.touch()
    chance = random.Random(1)  # noqa: S311 - which process is killed is no secret
    workers = [_start(folder, number) for number in range(PROCESSES)]
    started, deadline = PROCESSES, time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(chance.uniform(0.05, 0.3))
        victim = chance.randrange(PROCESSES)
        workers[victim].kill()
        workers[victim].wait()
        workers[victim] = _start(folder, started)
        started += 1
    for worker in workers:
        worker.kill()
        worker.wait()
    return {**_checked(folder, path), "kills": started}


def append(folder: Path, number: int) -> None:
    """One process's work, until it is killed."""
    os.write = _in_two(os.write)
    writer = JournalWriter(folder / "journal.jsonl", "run")
    threads = [
        threading.Thread(target=_append, args=(writer, folder, number, i)) for i in range(THREADS)
    ]
    for thread in threads:
        thread.start()


def _in_two(write: Write) -> Write:
    """`write` for lines of the journal, in two parts: the writer goes on with what was not taken."""
    chance = random.Random(os.getpid())  # noqa: S311 - where to cut is no secret

    def part(descriptor: int, data: bytes) -> int:
        if len(data) < len(PAYLOAD):
            return write(descriptor, data)
        taken = write(descriptor, data[: chance.randrange(1, len(data))])
        time.sleep(0.002)  # so that a kill meets this moment often
        return taken

    return part


def _append(writer: JournalWriter, folder: Path, number: int, thread: int) -> None:
    noted = os.open(folder / f"noted-{number}-{thread}", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    for n in range(10**9):
        event = writer.append(EventType.RETRY, {"from": f"{number}-{thread}", "n": n, "text": PAYLOAD})
        os.write(noted, b"%d %d\n" % (n, event.seq))


def _start(folder: Path, number: int) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "benchmarks.workers.appending", "append", str(folder), str(number)]
    return subprocess.Popen(words)


def _checked(folder: Path, path: Path) -> dict[str, float]:
    reader = JournalReader(path)
    found: Counter[tuple[str, int, int]] = Counter()
    numbers: Counter[int] = Counter()
    for event in reader:
        found[event.payload["from"], event.payload["n"], event.seq] += 1
        numbers[event.seq] += 1
    noted = {
        (file.name.partition("-")[2], *map(int, line.split()))
        for file in folder.glob("noted-*")
        for line in file.read_text().splitlines(keepends=True)
        if line.endswith("\n")
    }
    raw = path.read_bytes().split(b"\n")[:-1]
    broken = sum(1 for line in raw if line and not _whole(line))
    return {
        "acknowledged": len(noted),
        "lost": len(noted - found.keys()),
        "doubled": sum(count - 1 for count in numbers.values()),
        "torn": broken,
        "torn_counted": reader.bad_lines,
    }


def _whole(line: bytes) -> bool:
    try:
        return set(json.loads(line)) == {
            "v",
            "seq",
            "run_id",
            "event_type",
            "payload",
            "created_at",
            "crc",
        }
    except ValueError:
        return False


if __name__ == "__main__":
    if sys.argv[1] == "append":
        append(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        print(json.dumps(main(float(sys.argv[1]), Path(sys.argv[2]))))
