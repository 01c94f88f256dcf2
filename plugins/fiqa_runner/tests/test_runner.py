from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from orchestra_fiqa_runner.engine.block import Block
from orchestra_fiqa_runner.engine.indexes import Indexes
from orchestra_fiqa_runner.settings import FiqaSettings

from orchestra_core.observation import Query
from orchestra_core.runner import Load

COLLECTIONS = ["fiqa_para", "fiqa_sent", "fiqa_win256_o64"]
ODD = [
    Query("empty", ""),
    Query("spaces", "  \n "),
    Query("stop words", "the of and"),
    Query("unknown word", "qqqzzzxxx"),
    Query("symbols", "??? !!! €"),
    Query("long", "tax " * 5000),
    Query("emoji", "\U0001f600\U0001f600"),
]


@pytest.fixture(scope="module")
def mixed(make_grid):
    """Configurations that differ in every parameter there is."""
    common = {"collection": COLLECTIONS, "top_k": [1, 10, 30], "mmr": ["off", 0.0, 0.3, 1.0]}
    rrf = {"collection": ["fiqa_para"], "top_k": [10], "alpha": [0.4], "fusion": ["rrf"]}
    return [
        *make_grid(**common, alpha=[0.0, 0.5, 1.0], ef_search=[2, 32]),
        *make_grid(**rrf, rrf_k=[1, 60], mmr=["off", 0.5]),
        *make_grid(collection=["fiqa_para"], alpha=[0.0, 0.3], k1=[0.5, 1.8], b=[0.0, 1.0]),
        *make_grid(collection=["fiqa_sent"], alpha=[0.5], top_k=[150, 700], mmr=["off", 0.3]),
    ]


def answers(observations):
    return {(o.config_id, o.query_id): (o.ranking, o.scores, o.failure) for o in observations}


def recall(runner, fiqa, configurations):
    hits = {one.config_id: 0 for one in configurations}
    for seen in runner.evaluate(configurations, fiqa.judged_queries()):
        hits[seen.config_id] += not fiqa.qrels[seen.query_id].keys().isdisjoint(seen.ranking[:10])
    return {config_id: count / len(fiqa.queries) for config_id, count in hits.items()}


def test_shared_work_gives_exactly_the_answers_of_work_done_alone(runner, fiqa, mixed):
    queries = [*fiqa.judged_queries()[:25], *ODD]
    shared = answers(runner.evaluate(mixed, queries))
    assert len(shared) == len(mixed) * len(queries)
    alone = answers(seen for one in mixed for seen in runner.evaluate([one], queries))
    assert shared == alone
    single = answers(
        seen for one in mixed[::5] for query in queries[::4] for seen in runner.evaluate([one], [query])
    )
    assert single == {key: shared[key] for key in single}


def test_threads_that_evaluate_at_once_agree(runner, fiqa, mixed):
    queries = fiqa.judged_queries()[:20]
    expected = answers(runner.evaluate(mixed[::3], queries))
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: answers(runner.evaluate(mixed[::3], queries)), range(4)):
            assert found == expected


def test_rankings_are_well_formed(runner, fiqa, mixed):
    top_k = {one.config_id: one.parameters.get("top_k", 10) for one in mixed}
    for seen in runner.evaluate(mixed, fiqa.judged_queries()[:5]):
        assert seen.failure is None
        assert seen.latency_ms is None
        assert seen.cost is None
        assert 0 < len(seen.ranking) <= top_k[seen.config_id]
        assert len(set(seen.ranking)) == len(seen.ranking) == len(seen.scores)
        assert fiqa.corpus.keys() >= set(seen.ranking)
        assert list(seen.scores) == sorted(seen.scores, reverse=True)


def test_recall_on_whole_documents_is_that_of_the_reference(runner, fiqa, make_grid):
    ones = make_grid(collection=["fiqa_para"], alpha=[0.0, 0.7, 1.0])
    lexical, hybrid, dense = recall(runner, fiqa, ones).values()
    assert lexical == pytest.approx(0.674, abs=0.003)
    assert dense == pytest.approx(0.660, abs=0.004)
    assert hybrid >= 0.745


