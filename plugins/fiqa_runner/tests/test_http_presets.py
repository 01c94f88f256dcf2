"""Every shipped mapping, against a server that refuses what its service would refuse."""

import copy

import pytest

from orchestra_core.errors import ExperimentError
from orchestra_core.observation import Query
from orchestra_core.runner import Load

from .contracts import Elasticsearch, OpenSearch, Qdrant, Vespa, ids_for
from .loopback import serving

DENSE = "sentence-transformers/all-minilm-l6-v2"
SERVICES = {
    "elasticsearch": (Elasticsearch, {"model": "e5"}),
    "opensearch": (OpenSearch, {"model": "aVeif4oB5Vm0Tdw8zYO2"}),
    "qdrant": (Qdrant, {"model": DENSE}),
    "vespa": (Vespa, {}),
}
LEXICAL = {"collection": "fiqa_para", "top_k": 10, "alpha": 0.0, "mmr": "off"}
DENSE_ONLY = {"collection": "fiqa_sent", "top_k": 30, "alpha": 1.0, "mmr": "off", "ef_search": 64}
HYBRID = {"collection": "fiqa_para", "top_k": 20, "alpha": 0.3, "mmr": "off", "ef_search": 32}
QUERIES = [Query("q1", "Größe & tax?"), Query("q2", 'what is a "401k"\n')]
FINGERPRINTS = {
    "elasticsearch": "elasticsearch 9.2.0",
    "opensearch": "opensearch 3.1.0",
    "qdrant": "qdrant - vector search engine 1.17.0",
    "vespa": "http://127.0.0.1",
}


@pytest.fixture(params=sorted(SERVICES))
def preset(request):
    return request.param


@pytest.fixture
def service(preset):
    with serving(SERVICES[preset][0]()) as running:
        yield running


def mapping_of(preset, **changes):
    constants = SERVICES[preset][1]
    return {"preset": preset, "constants": constants, **changes}


@pytest.mark.parametrize("parameters", [LEXICAL, DENSE_ONLY, HYBRID], ids=["bm25", "dense", "hybrid"])
def test_every_request_keeps_to_the_contract(open_http, make, preset, service, parameters):
    one = make(**parameters)
    runner = open_http(service.url, [one], mapping=mapping_of(preset))
    assert runner.health().ok, runner.health()
    observations = list(runner.evaluate([one], QUERIES))
    assert [o.failure for o in observations] == [None, None]
    for request, query in zip(service.queries(), QUERIES, strict=True):
        assert query.text in _texts(request.content)
    for observation in observations:
        assert observation.ranking == tuple(ids_for(parameters["top_k"]))
        assert len(observation.scores) == parameters["top_k"]
        assert list(observation.scores) == sorted(observation.scores, reverse=True)
        assert observation.latency_ms > 0
        assert observation.breakdown_ms
        assert all(0 <= value < 100 for value in observation.breakdown_ms.values())
    samples = list(runner.probe(one, QUERIES, Load(warmup=1)))
    assert [s.failure for s in samples] == [None, None]
    assert runner.fingerprint().target.startswith(FINGERPRINTS[preset])


def test_mmr_in_qdrant(open_http, make):
    with serving(Qdrant()) as service:
        one = make(**{**DENSE_ONLY, "mmr": 0.3})
        runner = open_http(service.url, [one], mapping=mapping_of("qdrant"))
        assert [o.failure for o in runner.evaluate([one], QUERIES)] == [None, None]
        assert service.queries()[0].content["query"]["mmr"]["diversity"] == 0.3


