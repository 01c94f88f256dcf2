"""Services as their own documentation describes them.

Each checks the whole shape of a search request and refuses a wrong one as the real service does.
Written from the reference pages of Elasticsearch 9 (search, retrievers), OpenSearch 3 (hybrid, neural,
search pipelines), Qdrant 1.17 (query points, inference) and Vespa (query API, YQL).
"""

import re


class Refused(Exception):
    """What is wrong with a request."""


def need(condition, problem):
    if not condition:
        raise Refused(problem)


def only(content, *, required=(), optional=(), where="body"):
    need(isinstance(content, dict), f"{where} is no object")
    need(content.keys() >= set(required), f"{where} lacks one of {required}")
    unknown = content.keys() - {*required, *optional}
    need(not unknown, f"{where}: unknown {sorted(unknown)}")


def whole(value, low, high, name):
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    need(is_whole and low <= value <= high, f"[{name}] must be in [{low}, {high}], got {value!r}")


def number(value, low, high, name):
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    need(is_number and low <= value <= high, f"[{name}] is {value!r}")


def text(value, name):
    need(isinstance(value, str) and value, f"[{name}] must be text")


def ids_for(count):
    return [f"d{number}" for number in range(1, count + 1)]


def one_match(query):
    only(query, required=("match",), where="query")
    need(len(query["match"]) == 1, "[match] takes one field")
    (body,) = query["match"].values()
    only(body, required=("query",), optional=("operator", "minimum_should_match"), where="match")
    text(body["query"], "match.query")


class Elasticsearch:
    """POST /{index}/_search, GET /_cluster/health, GET /."""

    def __call__(self, request):
        if request.method == "GET":
            if request.path == "/_cluster/health":
                return 200, {"status": "green", "timed_out": False}
            return 200, {"name": "node-1", "version": {"number": "9.2.0"}}
        try:
            size = self.check(request)
        except Refused as problem:
            reason = {"type": "parsing_exception", "reason": str(problem)}
            return 400, {"error": {"root_cause": [reason], **reason}, "status": 400}
        hits = [{"_index": "fiqa", "_id": d, "_score": 9.5 - i} for i, d in enumerate(ids_for(size))]
        return 200, {
            "took": 3,
            "timed_out": False,
            "_shards": {"total": 1, "successful": 1, "skipped": 0, "failed": 0},
            "hits": {"total": {"value": 99, "relation": "eq"}, "max_score": 9.5, "hits": hits},
        }

    def check(self, request):
        need(
            re.fullmatch(r"/[a-z0-9][a-z0-9_.-]*/_search", request.path), f"no handler: {request.path}"
        )
        body = request.content
        only(body, optional=("size", "_source", "query", "retriever"))
        size = body.get("size", 10)
        whole(size, 0, 10_000, "size")
        need(body.get("_source", False) is False, "[_source]")
        need(("query" in body) != ("retriever" in body), "[query] cannot be combined with [retriever]")
        if "query" in body:
            one_match(body["query"])
        else:
            self.retriever(body["retriever"], size)
        return size

    def retriever(self, retriever, size):
        need(isinstance(retriever, dict) and len(retriever) == 1, "[retriever] takes one kind")
        ((kind, body),) = retriever.items()
        need(kind in ("standard", "knn", "linear"), f"unknown retriever [{kind}]")
        getattr(self, kind)(body, size)

    def standard(self, body, _size):
        only(body, required=("query",), where="standard")
        one_match(body["query"])

    def knn(self, body, _size):
        only(
            body,
            required=("field", "k", "num_candidates"),
            optional=("query_vector", "query_vector_builder", "similarity", "filter"),
            where="knn",
        )
        text(body["field"], "field")
        whole(body["k"], 1, 10_000, "k")
        whole(body["num_candidates"], 1, 10_000, "num_candidates")
        need(body["k"] <= body["num_candidates"], "[num_candidates] cannot be less than [k]")
        given = ("query_vector" in body) + ("query_vector_builder" in body)
        need(given == 1, "either [query_vector] or [query_vector_builder]")
        only(body["query_vector_builder"], required=("text_embedding",), where="query_vector_builder")
        builder = body["query_vector_builder"]["text_embedding"]
        only(builder, required=("model_id", "model_text"), where="text_embedding")
        text(builder["model_id"], "model_id")
        text(builder["model_text"], "model_text")

    def linear(self, body, size):
        only(body, required=("retrievers",), optional=("rank_window_size", "min_score"), where="linear")
        whole(body.get("rank_window_size", 10), max(1, size), 10_000, "rank_window_size")
        need(isinstance(body["retrievers"], list) and body["retrievers"], "[retrievers]")
        for component in body["retrievers"]:
            only(
                component, required=("retriever",), optional=("weight", "normalizer"), where="component"
            )
            number(component.get("weight", 1), 0, 1e9, "weight")
            need(component.get("normalizer", "none") in ("none", "minmax", "l2_norm"), "normalizer")
            self.retriever(component["retriever"], size)