def test_odd_queries_are_answered_without_failure(runner, make_grid):
    ones = make_grid(collection=COLLECTIONS, alpha=[0.0, 0.5, 1.0], mmr=["off", 0.3])
    seen = answers(runner.evaluate(ones, ODD))
    assert all(failure is None for _, _, failure in seen.values())
    lexical = ones[0].config_id
    assert seen[lexical, "stop words"][0] == seen[lexical, "empty"][0] == ()
    assert len(seen[lexical, "long"][0]) == 10


def test_a_query_that_fails_is_one_failed_observation(runner, fiqa, make):
    one = make(collection="fiqa_para", alpha=1.0)
    good = fiqa.judged_queries()[0]
    seen = list(runner.evaluate([one], [good, Query("bad", "\ud800"), Query("worse", None)]))
    assert [o.query_id for o in seen] == [good.query_id, "bad", "worse"]
    assert [o.failure is None for o in seen] == [True, False, False]
    assert seen[1].failure.reason
    assert seen[1].failure.message
    assert seen[1].ranking == ()
    (sample,) = runner.probe(one, [Query("bad", "\ud800")], Load())
    assert sample.failure is not None
    assert sample.cost is None


def test_probe_and_evaluate_find_the_same(runner, fiqa, make):
    one = make(collection="fiqa_sent", alpha=0.5, mmr=0.3, top_k=10)
    queries = fiqa.judged_queries()[:10]
    seen = answers(runner.evaluate([one], queries))
    for query in queries:
        found = runner.ask(one, query.text)
        assert (found.ids, found.scores) == seen[one.config_id, query.query_id][:2]


@pytest.mark.parametrize("concurrency", [1, 3])
def test_probe_times_each_query_once(runner, fiqa, make, concurrency):
    one = make(collection="fiqa_para", alpha=0.5, mmr=0.3, top_k=10)
    queries = fiqa.judged_queries()[:12]
    samples = list(runner.probe(one, queries, Load(concurrency=concurrency, warmup=5)))
    assert sorted(s.query_id for s in samples) == sorted(q.query_id for q in queries)
    for sample in samples:
        assert sample.failure is None
        assert set(sample.breakdown_ms) == {"embed", "lexical", "dense", "fusion", "diversity"}
        assert 0 < sum(sample.breakdown_ms.values()) <= sample.latency_ms
        assert sample.scheduled_s >= 0
    assert list(runner.probe(one, [], Load(warmup=3))) == []


def test_probe_shares_nothing_between_requests(runner, fiqa, make, monkeypatch):
    blocks = []
    original = Block.__init__

    def counted(self, indexes, texts, candidates):
        blocks.append(list(texts))
        original(self, indexes, texts, candidates)

    monkeypatch.setattr(Block, "__init__", counted)
    query = fiqa.judged_queries()[0]
    one = make(collection="fiqa_para", alpha=0.5)
    samples = list(runner.probe(one, [query] * 3, Load(warmup=2)))
    assert blocks == [[query.text]] * 5
    assert all(sample.breakdown_ms["lexical"] > 0 for sample in samples)


def test_cost_is_cpu_time_plus_embedded_tokens(kit, fiqa, make):
    query = fiqa.judged_queries()[0]
    lexical, hybrid = make(collection="fiqa_para", alpha=0.0), make(collection="fiqa_para", alpha=0.5)

    def costs(cpu, tokens):
        settings = FiqaSettings(cpu_usd_per_hour=cpu, embedding_usd_per_million_tokens=tokens)
        opened = kit.open(fiqa, [lexical, hybrid], settings=settings)
        return [next(iter(opened.probe(one, [query], Load()))).cost for one in (lexical, hybrid)]

    assert costs(0.0, 0.0) == [0.0, 0.0]
    tokens = costs(0.0, 1_000_000.0)
    assert tokens[0] == 0
    assert tokens[1] == pytest.approx(round(tokens[1]))
    assert 10 <= tokens[1] <= 60
    assert all(0 < cost < 1 for cost in costs(3600.0, 0.0))


