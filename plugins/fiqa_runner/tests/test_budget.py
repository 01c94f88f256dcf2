"""The budget holds for each request: what is answered is counted and kept, and no more is sent."""

import json
import threading
from collections import Counter

import pytest

from orchestra_core.cli.main import run as cli
from orchestra_core.resuming import fork_experiment, resume_experiment
from orchestra_core.session import Request, open_session

from .loopback import serving
from .test_http_runner import FAST, STORY, of_type, run

PRICE = 0.01
CLIENTS = 4


class Dear:
    """Every answer costs a cent; `asked` counts how often each request came."""

    def __init__(self, corpus):
        self._items = [{"doc_id": document_id, "score": 1.0} for document_id in list(corpus)[:10]]
        self._lock = threading.Lock()
        self.asked = Counter()

    def __call__(self, request):
        if request.method != "POST":
            return 200, {}
        with self._lock:
            self.asked[str(sorted(request.content.items()))] += 1
        return 200, {"items": self._items, "cost": PRICE}


@pytest.fixture
def dear(fiqa):
    answer = Dear(fiqa.corpus)
    with serving(answer) as service:
        yield answer, {**FAST, "base_url": service.url, "health_endpoints": []}


@pytest.mark.parametrize("limit", [0.05, 0.33, 1.0])
def test_a_limit_of_cost_is_overshot_by_requests_under_way_alone(tmp_path, dear, limit):
    answer, section = dear
    outcome, events = run(tmp_path, runner=section, limits={"cost_usd": limit})
    sent = answer.asked.total()
    assert outcome.exit_code == 3
    assert outcome.report.error["details"] == {"limit": "cost_usd"}
    assert limit <= sent * PRICE + 1e-9 <= limit + CLIENTS * PRICE
    assert outcome.report.requests == sent
    assert outcome.report.cost_usd == pytest.approx(sent * PRICE)
    kept = sum(e.payload["queries"] for e in of_type(events, "UNIT_DONE"))
    assert kept == sent
    assert f"of ${limit:.4f}" in outcome.report.error["msg"]


def test_what_was_paid_is_not_paid_again(tmp_path, dear):
    answer, section = dear
    short, _ = run(tmp_path, runner=section, limits={"cost_usd": 0.33})
    paid = Counter(answer.asked)
    file = tmp_path / "orchestra.yaml"
    keys = ("stages.grid.sample=60", "limits.cost_usd=50")
    session = open_session(
        Request(file=file, home=tmp_path, plugins=("fiqa",), environ={}, assignments=keys)
    )
    forked = fork_experiment(session, short.report.run_id)
    assert forked.exit_code in (0, 1, 4), forked.error
    smoke = {request for request in paid if answer.asked[request] == paid[request]}
    assert smoke, "nothing of the smoke test was taken over"
    assert forked.report.requests == answer.asked.total() - paid.total()


def test_a_spent_budget_lets_a_resumed_run_ask_nothing(tmp_path, dear):
    answer, section = dear
    short, _ = run(tmp_path, runner=section, limits={"cost_usd": 0.05})
    sent = answer.asked.total()
    session = open_session(
        Request(file=tmp_path / "orchestra.yaml", home=tmp_path, plugins=("fiqa",), environ={})
    )
    again = resume_experiment(session, short.report.run_id)
    assert again.exit_code == 3
    assert answer.asked.total() == sent
    assert again.report.cost_usd == pytest.approx(sent * PRICE)


def test_a_probe_stops_with_the_budget(tmp_path, dear):
    """Smoke and the first rung fit; the timed requests do not."""
    answer, section = dear
    whole, events = run(tmp_path / "whole", runner=section, limits={"cost_usd": 500})
    assert whole.exit_code in (0, 1, 4), whole.error
    units = of_type(events, "UNIT_DONE")
    first = next(i for i, e in enumerate(units) if e.payload["kind"] == "probe")
    before = sum(e.payload["requests"] for e in units[:first])
    limit = PRICE * (before + units[first].payload["requests"] // 2)
    answer.asked.clear()
    outcome, events = run(tmp_path / "short", runner=section, limits={"cost_usd": limit})
    assert outcome.exit_code == 3
    assert answer.asked.total() * PRICE <= limit + CLIENTS * PRICE
    last = of_type(events, "UNIT_DONE")[-1].payload
    assert last["kind"] == "probe"
    assert 0 < last["queries"] < units[first].payload["queries"]
    assert last["failures"] == {}
    assert STORY["name"] in outcome.report.run_id


def test_a_load_test_stops_with_the_budget_and_tells_what_it_found(tmp_path, dear, capsys):
    answer, section = dear
    keys = [f"--set=runner.{name}={json.dumps(value)}" for name, value in section.items()]
    limit = "--set=limits.cost_usd=0.2"
    told = ["load", "--plugins", "fiqa", "--home", str(tmp_path), "--duration", "60", *keys, limit]
    assert cli([*told, "--concurrency", str(CLIENTS)]) == 3
    shown = capsys.readouterr()
    assert 20 <= answer.asked.total() < 20 + CLIENTS
    assert "closed, 4 clients" in shown.out
    assert "limits.cost_usd" in shown.err