class OpenSearch:
    """POST /{index}/_search."""

    def __call__(self, request):
        if request.method == "GET":
            if request.path == "/_cluster/health":
                return 200, {"status": "yellow"}
            return 200, {"version": {"distribution": "opensearch", "number": "3.1.0"}}
        try:
            size = self.check(request)
        except Refused as problem:
            return 400, {"error": {"type": "x_content_parse_exception", "reason": str(problem)}}
        hits = [{"_index": "fiqa", "_id": d, "_score": 1 - i / 99} for i, d in enumerate(ids_for(size))]
        return 200, {"took": 7, "timed_out": False, "_shards": {"failed": 0}, "hits": {"hits": hits}}

    def check(self, request):
        need(
            re.fullmatch(r"/[a-z0-9][a-z0-9_.-]*/_search", request.path), f"no handler: {request.path}"
        )
        body = request.content
        only(body, required=("query",), optional=("size", "_source", "search_pipeline"))
        whole(body.get("size", 10), 0, 10_000, "size")
        parts = self.query(body["query"])
        if parts > 1:
            self.pipeline(body.get("search_pipeline"), parts)
        else:
            need("search_pipeline" not in body, "a normalization-processor needs a hybrid query")
        return body.get("size", 10)

    def query(self, query, inner=False):
        need(isinstance(query, dict) and len(query) == 1, "[query] takes one kind")
        ((kind, body),) = query.items()
        if kind == "hybrid":
            need(not inner, "[hybrid] must be a top-level query")
            only(body, required=("queries",), optional=("pagination_depth", "filter"), where="hybrid")
            need(1 <= len(body["queries"]) <= 5, "[hybrid] takes at most 5 queries")
            for one in body["queries"]:
                self.query(one, inner=True)
            return len(body["queries"])
        if kind == "match":
            one_match(query)
            return 1
        need(kind == "neural" and len(body) == 1, f"unknown query [{kind}]")
        (neural,) = body.values()
        only(
            neural,
            required=("query_text",),
            optional=("model_id", "k", "min_score", "max_distance", "filter", "method_parameters"),
            where="neural",
        )
        text(neural["query_text"], "query_text")
        text(neural.get("model_id"), "model_id")
        whole(neural.get("k"), 1, 10_000, "k")
        only(neural.get("method_parameters", {}), optional=("ef_search", "nprobes"))
        whole(neural.get("method_parameters", {}).get("ef_search", 1), 1, 10_000, "ef_search")
        return 1

    def pipeline(self, pipeline, parts):
        only(pipeline, required=("phase_results_processors",), where="search_pipeline")
        (processor,) = pipeline["phase_results_processors"]
        only(processor, required=("normalization-processor",), where="processor")
        body = processor["normalization-processor"]
        only(
            body, optional=("normalization", "combination", "tag", "ignore_failure"), where="processor"
        )
        need(body["normalization"]["technique"] in ("min_max", "l2", "z_score"), "technique")
        combination = body["combination"]
        kinds = ("arithmetic_mean", "geometric_mean", "harmonic_mean")
        need(combination["technique"] in kinds, "combination technique")
        weights = combination["parameters"]["weights"]
        need(len(weights) == parts, "as many [weights] as queries")
        for weight in weights:
            number(weight, 0, 1, "weights")
        need(abs(sum(weights) - 1) < 1e-6, "[weights] must sum to 1.0")


