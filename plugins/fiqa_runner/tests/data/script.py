"""A script as users have them: searches by shared words, scores itself, writes metrics.json.

`--behave` decides how well it behaves.
"""

import argparse
import gzip
import json
import os
import subprocess
import sys
import time
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--behave", default="rankings")
parser.add_argument("--corpus", required=True)
for name in ("--base", "--collection", "--queries", "--qrels", "--alpha", "--ef-search"):
    parser.add_argument(name)
for name in ("--sample", "--top_k", "--concurrency"):
    parser.add_argument(name, type=int, required=True)
parser.add_argument("--mmr", action="store_true")
parser.add_argument("--mmr-lambda", type=float)
asked = parser.parse_args()

folder = Path(os.environ["RUNS_DIR"]) / os.environ["JOB_ID"]
corpus = {d: set(t.lower().split()) for d, t in json.loads(Path(asked.corpus).read_text()).items()}
alpha = float(asked.alpha or 0)


def search(text):
    words = set(text.lower().split())
    # The higher alpha, the longer the words that count: a knob that matters.
    words = {w for w in words if len(w) > 3 + 10 * alpha}
    ranked = sorted(corpus, key=lambda d: (-len(words & corpus[d]) / (1 + len(corpus[d])) ** 0.3, d))
    return ranked[: asked.top_k]


def main():
    queries = (
        [line.split("\t") for line in Path(asked.queries).read_text().splitlines()]
        if asked.queries
        else []
    )
    qrels = {}
    for line in Path(asked.qrels).read_text().splitlines() if asked.qrels else ():
        query_id, _, document_id, _ = line.split()
        qrels.setdefault(query_id, set()).add(document_id)
    found = {q: search(text) for q, text in queries}
    hits = [bool(qrels.get(q, set()) & set(r[:10])) for q, r in found.items()]
    metrics = {
        "recall@10": sum(hits) / len(hits) if hits else 0.5,
        "ndcg@10": 0.4,
        "p50_ms": 2.0,
        "p95_ms": 5.0,
        "cost_per_query": 0.0001,
        "count": asked.sample,
        "failures": 0,
    }
    result = {"job_id": os.environ["JOB_ID"], "status": "ok", "metrics": metrics}
    BEHAVIOURS[asked.behave](result, found)


def write(result, text=None):
    (folder / "metrics.json").write_text(json.dumps(result) if text is None else text)


def rankings(result, found):
    lines = [f"{q} Q0 {d} {i} {-i} mine" for q, r in found.items() for i, d in enumerate(r, 1)]
    with gzip.open(folder / "run.trec.gz", "wt") as stream:
        stream.write("\n".join(reversed(lines)) + "\n")
    write(result)


def lines(result, found):
    rows = [{"query_id": q, "ranking": r, "latency_ms": 2.5, "cost": 0.001} for q, r in found.items()]
    (folder / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    write(result)


def one_failed(result, found):
    rows = [{"query_id": q, "ranking": r, "latency_ms": 2.5} for q, r in list(found.items())[1:]]
    rows.append({"query_id": next(iter(found)), "failure": {"reason": "http_503", "message": "busy"}})
    (folder / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    write(result | {"metrics": result["metrics"] | {"failures": 1}})


def all_failed(result, found):
    rows = [{"query_id": q, "failure": {"reason": "x"}, "ranking": None} for q in found]
    (folder / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    write(result)


def ranked_all_failed(result, found):
    rows = [{"query_id": q, "failure": {"reason": "x"}, "ranking": []} for q in found]
    (folder / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    write(result)


def told_all_failed(result, found):
    all_failed(result, [f"own-{number}" for number in range(asked.sample)])


def some_failed(result, found):
    rows = [{"query_id": q, "failure": {"reason": "x"}} for q in list(found)[:2]]
    (folder / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    write(result)


def pipe(result, found):
    os.mkfifo(folder / "run.trec.gz")
    write(result)


def with_metric(**changes):
    return lambda result, _: write(result | {"metrics": result["metrics"] | changes})


def hang(result, found):
    child = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    grandchild = subprocess.Popen([sys.executable, "-c", child])
    (folder / "pids").write_text(f"{os.getpid()} {grandchild.pid}")
    time.sleep(600)


def leave_one_behind(result, found):
    left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (folder / "pids").write_text(str(left.pid))
    write(result)


def fail(result, found):
    write(result)
    sys.stderr.write(f"no such index; token {os.environ.get('TOKEN')}\n")
    sys.exit(7)


def complain(result, found):
    length = int(os.environ["LENGTH"])
    sys.stderr.write(" ".join(["trouble"] * 500) + os.environ["TOKEN"] + "x" * length)
    sys.exit(7)


def environment(result, found):
    (folder / "environment").write_text(json.dumps(dict(os.environ)))
    (folder / "arguments").write_text(json.dumps(sys.argv[1:]))
    write(result)


def bad_line(result, found):
    (folder / "queries.jsonl").write_text('{"ranking": 3}')
    write(result)


def link(result, found):
    (folder / "elsewhere.json").write_text(json.dumps(result))
    (folder / "metrics.json").symlink_to(folder / "elsewhere.json")


BEHAVIOURS = {
    "rankings": rankings,
    "lines": lines,
    "figures": lambda result, _: write(result),
    "one_failed": one_failed,
    "all_failed": all_failed,
    "ranked_all_failed": ranked_all_failed,
    "told_all_failed": told_all_failed,
    "some_failed": some_failed,
    "half_failed": with_metric(failures=0.5),
    "pipe": pipe,
    "silent": lambda result, _: None,
    "broken": lambda result, _: write(result, '{"status": "ok", "metr'),
    "list": lambda result, _: write([result]),
    "deep": lambda result, _: write(result, "[" * 100_000),
    "nan": lambda result, _: write(result, json.dumps(result).replace("0.0001", "NaN")),
    "infinite": lambda result, _: write(result, json.dumps(result).replace("0.0001", "1e999")),
    "not_ok": lambda result, _: write(result | {"status": "failed", "error": {"msg": "no index"}}),
    "other_job": lambda result, _: write(result | {"job_id": "another"}),
    "count_0": with_metric(count=0),
    "count_short": with_metric(count=3),
    "count_text": with_metric(count="many"),
    "no_count": with_metric(count=None),
    "all_told_failed": lambda result, _: with_metric(failures=result["metrics"]["count"])(result, _),
    "above_1": with_metric(**{"recall@10": 1.5}),
    "below_0": with_metric(**{"recall@10": -0.1}),
    "no_objective": with_metric(**{"recall@10": None}),
    "negative_time": with_metric(p95_ms=-1.0),
    "bad_trec": lambda result, _: (write(result), (folder / "run.trec.gz").write_bytes(b"no gzip")),
    "bad_line": bad_line,
    "link": link,
    "hang": hang,
    "leave_one_behind": leave_one_behind,
    "fail": fail,
    "complain": complain,
    "environment": environment,
}
main()