def _texts(value):
    if isinstance(value, dict):
        return [text for inner in value.values() for text in _texts(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in _texts(inner)]
    return [value]


def _mutations(content, path=()):
    """Every way to leave out one key, misspell one, or turn one number or text into something else."""
    if isinstance(content, dict):
        for key in content:
            yield ("drop", (*path, key))
            yield ("misspell", (*path, key))
    items = content.items() if isinstance(content, dict) else enumerate(content)
    for key, inner in items:
        if isinstance(inner, dict | list):
            yield from _mutations(inner, (*path, key))
        elif not isinstance(inner, bool):
            yield ("negate", (*path, key))


def _mutated(content, mutation):
    kind, path = mutation
    found = copy.deepcopy(content)
    place = found
    for key in path[:-1]:
        place = place[key]
    if kind == "negate":
        place[path[-1]] = -7.5
    else:
        value = place.pop(path[-1])
        if kind == "misspell":
            place[f"{path[-1]}_"] = value
    return found


OPTIONAL = {
    "size", "_source", "limit", "params", "hnsw_ef", "k", "weights", "rank_window_size", "weight",
    "normalizer", "method_parameters", "ef_search", "presentation.timing", "mmr", "diversity",
    "candidates_limit", "normalization",
}  # fmt: skip


def test_the_contract_server_refuses_wrong_requests(open_http, make, preset, service):
    """Else passing it would prove nothing."""
    contract = SERVICES[preset][0]()
    for parameters in (LEXICAL, DENSE_ONLY, HYBRID):
        one = make(**parameters)
        runner = open_http(service.url, [one], mapping=mapping_of(preset))
        list(runner.evaluate([one], QUERIES[:1]))
        right = service.queries()[-1]
        assert contract(right)[0] == 200
        passed = []
        for mutation in _mutations(right.content):
            wrong = copy.copy(right)
            wrong.content = _mutated(right.content, mutation)
            try:
                accepted = contract(wrong)[0] == 200
            except (KeyError, TypeError, AttributeError):
                accepted = False
            if accepted and not (mutation[0] == "drop" and mutation[1][-1] in OPTIONAL):
                passed.append(mutation)
        assert [m for m in passed if m[1][-1] not in ("text", "vector", "field")] == []


@pytest.mark.parametrize(
    ("preset_named", "answer", "reason"),
    [
        (
            "elasticsearch",
            {"timed_out": True, "_shards": {"failed": 0}, "hits": {"hits": []}},
            "target_failed",
        ),
        (
            "opensearch",
            {"timed_out": False, "_shards": {"failed": 2}, "hits": {"hits": []}},
            "target_failed",
        ),
        ("qdrant", {"status": "error", "result": {"points": []}}, "target_failed"),
        ("vespa", {"root": {"errors": [{"code": 12, "message": "timed out"}]}}, "target_failed"),
        ("vespa", {"root": {"coverage": {"degraded": {"timeout": True}}}}, "target_failed"),
        ("vespa", {}, "target_failed"),
        ("elasticsearch", {"hits": {}}, "no_items"),
        ("elasticsearch", {"hits": {"hits": [{"_score": 1.0}]}}, "malformed_id"),
        ("elasticsearch", {"hits": {"hits": [{"_id": "a", "_score": "high"}]}}, "malformed_score"),
        ("elasticsearch", {"hits": {"hits": [{"_id": "a"}, {"_id": "a"}]}}, "repeated_document"),
    ],
)
def test_a_half_answer_is_a_failure(open_http, make, preset_named, answer, reason):
    with serving(lambda _request: (200, answer)) as service:
        one = make(**LEXICAL)
        runner = open_http(service.url, [one], mapping=mapping_of(preset_named))
        (observation,) = runner.evaluate([one], QUERIES[:1])
        assert observation.failure.reason == reason
        assert observation.failure.hint


def test_no_hits_are_an_answer(open_http, make):
    with serving(
        lambda _r: (200, {"root": {"id": "toplevel", "fields": {"totalCount": 0}}})
    ) as service:
        one = make(**LEXICAL)
        (observation,) = open_http(service.url, [one], mapping="vespa").evaluate([one], QUERIES[:1])
        assert (observation.failure, observation.ranking) == (None, ())


@pytest.mark.parametrize("preset_named", ["elasticsearch", "opensearch", "qdrant"])
def test_a_model_that_is_needed_must_be_named(open_http, make, preset_named):
    open_http("http://127.0.0.1:1", [make(**LEXICAL)], mapping=preset_named)
    with pytest.raises(ExperimentError, match="needs the constant 'model'") as caught:
        open_http("http://127.0.0.1:1", [make(**DENSE_ONLY)], mapping=preset_named)
    assert caught.value.where == "plugins.fiqa.mapping.constants.model"


@pytest.mark.parametrize("preset_named", ["elasticsearch", "opensearch", "vespa"])
def test_a_parameter_that_would_be_left_unsaid_refuses_the_run(open_http, make, preset_named):
    one = make(**{**DENSE_ONLY, "mmr": 0.3})
    with pytest.raises(ExperimentError, match="does not send the parameter 'mmr'"):
        open_http("http://127.0.0.1:1", [one], mapping=mapping_of(preset_named))