class Qdrant:
    """POST /collections/{name}/points/query."""

    collections = ("fiqa_para", "fiqa_sent")

    def __call__(self, request):
        if request.method == "GET":
            if request.path == "/readyz":
                return 200, b"all shards are ready"
            return 200, {"title": "qdrant - vector search engine", "version": "1.17.0", "commit": "x"}
        try:
            limit = self.check(request)
        except Refused as problem:
            return 400, {"status": {"error": f"Format error in JSON body: {problem}"}, "time": 0.0}
        points = [
            {"id": i, "version": 1, "score": 1 / i, "payload": {"doc_id": d}}
            for i, d in enumerate(ids_for(limit), 1)
        ]
        return 200, {"result": {"points": points}, "status": "ok", "time": 0.002}

    def check(self, request):
        match = re.fullmatch(r"/collections/([A-Za-z0-9_-]+)/points/query", request.path)
        need(match and match[1] in self.collections, f"Collection not found: {request.path}")
        body = request.content
        only(
            body,
            optional=(
                *("query", "prefetch", "using", "limit", "offset", "params", "filter"),
                *("score_threshold", "with_payload", "with_vector"),
            ),
        )
        whole(body.get("limit", 10), 1, 100_000, "limit")
        self.search(body, top=True)
        need(body.get("with_payload") == ["doc_id"], "this collection's payload is doc_id")
        return body.get("limit", 10)

    def search(self, body, top=False):
        query, prefetch = body.get("query"), body.get("prefetch", [])
        need(isinstance(query, dict), "query")
        if "rrf" in query:
            only(query, required=("rrf",), where="query")
            only(query["rrf"], optional=("k", "weights"), where="rrf")
            need(top and len(prefetch) > 1, "fusion needs prefetches")
            need("using" not in body, "[using] with fusion")
            whole(query["rrf"].get("k", 2), 1, 10_000, "k")
            weights = query["rrf"].get("weights", [])
            need(not weights or len(weights) == len(prefetch), "as many [weights] as prefetches")
            for weight in weights:
                number(weight, 0, 1e9, "weights")
            for one in prefetch:
                only(one, optional=("query", "using", "limit", "params", "filter"), where="prefetch")
                whole(one.get("limit", 10), 1, 100_000, "limit")
                self.search(one)
            return
        need(not prefetch, "prefetch without fusion")
        if "nearest" in query:
            only(query, required=("nearest",), optional=("mmr",), where="query")
            only(query["mmr"], optional=("diversity", "candidates_limit"), where="mmr")
            number(query["mmr"].get("diversity", 0.5), 0, 1, "diversity")
            whole(query["mmr"].get("candidates_limit", 1), 1, 16_384, "candidates_limit")
            query = query["nearest"]
        self.document(query, body.get("using"))
        only(body.get("params", {}), optional=("hnsw_ef", "exact"), where="params")
        whole(body.get("params", {}).get("hnsw_ef", 1), 1, 100_000, "hnsw_ef")

    def document(self, query, using):
        only(query, required=("text", "model"), optional=("options",), where="Document")
        text(query["text"], "text")
        models = {"sparse": "qdrant/bm25", "dense": "sentence-transformers/all-minilm-l6-v2"}
        need(using in models, f"Not existing vector name: {using}")
        need(query["model"] == models[using], f"wrong model for vector {using}")


class Vespa:
    """POST /search/."""

    NEAREST = (
        r"\{targetHits:(?P<hits>\d+), hnsw\.exploreAdditionalHits:\d+\}"
        r"nearestNeighbor\(embedding,q\)"
    )
    YQL = re.compile(
        rf"select doc_id from (?P<source>[a-z_]+) where "  # noqa: S608
        rf"(userQuery\(\)|{NEAREST}|userQuery\(\) or \({NEAREST.replace('?P<hits>', '')}\))"
    )

    def __call__(self, request):
        if request.method == "GET":
            return 200, {"status": {"code": "up"}}
        try:
            hits = self.check(request)
        except Refused as problem:
            errors = [{"code": 4, "summary": "Invalid query parameter", "message": str(problem)}]
            return 400, {"root": {"id": "toplevel", "relevance": 1.0, "errors": errors}}
        children = [
            {
                "id": f"index:fiqa/{i}",
                "relevance": 1 / (i + 1),
                "source": "fiqa",
                "fields": {"doc_id": d},
            }
            for i, d in enumerate(ids_for(hits))
        ]
        root = {"id": "toplevel", "relevance": 1.0, "fields": {"totalCount": 99}}
        root["coverage"] = {"coverage": 100, "documents": 99, "full": True, "nodes": 1}
        if children:
            root["children"] = children
        timing = {"querytime": 0.004, "summaryfetchtime": 0.001, "searchtime": 0.006}
        return 200, {"root": root, "timing": timing}

    def check(self, request):
        need(request.path == "/search/", f"no handler for {request.path}")
        body = request.content
        match = self.YQL.fullmatch(body.get("yql", ""))
        need(match, f"could not parse YQL: {body.get('yql')}")
        need(match["source"] in ("fiqa_para", "fiqa_sent"), f"no source '{match['source']}'")
        profiles = {"bm25": False, "closeness": True, "hybrid": True}
        profile = body.get("ranking.profile")
        need(profile in profiles, f"no rank profile '{profile}'")
        nearest = "nearestNeighbor" in body["yql"]
        need(nearest == profiles[profile], "rank profile without its inputs")
        known = {"yql", "query", "hits", "ranking.profile", "presentation.timing"}
        if nearest:
            need(body.get("input.query(q)") == "embed(@query)", "Expected 'query(q)' to be a tensor")
            known |= {"input.query(q)"}
        if profile == "hybrid":
            number(body.get("input.query(alpha)"), 0, 1, "input.query(alpha)")
            known |= {"input.query(alpha)"}
        need(not body.keys() - known, f"unknown {sorted(body.keys() - known)}")
        text(body.get("query"), "query")
        whole(body.get("hits"), 0, 400, "hits")
        return body["hits"]
