"""Ten thousand hostile requests: generated from the API's description, and by a table of attacks."""

from __future__ import annotations

import random
import re
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from urllib.error import HTTPError

from benchmarks.attacks import attack
from benchmarks.model import Benchmark, Figure, Watch
from benchmarks.serving import Served, serving
from benchmarks.workspace import fresh_folder

TOTAL = 10_000
SECRET = b"canary-outside-of-the-home-folder"


def measure(watch: Watch, quick: bool) -> list[Figure]:
    """Generated requests first, attacks for the rest."""
    total = 1_000 if quick else TOTAL
    watch.expect(2)
    folder = fresh_folder()
    home = folder / "home"
    home.mkdir()
    (folder / "secret.txt").write_bytes(SECRET)
    with serving(home, "--workers", "1", "--queue", "0") as served:
        run_id = served.start(mode="smoke")
        served.wait(run_id)
        watch.step("schemathesis")
        generated, broken = _schemathesis(served, 3 if quick else 25)
        watch.step("attacks")
        answers, escapes = _attacks(served, run_id, max(total - generated, total // 2))
        healthy = served.get("/healthz")["status"] == "ok" and _gets_ready(served)
    escapes += len([path for path in folder.rglob("escaped") if path.exists()])
    server_errors = sum(count for status, count in answers.items() if status >= 500)
    asked = generated + sum(answers.values())
    listed = ", ".join(
        f"{count:,} × {status or 'cut off'}" for status, count in sorted(answers.items())
    )
    return [
        Figure("hostile or malformed requests", f"{asked:,}", f"≥ {total:,}", asked >= total),
        Figure("server errors", f"{server_errors + broken}", "0", server_errors + broken == 0),
        Figure("answers with the canary, files written outside", str(escapes), "0", escapes == 0),
        Figure("healthy and ready afterwards", "yes" if healthy else "no", "yes", healthy),
        Figure("of these made by schemathesis", f"{generated:,}"),
        Figure("answers to the attacks", listed),
    ]


def _schemathesis(served: Served, examples: int) -> tuple[int, int]:
    """(requests made, failures) of a run over the whole OpenAPI."""
    script = Path(sys.executable).with_name("st")
    report = served.home / "schemathesis.har"
    command = [str(script), "run", f"http://127.0.0.1:{served.port}/openapi.json", "--no-color"]
    command += ["--max-examples", str(examples), "--checks", "not_a_server_error", "--seed", "1"]
    command += ["--exclude-operation-id", "readyz"]  # its 503 says that the queue is full, and it is
    command += ["--report-har-path", str(report), "--suppress-health-check", "all"]
    done = subprocess.run(
        [*command, "--request-timeout", "60"],
        cwd=served.home,
        capture_output=True,
        text=True,
        check=False,
    )
    text = report.read_text(encoding="utf-8", errors="replace")
    made = text.count('"startedDateTime"')
    return made, 0 if done.returncode == 0 else 1


def _gets_ready(served: Served, seconds: float = 120) -> bool:
    """Whether a run could be accepted, once those that the requests started have ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(HTTPError):
            return bool(served.get("/readyz")["status"] == "ok")
        time.sleep(1)
    return False


def _attacks(served: Served, run_id: str, count: int) -> tuple[Counter[int], int]:
    """Status → how often, and how often an answer held what no answer may."""
    chance = random.Random(20251107)  # noqa: S311 # so that it can be repeated
    answers: Counter[int] = Counter()
    escapes = 0
    for _ in range(count):
        answer = _send(served.port, attack(chance, served.port, run_id))
        escapes += SECRET in answer or b"root:x:" in answer
        head = re.match(rb"HTTP/1\.1 (\d{3}) ", answer)
        answers[int(head[1]) if head else 0] += 1
    return answers, escapes


def _send(port: int, request: bytes) -> bytes:
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
        try:
            connection.sendall(request)
            while len(answer) < 4_000_000 and (chunk := connection.recv(65_536)):
                answer += chunk
        except OSError:  # cut off, or a stream that goes on
            pass
    return answer


BENCHMARK = Benchmark(
    name="service_hostile",
    claim="10,000 hostile or malformed requests: no server error, nothing from outside of the home "
    "folder, and the service is healthy afterwards.",
    how="schemathesis over the whole OpenAPI but `/readyz`, which is asked at the end, with data that "
    "fits it and data that does not, then requests drawn with a fixed seed from tables of paths, "
    "hosts, methods, headers and bodies, over plain sockets. A canary lies beside the home folder.",
    measure=measure,
)
