"""The fold of a long journal, quickly: what most of its lines say is said in few ways.

Starts of units are only counted, and units that came back alike (same stage, rung, size and cost, no
failures) are parsed once. The state is that of `fold`, to the last digit.
"""

from __future__ import annotations

import json
import re
from collections import Counter

from orchestra_core.journal.events import parse_line
from orchestra_core.journal.log import JournalReader
from orchestra_core.journal.state import RunState

_TYPE = b'"event_type":"'
_STARTED = b'UNIT_STARTED"'
_DONE = b'UNIT_DONE","payload":'
_NO_FAILURES = b',"failures":{},'
_PLAIN = re.compile(
    rb'\{"stage":"\w+","rung":\d+,"kind":"\w+","configurations":\d+,"queries":\d+,"requests":\d+,'
    rb'"repetitions":\d+,"cost_usd":[-+.\de]+'
)
"""All that decides what a unit adds to the state, when nothing failed."""
_LONGEST = 240
"""Bytes within which that is said."""
_MANY = 1000
"""Ways in which units were alike that are held at once."""


def skim(reader: JournalReader) -> RunState:
    """The state after all that the reader has still to read. Raises StorageError."""
    state, alike, last = RunState(), Counter[bytes](), b""
    for line in reader.lines():
        at = line.find(_TYPE) + len(_TYPE)
        if line.startswith(_STARTED, at):
            state.events, last = state.events + 1, line
        elif line.startswith(_DONE, at) and (figures := _figures(line, at + len(_DONE), alike)):
            alike[figures] += 1
            last = line
            if len(alike) > _MANY:
                _settle(state, alike)
        elif event := parse_line(line):
            _settle(state, alike)
            state.apply(event)
            last = b""
        else:
            reader.bad_lines += 1
    _settle(state, alike)
    if event := parse_line(last):
        state.last_event_at = event.created_at
    return state


def _figures(line: bytes, start: int, known: Counter[bytes]) -> bytes:
    """What a unit adds to the state, as JSON without its end; empty when it is not plain."""
    end = line.find(_NO_FAILURES, start, start + _LONGEST)
    figures = line[start:end] if end > 0 else b""
    if not figures or b'"reused_from"' in line[end:]:
        return b""
    return figures if figures in known or _PLAIN.fullmatch(figures) else b""


def _settle(state: RunState, alike: Counter[bytes]) -> None:
    for figures, times in alike.items():
        state.apply_unit(json.loads(figures + b"}"), times)
    alike.clear()
