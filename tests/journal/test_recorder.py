"""What the recorder owes to those who watch, and they to it."""

import threading

from orchestra_core.journal.events import EventType
from orchestra_core.journal.log import JournalReader, JournalWriter
from orchestra_core.journal.recorder import Recorder


def test_a_display_that_fails_on_two_threads_at_once_is_dropped(tmp_path):
    """A terminal was closed while two workers told it something."""
    both = threading.Barrier(2, timeout=60)
    told, escaped = [], []

    def closed_terminal(event, _state):
        told.append(event.payload["n"])
        both.wait()
        raise BrokenPipeError

    path = tmp_path / "run.jsonl"
    writer = JournalWriter(path, "run", create=True)
    recorder = Recorder("run", writer, [closed_terminal])

    def record(n):
        try:
            recorder.record(EventType.RETRY, {"n": n})
        except Exception as error:
            escaped.append(error)

    workers = [threading.Thread(target=record, args=(n,)) for n in (1, 2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert escaped == []
    record(3)
    recorder.close()
    assert sorted(told) == [1, 2]
    assert sorted(event.payload["n"] for event in JournalReader(path)) == [1, 2, 3]
