"""The hosts of a DSN and the one door: who is not listed is never dialled."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from orchestra_fiqa_runner.postgres.admission import admit
from orchestra_fiqa_runner.postgres.dsn import read_dsn
from psycopg.conninfo import conninfo_to_dict

from orchestra_core.errors import AddressRefused, RequestFailed, UsageError
from orchestra_core.experiment import Experiment
from orchestra_core.outbound.opening import open_door

from .test_serving import data_cache  # noqa: F401 - a fixture

SCRIPT = Path(sys.executable).with_name("orchestra")
VARIABLES = ("PGHOST", "PGHOSTADDR", "PGPORT", "PGSERVICE")


@pytest.fixture(autouse=True)
def own_environment(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def admitted(dsn, *, resolve=None, emit=None, **runner):
    """host, hostaddr and port as libpq gets them."""
    experiment = Experiment.model_validate({"space": {"a": [1]}, "runner": runner})
    more = {"emit": emit} if emit else {}
    door = open_door(experiment, resolve=resolve, environ={}, **more)
    try:
        parts = conninfo_to_dict(admit(read_dsn(dsn, "test"), door).dsn)
    finally:
        door.close()
    return parts["host"], parts["hostaddr"], parts["port"]


@pytest.mark.parametrize(
    ("dsn", "expected"),
    [
        ("postgresql://me@127.0.0.1/x", ("127.0.0.1", "127.0.0.1", "5432")),
        ("postgresql://me@localhost:5433/x", ("localhost", "127.0.0.1", "5433")),
        ("postgresql://me@[::1]/x", ("::1", "::1", "5432")),
        ("host=/run/pg dbname=x", ("/run/pg", "", "5432")),
        ("host=@abstract port=7", ("@abstract", "", "7")),
        ("dbname=x", ("", "", "5432")),
        ("host=/run/pg,localhost port=1,2", ("/run/pg,localhost", ",127.0.0.1", "1,2")),
        ("hostaddr=127.0.0.1 host=db.example", ("db.example", "127.0.0.1", "5432")),
        ("hostaddr=127.0.0.1,::1 port=7", (",", "127.0.0.1,::1", "7,7")),
    ],
)
def test_this_machine_is_always_allowed(dsn, expected):
    assert admitted(dsn) == expected


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://me@db.example/x",
        "postgresql://me@localhost,db.example:5433/x",
        "host=127.0.0.1 hostaddr=10.0.0.1",
        "host=/run/pg hostaddr=10.0.0.1",
        "host=127.0.0.2",
        "host=127.1",
        "host=localhost.",
        "host=db.example port=5433",
    ],
)
def test_any_other_host_must_be_listed(dsn):
    with pytest.raises(AddressRefused) as caught:
        admitted(dsn, allowed_hosts=["postgresql://db.example:5434", "http://db.example:5432"])
    assert "runner.allowed_hosts" in caught.value.hint


@pytest.mark.parametrize(
    ("variable", "value"), [("PGHOST", "db.example"), ("PGHOSTADDR", "10.0.0.1"), ("PGPORT", "x")]
)
def test_what_the_environment_adds_is_asked_too(monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    with pytest.raises(UsageError):
        admitted("dbname=x")
    assert admitted("host=localhost hostaddr=::1 port=1") == ("localhost", "::1", "1")


def test_a_service_file_decides_nothing(monkeypatch, tmp_path):
    file = tmp_path / "services"
    file.write_text("[far]\nhost=db.example\n")
    monkeypatch.setenv("PGSERVICEFILE", str(file))
    with pytest.raises(UsageError, match="'service'"):
        admitted("service=far")
    monkeypatch.setenv("PGSERVICE", "far")
    with pytest.raises(AddressRefused, match=r"db\.example"):
        admitted("dbname=x")


@pytest.mark.parametrize(
    "dsn", ["host=a,b port=1,2,3", "host=localhost port=0", "host=localhost port=99999"]
)
def test_hosts_and_ports_must_fit(dsn):
    with pytest.raises(UsageError, match="fit together"):
        admitted(dsn)


def test_a_listed_name_is_resolved_once_and_an_unknown_one_is_told():
    answers = iter([["10.0.0.7"], ["10.6.6.6"]])
    listed = {"allowed_hosts": ["db.example:5432"]}
    found = admitted("host=db.example,db.example", resolve=lambda *_: next(answers), **listed)
    assert found == ("db.example,db.example", "10.0.0.7,10.0.0.7", "5432,5432")
    with pytest.raises(RequestFailed, match=r"db\.example"):
        admitted("host=db.example", resolve=lambda *_: [], **listed)


def test_an_alias_names_address_and_port():
    told = []
    found = admitted(
        "host=db.example",
        emit=lambda *event: told.append(event),
        host_aliases={"db.example:5432": "127.0.0.1:6543"},
    )
    assert found == ("db.example", "127.0.0.1", "6543")
    (event,) = told
    assert event[0] == "ALIAS_APPLIED"
    assert event[1]["resolved"] == "postgresql://127.0.0.1:6543"


@contextmanager
def listening(host):
    """A port that answers nothing, and whoever came."""
    came = []
    with socket.create_server((host, 0)) as server:

        def accept():
            with suppress(OSError):
                while True:
                    connection, address = server.accept()
                    came.append(address)
                    connection.close()

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1], came


@pytest.mark.parametrize(
    "words", [("diag", "--set", "runner.backend=pgvector"), ("fiqa", "load"), ("fiqa", "load", "--dsn")]
)
def test_an_unlisted_host_hears_nothing(tmp_path, data_cache, words):  # noqa: F811
    with listening("127.0.0.2") as (port, came):
        dsn = f"postgresql://me:p%40ss%20w0rd@127.0.0.2:{port}/x?sslmode=disable"

        def call(*more):
            line = [*words, *((dsn,) if words[-1] == "--dsn" else ()), "--json", *more]
            done = subprocess.run(
                [SCRIPT, *line, "--plugins", "fiqa", "--home", tmp_path / "home"],
                env={**os.environ, "FIQA_PG_DSN": dsn, "ORCHESTRA_CACHE_DIR": str(data_cache)},
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            assert "p%40ss" not in done.stdout + done.stderr
            return done

        refused = call()
        assert refused.returncode == 2, refused.stdout + refused.stderr
        assert f"postgresql://127.0.0.2:{port} is not on the list of allowed hosts" in refused.stdout
        assert not came
        listed = call("--set", f'runner.allowed_hosts=["postgresql://127.0.0.2:{port}"]')
        assert listed.returncode == 3, listed.stdout + listed.stderr
        assert came


@pytest.mark.parametrize(
    ("dsn", "message", "told"),
    [
        (
            "postgresql://me:p%40ss%20w0rd@h/db",
            "password 'p@ss w0rd', p%40ss%20w0rd",
            "password '***', ***",
        ),
        ("host=h password='p@ss w0rd'", "p%40ss%20w0rd p@ss w0rd", "*** ***"),
        ("postgresql://h/db?password=p%40ss%20w0rd", "got p%40ss%20w0rd", "got ***"),
        (
            "host=h password=ab dbname=tab",
            "no table in the cab database",
            "no table in the cab database",
        ),
        ("host=h password=longsecret", "longsecret host=h password=longsecret", "*** ***"),
    ],
)
def test_a_password_is_hidden_in_every_form_and_words_are_left_whole(dsn, message, told):
    assert read_dsn(dsn, "test").hide(message) == told
