"""Watches one run over so many connections to its end; prints how many events each got, as JSON.

python -m benchmarks.workers.watchers PORT RUN_ID COUNT
"""

from __future__ import annotations

import asyncio
import json
import sys

MOST_SECONDS = 300


async def watch(port: int, run_id: str) -> int:
    """Read one stream to its end; how many events came. It shares the CPU, so it parses nothing."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
    path = f"/orchestrate/events?run_id={run_id}"
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    events, rest = 0, b""
    while chunk := await reader.read(1 << 20):
        whole, newline, rest = (rest + chunk).rpartition(b"\n")
        events += whole.count(b"\nid: ")
        rest = newline + rest  # a line that is not whole yet, with what begins it
        if b"\nevent: end" in whole:
            break
    writer.close()
    return events


async def everybody(port: int, run_id: str, count: int) -> list[int]:
    """All watchers at once."""
    watching = asyncio.gather(*(watch(port, run_id) for _ in range(count)))
    return list(await asyncio.wait_for(watching, MOST_SECONDS))


if __name__ == "__main__":
    found = asyncio.run(everybody(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
    sys.stdout.write(json.dumps(found))
