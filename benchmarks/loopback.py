"""How the server of `workers.http_target` is asked: by `orchestra load`, runner and door included."""

from __future__ import annotations

from http.client import HTTPConnection

from benchmarks.processes import ORCHESTRA, run
from benchmarks.workspace import fresh_folder
from orchestra_core.probing.figures import LoadFigures


def stall(port: int, after: float, seconds: float) -> None:
    """Have the server answer nothing for a while, once, so long after the next query."""
    connection = HTTPConnection("127.0.0.1", port)
    connection.request("GET", f"/stall?after={after}&seconds={seconds}")
    connection.getresponse().read()
    connection.close()


def load(port: int, *words: object, **keys: object) -> LoadFigures:
    """What `orchestra load` says of one load, in a process of its own; `keys` of `runner`.

    Raises RuntimeError where it says nothing.
    """
    section = {
        "backend": "http",
        "base_url": f"http://127.0.0.1:{port}",
        "rate_limit_per_sec": 0,
        "health_endpoints": "[]",
        **keys,
    }
    command = [ORCHESTRA, "load", "--plugins", "fiqa", "--json", *map(str, words)]
    for key, value in section.items():
        command += ["--set", f"runner.{key}={value}"]
    (found,) = run(command, folder=fresh_folder()).json()["loads"]
    return LoadFigures.model_validate(found)