def test_health_and_fingerprint(kit, runner, fiqa, make):
    assert runner.health().ok
    mark = runner.fingerprint()
    assert mark.documents == 648
    assert mark.corpus_sha256 == fiqa.corpus_sha256
    assert set(mark.indexes) == set(COLLECTIONS)
    assert len(set(mark.indexes.values())) == 3
    assert {"bm25s", "usearch", "wordllama", "orchestra-fiqa-runner"} <= mark.versions.keys()
    one = [make(collection="fiqa_para", alpha=0.0)]
    assert kit.open(fiqa, one).fingerprint() == mark
    denser = kit.open(fiqa, one, settings=FiqaSettings(hnsw_connectivity=8)).fingerprint()
    assert denser.indexes["fiqa_para"] != mark.indexes["fiqa_para"]


def test_health_reports_a_broken_index(kit, fiqa, make, monkeypatch):
    opened = kit.open(fiqa, [make(collection="fiqa_para", alpha=0.5)])
    broken = SimpleNamespace(embed=lambda _: 1 / 0)
    monkeypatch.setattr(Indexes, "encoder", lambda _: broken)
    health = opened.health()
    assert not health.ok
    assert "ZeroDivisionError" in health.message
    assert health.hint


def test_a_built_index_is_the_same_every_time_and_survives_damage(kit, fiqa, make, tmp_path):
    ones = [make(collection="fiqa_win256_o64", alpha=0.5, mmr=0.3, top_k=20)]
    queries = fiqa.judged_queries()[:50]
    first = answers(kit.open(fiqa, ones).evaluate(ones, queries))
    assert answers(kit.open(fiqa, ones, cache_dir=tmp_path).evaluate(ones, queries)) == first
    files = {path: path.read_bytes() for path in tmp_path.rglob("*.usearch")}
    for path in tmp_path.rglob("*.npy"):
        path.write_bytes(path.read_bytes()[:-7])
    for path in files:
        path.write_bytes(b"damaged")
    assert answers(kit.open(fiqa, ones, cache_dir=tmp_path).evaluate(ones, queries)) == first
    assert {path: path.read_bytes() for path in files} == files


def test_only_what_is_asked_is_built(kit, fiqa, make, tmp_path):
    kit.open(fiqa, [make(collection="fiqa_para", alpha=0.0)], cache_dir=tmp_path)
    assert [path.name.split("-", 1)[1] for path in (tmp_path / "indexes").iterdir()] == ["bm25-0.9-0.4"]


def test_ef_search_decides_work_and_results(runner, fiqa, make_grid):
    ones = make_grid(collection=["fiqa_sent"], alpha=[1.0], ef_search=[4, 16, 64, 256])
    found = list(recall(runner, fiqa, ones).values())
    assert found == sorted(found)
    assert found[-1] > found[0] + 0.02
    encoder = runner._indexes.encoder()
    vectors = encoder.embed([query.text for query in fiqa.judged_queries()[:20]])
    work = [
        sum(runner._indexes.dense("fiqa_sent", ef).distances_computed(vector) for vector in vectors)
        for ef in (4, 16, 64, 256)
    ]
    assert work == sorted(work)
    assert work[-1] > 3 * work[0]


def test_a_corpus_without_words_is_searched_without_failure(kit, make_grid):
    from orchestra_core.datasets import Dataset

    dataset = Dataset("odd", corpus={"b": "", "a": "..."}, queries={"q": "the"}, qrels={"q": {"a": 1}})
    ones = make_grid(collection=["odd_para", "odd_sent"], alpha=[0.0, 0.5, 1.0], mmr=["off", 0.3])
    seen = list(kit.open(dataset, ones).evaluate(ones, dataset.judged_queries()))
    assert all(o.failure is None for o in seen)


def test_ties_stand_in_id_order(kit, make_grid):
    from orchestra_core.datasets import Dataset

    corpus = dict.fromkeys(("d3", "d1", "d2"), "the same words about taxes")
    dataset = Dataset("ties", corpus=corpus, queries={"q": "taxes"}, qrels={"q": {"d1": 1}})
    ones = make_grid(collection=["ties_para"], alpha=[0.0, 0.5, 1.0], mmr=["off", 0.3])
    for seen in kit.open(dataset, ones).evaluate(ones, dataset.judged_queries()):
        assert seen.ranking == ("d1", "d2", "d3")
