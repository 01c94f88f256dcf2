"""Hostile requests, drawn from tables of their parts."""

from __future__ import annotations

import random

PATHS = (
    "/",
    "/runs/{x}",
    "/runs/{x}/live",
    "/static/{x}",
    "/orchestrate/status?run_id={x}",
    "/orchestrate/report?run_id={x}",
    "/orchestrate/events?run_id={x}",
    "/orchestrate/artifacts/{x}/{x}",
    "/orchestrate/artifacts/{run}/{x}",
    "/orchestrate/runs?limit={x}",
    "/orchestrate/{x}",
    "/{x}",
    "//{x}",
    "/orchestrate/run",
    "/orchestrate/cancel",
    "/orchestrate/resume",
)
WORDS = (
    "../secret.txt",
    "..%2fsecret.txt",
    "%2e%2e%2fsecret.txt",
    "....//secret.txt",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "%00",
    "%0d%0aX:%20y",
    "a" * 5000,
    "%ff%fe",
    "{{7*7}}",
    "<script>",
    "';%20drop%20table%20runs;--",
    "${jndi:x}",
    "..\\secret.txt",
    "%c0%ae%c0%ae/secret.txt",
    "-1",
    "1e99",
    "nan",
    "",
    ".",
    "..",
    "reports/../../secret.txt",
    "reports/events/..%2f..%2f..%2fsecret.txt",
    "file:///etc/passwd",
    "http://evil.example/",
    "%",
    "%zz",
    "\u00e9",
)
HOSTS = (
    *["{own}"] * 24,
    "evil.example",
    "",
    "{own}, evil.example",
    "127.0.0.1",
    "[::1",
    "a" * 9000,
)
METHODS = (
    *["GET"] * 8,
    *["POST"] * 8,
    "PUT",
    "DELETE",
    "HEAD",
    "OPTIONS",
    "TRACE",
    "X" * 40,
)
HEADERS = (
    *["Content-Type: application/json"] * 12,
    "Content-Type: text/plain",
    "Content-Length: 99999999999999999999",
    "Content-Length: -1",
    "Transfer-Encoding: chunked",
    "Origin: http://evil.example",
    "Last-Event-ID: -5",
    "Last-Event-ID: 99999999999999999999999",
    "Idempotency-Key: " + "k" * 300,
    "Idempotency-Key: \u00e9",
    "Authorization: Basic !!!",
    "X-Forwarded-Host: evil.example",
    "X: " + "y" * 20_000,
    "Range: bytes=0-,-1",
    "Upgrade: websocket\r\nConnection: Upgrade",
    "Expect: 100-continue",
    "Content-Encoding: gzip",
)
BODIES = (
    b"",
    b"{}",
    b"[]",
    b"null",
    b"{",
    b"\xff\xfe",
    b"[" * 5000,
    b'{"a":' * 500,
    b'{"mode":"smoke","mode":"x"}',
    b'{"run_id":"../secret.txt"}',
    b'{"run_id":null}',
    b'{"overrides":{"alpha":[1e999]}}',
    b'{"a":NaN}',
    b'{"dry_run":true,"experiment":{"stages":{"ab":{"margin":{"p95_ms":' + b"9" * 400 + b"}}}}}",
    b'{"dry_run":true,"experiment":{"stages":{"ab":{"margin":{"p95_ms":' + b"9" * 300 + b"}}}}}",
    b'{"experiment":{"runner":{"runner_cmd":["touch","escaped"]}}}',
    b'{"experiment":{"dataset":"beir:/etc"}}',
    b'{"collection":"\\ud800"}',
    b'{"experiment":{"paths":{"reports_dir":"/elsewhere"}}}',
    b'{"dry_run":1}',
    b"a" * 2_000_000,
)


def attack(chance: random.Random, port: int, run_id: str) -> bytes:
    """One request as bytes; some of them are no HTTP at all."""
    path = chance.choice(PATHS).replace("{run}", run_id)
    while "{x}" in path:
        path = path.replace("{x}", chance.choice(WORDS), 1)
    host = chance.choice(HOSTS).replace("{own}", f"127.0.0.1:{port}")
    body = chance.choice(BODIES)
    lines = [f"{chance.choice(METHODS)} {path} HTTP/1.1", f"Host: {host}", "Connection: close"]
    lines += chance.sample(HEADERS, chance.randrange(3))
    if not any("Content-Length" in line or "chunked" in line for line in lines):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("utf-8") + b"\r\n\r\n" + body
