"""Ten thousand hostile requests: generated from the API's description, and by a table of attacks."""

from __future__ import annotations

import random
import re
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

from benchmarks.model import Benchmark, Figure, Watch
from benchmarks.serving import Served, serving
from benchmarks.workspace import fresh_folder

TOTAL = 10_000
SECRET = b"canary-outside-of-the-home-folder"
PATHS = (
    "/", "/runs/{x}", "/runs/{x}/live", "/static/{x}", "/orchestrate/status?run_id={x}",
    "/orchestrate/report?run_id={x}", "/orchestrate/events?run_id={x}", "/orchestrate/artifacts/{x}/{x}",
    "/orchestrate/artifacts/{run}/{x}", "/orchestrate/runs?limit={x}", "/orchestrate/{x}", "/{x}",
    "//{x}", "/orchestrate/run", "/orchestrate/cancel", "/orchestrate/resume",
)  # fmt: skip
WORDS = (
    "../secret.txt", "..%2fsecret.txt", "%2e%2e%2fsecret.txt", "....//secret.txt", "/etc/passwd", "%2fetc%2fpasswd",
    "%00", "%0d%0aX: y", "a" * 5000, "%ff%fe", "{{7*7}}", "<script>", "'; drop table runs;--", "${jndi:x}",
    "..\\secret.txt", "%c0%ae%c0%ae/secret.txt", "-1", "1e99", "nan", "", ".", "..", "reports/../../secret.txt",
    "reports/events/..%2f..%2f..%2fsecret.txt", "file:///etc/passwd", "http://evil.example/", "%", "%zz", "\u00e9",
)  # fmt: skip
HOSTS = (
    "{own}",
    "{own}",
    "{own}",
    "evil.example",
    "",
    "{own}, evil.example",
    "127.0.0.1",
    "[::1",
    "a" * 9000,
)
METHODS = (
    "GET",
    "GET",
    "GET",
    "POST",
    "POST",
    "POST",
    "PUT",
    "DELETE",
    "HEAD",
    "OPTIONS",
    "TRACE",
    "X" * 40,
)
HEADERS = (
    "Content-Type: application/json", "Content-Type: text/plain", "Content-Length: 99999999999999999999",
    "Content-Length: -1", "Transfer-Encoding: chunked", "Origin: http://evil.example", "Last-Event-ID: -5",
    "Last-Event-ID: 99999999999999999999999", "Idempotency-Key: " + "k" * 300, "Idempotency-Key: \u00e9",
    "Authorization: Basic !!!", "X-Forwarded-Host: evil.example", "X: " + "y" * 20_000, "Range: bytes=0-,-1",
    "Upgrade: websocket\r\nConnection: Upgrade", "Expect: 100-continue", "Content-Encoding: gzip",
)  # fmt: skip
BODIES = (
    b"", b"{}", b"[]", b"null", b"{", b"\xff\xfe", b"[" * 5000, b'{"a":' * 500, b'{"mode":"smoke","mode":"x"}',
    b'{"run_id":"../secret.txt"}', b'{"run_id":null}', b'{"overrides":{"alpha":[1e999]}}', b'{"a":NaN}',
    b'{"experiment":{"runner":{"runner_cmd":["touch","escaped"]}}}', b'{"experiment":{"dataset":"beir:/etc"}}',
    b'{"collection":"\\ud800"}', b'{"experiment":{"paths":{"reports_dir":"/tmp"}}}', b'{"dry_run":1}',
    b"a" * 2_000_000,
)  # fmt: skip


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
        healthy = served.get("/healthz")["status"] == "ok" and served.get("/readyz")["status"] == "ok"
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
    command += ["--report-har-path", str(report), "--suppress-health-check", "all"]
    done = subprocess.run(
        [*command, "--request-timeout", "60"],
        cwd=served.home,
        capture_output=True,
        text=True,
        check=False,
    )
    made = len(re.findall(r'"startedDateTime"', report.read_text(encoding="utf-8", errors="replace")))
    return made, 0 if done.returncode == 0 else 1


def _attacks(served: Served, run_id: str, count: int) -> tuple[Counter[int], int]:
    """Status → how often, and how often an answer held what no answer may."""
    chance = random.Random(20251107)
    answers: Counter[int] = Counter()
    escapes = 0
    for _ in range(count):
        answer = _send(served.port, _attack(chance, served.port, run_id))
        escapes += SECRET in answer or b"root:x:" in answer
        head = re.match(rb"HTTP/1\.1 (\d{3}) ", answer)
        answers[int(head[1]) if head else 0] += 1
    return answers, escapes


def _attack(chance: random.Random, port: int, run_id: str) -> bytes:
    path = chance.choice(PATHS).replace("{run}", run_id)
    while "{x}" in path:
        path = path.replace("{x}", chance.choice(WORDS), 1)
    host = chance.choice(HOSTS).replace("{own}", f"127.0.0.1:{port}")
    body = chance.choice(BODIES)
    lines = [f"{chance.choice(METHODS)} {path} HTTP/1.1", f"Host: {host}", "Connection: close"]
    lines += chance.sample(HEADERS, chance.randrange(4))
    if not any("Content-Length" in line or "chunked" in line for line in lines):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("utf-8") + b"\r\n\r\n" + body


def _send(port: int, request: bytes) -> bytes:
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=3) as connection:
        try:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)  # no more comes: bodies that promise more end here
            while len(answer) < 4_000_000 and (chunk := connection.recv(65_536)):
                answer += chunk
        except OSError:  # cut off, or a stream that goes on
            pass
    return answer


BENCHMARK = Benchmark(
    name="service_hostile",
    claim="10,000 hostile or malformed requests: no server error, nothing from outside of the home folder, "
    "and the service is healthy afterwards.",
    how="schemathesis over the whole OpenAPI, with data that fits it and data that does not, then requests "
    "drawn with a fixed seed from tables of paths, hosts, methods, headers and bodies, over plain sockets. A "
    "canary file lies beside the home folder.",
    measure=measure,
)
