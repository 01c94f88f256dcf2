"""Asks `GET PATH` of a port at a rate for a while; prints latencies from the scheduled send, as JSON.

    python -m benchmarks.workers.status_load PORT PATH RATE SECONDS

Bounded: it ends after that time, whatever the service does.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

CONNECTIONS = 16


async def ask(port: int, path: str, rate: float, seconds: float) -> dict[str, object]:
    """An open loop: requests are due at fixed times, and wait where no connection is free."""
    due: asyncio.Queue[float | None] = asyncio.Queue()
    latencies: list[float] = []
    failed = 0

    async def connection() -> None:
        nonlocal failed
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
        while (at := await due.get()) is not None:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            latencies.append(time.perf_counter() - at)
            failed += not head.startswith(b"HTTP/1.1 200 ")
        writer.close()

    tasks = [asyncio.create_task(connection()) for _ in range(CONNECTIONS)]
    began = time.perf_counter()
    for number in range(int(rate * seconds)):
        at = began + number / rate
        await asyncio.sleep(max(0.0, at - time.perf_counter()))
        due.put_nowait(at)
    for _ in tasks:
        due.put_nowait(None)
    await asyncio.wait_for(asyncio.gather(*tasks), 60)
    took = time.perf_counter() - began
    return {"latencies_ms": [1000 * value for value in latencies], "failed": failed, "seconds": took}


if __name__ == "__main__":
    found = asyncio.run(ask(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), float(sys.argv[4])))
    sys.stdout.write(json.dumps(found))
