"""`plugins.fiqa.policy`: applied, verified and undone, in files and over a real HTTP server."""

from __future__ import annotations

import json
import threading
import time
from contextlib import suppress

import pytest
from orchestra_fiqa_runner import plugin
from orchestra_fiqa_runner.policy_places import Found
from orchestra_fiqa_runner.settings import FiqaSettings
from pydantic import ValidationError

from orchestra_core.applying import applied_policies, apply_published, roll_back_published
from orchestra_core.cli.main import run as run_cli
from orchestra_core.engine import run_experiment
from orchestra_core.errors import DataError, ExperimentError, OrchestraError, TargetError, UsageError
from orchestra_core.journal.log import JournalReader
from orchestra_core.resuming import resume_experiment
from orchestra_core.session import Request, open_session
from orchestra_core.testing.running import stub_session
from orchestra_core.testing.stubs import StubRunner

from .loopback import Service, _Handler, _Server, serving
from .test_http_runner import STORY
from .test_serving import ask, data_cache, served  # noqa: F401 - a fixture

OLD = {"run_id": "before", "config_id": "old", "parameters": {"quality": 0.1}}
WINNER = {"quality": 0.9}


class Store:
    """A service's one policy. `clamp` alters what is stored, `refuse` says no, `mute` hangs up."""

    def __init__(self, policy=None):
        self.policy = policy
        self.puts = []
        self.clamp = lambda policy: policy
        self.refuse = lambda method: None
        self.after_put = lambda: None

    def __call__(self, request):
        if status := self.refuse(request.method):
            return status, {"error": "no"}
        if request.method == "PUT":
            self.puts.append(request.content)
            self.policy = self.clamp(request.content)
            self.after_put()
            return 200, {"ok": True}
        if request.method == "DELETE":
            self.policy = None
            return 204, b""
        return (404, b"") if self.policy is None else (200, {"policy": self.policy, "rev": 3})


@pytest.fixture
def store():
    return Store(OLD)


@pytest.fixture
def service(store):
    with serving(store) as running:
        yield running


@pytest.fixture
def open_run(tmp_path):
    """`open_run(policy, **keys of runner)`: a session whose run publishes, in one home folder."""

    def opens(policy, name="stub", more=(), space=(0.3, 0.5, 0.9), limits=None, **runner):
        section = {"plugin": "stub_runner", "backoff_s": 0.01, "max_retries": 1, **runner}
        experiment = {"name": name, "runner": {**section, "rate_limit_per_sec": 0}}
        experiment |= {"space": {"quality": list(space)}}
        experiment |= {"plugins": {"fiqa": {"policy": policy}}, "limits": limits or {}}
        chosen = StubRunner()
        return stub_session(
            tmp_path / "home", ("fiqa", plugin), *more, experiment=experiment, runner=chosen
        )

    return opens


def carry(session):
    outcome = run_experiment(session)
    events = list(JournalReader(session.home.journal(outcome.report.run_id)))
    return outcome, [e for e in events if e.event_type.startswith("POLICY_")]


def kinds(events):
    return [event.event_type.removeprefix("POLICY_") for event in events]


def standing(session):
    return {row.run_id: row.standing for row in applied_policies(session.home)}


def put_section(service, **more):
    return {"put": "/v1/policy", "read": "policy", **more}, {"base_url": service.url}


# --- settings ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "problem"),
    [
        ({}, "either file or put"),
        ({"file": "a", "put": "/b"}, "either file or put"),
        ({"file": "a", "get": "/b"}, "belong to put"),
        ({"put": "policy"}, "pattern"),
        ({"put": "/p", "read": "a..b"}, "JMESPath"),
        ({"file": "a", "body": {}}, "at least one key"),
        ({"fiel": "a"}, "fiel"),
        ({"file": "../p.json"}, "within the home folder"),
        ({"file": "/srv/p.json"}, "within the home folder"),
        ({"file": "live/../../p.json"}, "within the home folder"),
    ],
)
def test_a_wrong_section_is_refused(policy, problem):
    with pytest.raises(ValidationError, match=problem):
        FiqaSettings.model_validate({"policy": policy})


@pytest.mark.parametrize(
    ("policy", "runner", "problem"),
    [
        ({"put": "/policy"}, {}, "runner.base_url, which is not set"),
        ({"put": "/policy"}, {"base_url": "http://search.example:80"}, "not on the list"),
        ({"file": "p", "body": {"k": "${topk}"}}, {}, "speaks of 'topk'"),
        ({"put": "/${config_id}/${nope}"}, {"base_url": "http://127.0.0.1:9"}, "'nope'"),
    ],
)
def test_what_cannot_be_carried_out_is_refused_with_the_plan(open_run, policy, runner, problem):
    session = open_run(policy, **runner)
    with pytest.raises(ExperimentError, match=problem) as caught:
        session.make_plan(session.open_dataset())
    assert caught.value.hint


def test_without_a_policy_nothing_is_said_of_one(open_run):
    outcome, events = carry(open_run(None))
    assert (outcome.exit_code, events) == (0, [])


# --- files ------------------------------------------------------------------------------------------


def test_a_winner_is_written_to_a_file(open_run, tmp_path):
    session = open_run({"file": "live/policy.json"})
    outcome, events = carry(session)
    content = json.loads((tmp_path / "home" / "live" / "policy.json").read_text())
    winner = outcome.report.winner
    assert content == {
        "run_id": outcome.report.run_id,
        "config_id": winner.config_id,
        "parameters": dict(winner.parameters),
    }
    assert content["parameters"]["quality"] == 0.9
    assert kinds(events) == ["INTENT", "INTENT", "APPLIED"]
    assert events[2].payload["undo"]["there"] is False
    assert standing(session) == {outcome.report.run_id: "in force"}


def test_a_body_of_one_s_own(open_run, tmp_path):
    body = {"search": {"q": "${quality}", "note": "by ${run_id}"}, "fixed": 1}
    outcome, _ = carry(open_run({"file": "p.json", "body": body}))
    content = json.loads((tmp_path / "home" / "p.json").read_text())
    assert content["search"] == {"q": 0.9, "note": f"by {outcome.report.run_id}"}
    assert content["fixed"] == 1


def test_undoing_restores_the_earlier_run_s_policy_and_then_nothing(open_run, tmp_path):
    file = tmp_path / "home" / "p.json"
    one, _ = carry(open_run({"file": "p.json"}, name="one"))
    first = file.read_bytes()
    session = open_run({"file": "p.json"}, name="two", space=(0.3, 0.95))
    two, _ = carry(session)
    runs = one.report.run_id, two.report.run_id
    assert standing(session) == dict(zip(runs, ("replaced", "in force"), strict=True))
    with pytest.raises(UsageError, match="was applied after it") as caught:
        roll_back_published(session, runs[0])
    assert runs[1] in caught.value.hint
    roll_back_published(session, runs[1])
    assert file.read_bytes() == first
    assert standing(session) == dict(zip(runs, ("in force", "rolled back"), strict=True))
    roll_back_published(session, runs[0])
    assert not file.exists()
    with pytest.raises(UsageError, match="no policy of it is in force"):
        roll_back_published(session, runs[0])


@pytest.mark.parametrize("content", ["precious", "[1]", '{"database": "prod"}', "{}x"])
def test_a_file_of_something_else_is_left_alone(open_run, tmp_path, content):
    mine = tmp_path / "home" / "mine"
    mine.parent.mkdir(exist_ok=True)
    mine.write_text(content)
    outcome, events = carry(open_run({"file": "mine"}))
    assert outcome.exit_code == 2
    assert "something else than a policy" in outcome.report.error["msg"]
    assert mine.read_text() == content
    assert kinds(events) == ["INTENT", "ROLLED_BACK"]


def test_a_link_out_of_the_home_folder_is_not_followed(open_run, tmp_path):
    (tmp_path / "home").mkdir(exist_ok=True)
    (tmp_path / "home" / "live").symlink_to(tmp_path)
    outcome, _ = carry(open_run({"file": "live/p.json"}))
    assert outcome.exit_code == 2
    assert "leads out of the home folder" in outcome.report.error["msg"]
    assert not (tmp_path / "p.json").exists()


def test_a_folder_that_cannot_be_written(open_run, tmp_path):
    (tmp_path / "home").mkdir(exist_ok=True)
    (tmp_path / "home" / "file").write_text("")
    outcome, events = carry(open_run({"file": "file/p.json"}))
    assert outcome.exit_code == 3
    assert events[-1].payload["undone"] is True


# --- a service --------------------------------------------------------------------------------------


def test_a_winner_is_sent_read_back_and_undone(open_run, store, service, monkeypatch):
    token = "s3cr3t-" + "token" * 4
    monkeypatch.setenv("RAG_TOKEN", token)
    policy, runner = put_section(service)
    runner |= {"headers": {"Authorization": "Bearer ${env:RAG_TOKEN}"}}
    session = open_run(policy, **runner)
    outcome, events = carry(session)
    assert outcome.exit_code == 0
    assert store.policy["parameters"]["quality"] == 0.9
    assert [r.method for r in service.asked] == ["GET", "PUT", "GET"]
    assert {r.path for r in service.asked} == {"/v1/policy"}
    assert {r.headers["Authorization"] for r in service.asked} == {f"Bearer {token}"}
    assert events[-1].payload["undo"]["previous"] == OLD
    assert token not in session.home.journal(outcome.report.run_id).read_text()
    roll_back_published(session, outcome.report.run_id)
    assert store.policy == OLD


def test_repetitions_and_aliases_of_a_policy_are_in_the_journal(open_run, store, service):
    said_no = []

    def refuse(method):
        """The first PUT of each pair."""
        if method == "PUT" and len(said_no) == len(store.puts):
            said_no.append(method)
            return 503
        return None

    store.refuse = refuse
    policy, _ = put_section(service)
    port = service.url.rpartition(":")[2]
    session = open_run(policy, base_url=f"http://rag:{port}", host_aliases={"rag": "127.0.0.1"})
    outcome = run_experiment(session)
    run_id = outcome.report.run_id
    assert (outcome.exit_code, store.policy["run_id"]) == (0, run_id)
    doors = ("RETRY", "ALIAS_APPLIED")

    def told():
        return [e for e in JournalReader(session.home.journal(run_id)) if e.event_type in doors]

    assert [event.event_type for event in told()] == ["ALIAS_APPLIED", "RETRY"]
    assert told()[1].payload["error"]["type"] == "http_503"
    roll_back_published(session, run_id)
    assert store.policy == OLD
    assert [event.event_type for event in told()] == ["ALIAS_APPLIED", "RETRY"] * 2


def test_the_run_s_time_limits_its_policies(open_run, store, service):
    """A service that is silent for two minutes, and a run that may take three seconds."""
    hold = threading.Event()
    store.refuse = lambda _method: hold.wait(120) and 500
    policy, runner = put_section(service)
    began = time.monotonic()
    try:
        outcome, events = carry(open_run(policy, limits={"wall": 3}, timeout_s=120, **runner))
    finally:
        hold.set()
    assert time.monotonic() - began < 60
    assert outcome.exit_code == 3
    assert "APPLIED" not in kinds(events)
    assert store.policy == OLD


def test_what_was_changed_is_put_back_though_the_time_is_over(open_run, store, service):
    """The service takes the winner, keeps another, and answers only when the run's time is over."""
    store.clamp = lambda policy: {**policy, "config_id": "other"} if policy != OLD else policy
    over = threading.Event()
    store.after_put = lambda: over.wait(4)
    policy, runner = put_section(service)
    outcome, events = carry(open_run(policy, limits={"wall": 3}, timeout_s=120, **runner))
    assert outcome.exit_code == 3
    assert kinds(events)[-1] == "ROLLED_BACK"
    assert events[-1].payload["undone"]
    assert store.policy == OLD


def test_what_is_in_force_already_is_not_sent_again_and_can_still_be_undone(open_run, store, service):
    policy, runner = put_section(service)
    session = open_run(policy, **runner)
    run_id = carry(session)[0].report.run_id
    (row,) = apply_published(session, run_id)
    assert (row.standing, len(store.puts)) == ("in force", 1)
    last = list(JournalReader(session.home.journal(run_id)))[-1]
    assert (last.event_type, last.payload["in_force_already"]) == ("POLICY_APPLIED", True)
    store.policy = {"by": "hand"}
    apply_published(session, run_id)
    assert len(store.puts) == 2
    roll_back_published(session, run_id)
    assert store.policy == {"by": "hand"}


def test_another_path_to_read_from_and_numbers_of_another_type(open_run, store, service):
    body = {"q": "${quality}", "k": 10}
    policy, runner = put_section(service, get="/v1/policy/current", body=body)
    store.clamp = lambda told: {**told, "k": 10.0}
    outcome, _ = carry(open_run(policy, **runner))
    assert outcome.exit_code == 0
    assert [r.path for r in service.asked] == ["/v1/policy/current", "/v1/policy", "/v1/policy/current"]


def test_a_target_that_had_none_has_none_afterwards(open_run, store, service):
    store.policy = None
    policy, runner = put_section(service)
    session = open_run(policy, **runner)
    run_id = carry(session)[0].report.run_id
    assert store.policy is not None
    roll_back_published(session, run_id)
    assert store.policy is None
    assert service.asked[-2].method == "DELETE"


@pytest.mark.parametrize("status", [403, 422, 500])
def test_a_refused_put_fails_the_run_and_changes_nothing(open_run, store, service, status):
    store.refuse = lambda method: status if method == "PUT" else None
    policy, runner = put_section(service)
    session = open_run(policy, **runner)
    outcome, events = carry(session)
    assert outcome.exit_code == 3
    assert outcome.report.error["type"] == f"http_{status}"
    assert (store.policy, kinds(events)) == (OLD, ["INTENT", "INTENT", "ROLLED_BACK"])
    assert events[-1].payload["undone"] is True
    assert not session.home.winners.exists()
    assert standing(session) == {outcome.report.run_id: "rolled back"}


def test_a_service_that_keeps_something_else_gets_the_old_one_back(open_run, store, service):
    store.clamp = lambda told: told if told == OLD else {**told, "parameters": {"quality": 0.5}}
    policy, runner = put_section(service)
    session = open_run(policy, **runner)
    outcome, events = carry(session)
    assert outcome.exit_code == 3
    assert "did not find it when reading back" in outcome.report.error["msg"]
    assert store.policy == OLD
    assert kinds(events) == ["INTENT", "INTENT", "ROLLED_BACK"]
    assert events[-1].payload["undone"] is True


def test_a_rollback_that_fails_is_told(open_run, store, service):
    store.clamp = lambda told: {"stuck": True}
    policy, runner = put_section(service)
    session = open_run(policy, **runner)
    outcome, events = carry(session)
    assert outcome.exit_code == 3
    assert events[-1].payload["undone"] is False
    journal = JournalReader(session.home.journal(outcome.report.run_id))
    errors = [e.payload["error"]["msg"] for e in journal if e.event_type == "PLUGIN_ERROR"]
    assert any("does not hold what stood there before" in told for told in errors)
    run_id = outcome.report.run_id
    assert standing(session) == {run_id: "not undone"}
    with pytest.raises(TargetError, match="was not undone"):
        roll_back_published(session, run_id)
    store.clamp = lambda told: told
    roll_back_published(session, run_id)
    assert (store.policy, standing(session)) == (OLD, {run_id: "rolled back"})


def test_a_server_that_dies_between_writing_and_reading(open_run, store):
    """The run says so; once the server is back, what it holds can be undone."""
    first = _Server(("127.0.0.1", 0), _Handler)
    port = first.server_address[1]
    first.service = Service(store)

    def die():
        threading.Thread(target=first.shutdown).start()
        first.socket.close()
        first.service.answer = _hang_up

    store.after_put = die
    thread = threading.Thread(target=lambda: first.serve_forever(0.02), daemon=True)
    thread.start()
    section = {"put": "/v1/policy", "read": "policy"}
    session = open_run(section, base_url=f"http://127.0.0.1:{port}")
    outcome, events = carry(session)
    thread.join()
    assert outcome.exit_code == 3
    assert (kinds(events)[-1], events[-1].payload["undone"]) == ("ROLLED_BACK", False)
    assert store.policy["parameters"]["quality"] == 0.9
    run_id = outcome.report.run_id
    assert standing(session) == {run_id: "not undone"}
    store.after_put = lambda: None
    second = _Server(("127.0.0.1", port), _Handler)
    second.service = Service(store)
    threading.Thread(target=lambda: second.serve_forever(0.02), daemon=True).start()
    try:
        roll_back_published(session, run_id)
    finally:
        second.shutdown()
        second.server_close()
    assert (store.policy, standing(session)) == (OLD, {run_id: "rolled back"})


def _hang_up(_request):
    raise ConnectionAbortedError


def test_a_process_that_died_after_writing_can_still_undo(open_run, store, service):
    """The journal ends with the intent; the resumed run finds its policy there, and knows the old."""
    policy, runner = put_section(service)
    session = open_run(policy, **runner)
    run_id = carry(session)[0].report.run_id
    journal = session.home.journal(run_id)
    lines = journal.read_bytes().splitlines(keepends=True)
    applied = next(i for i, line in enumerate(lines) if b"POLICY_APPLIED" in line)
    journal.write_bytes(b"".join(lines[:applied]))
    session.home.winners.unlink()
    assert standing(session) == {run_id: "interrupted"}
    session = open_run(policy, **runner)
    assert resume_experiment(session, run_id).exit_code == 0
    assert len(store.puts) == 1
    assert standing(session) == {run_id: "in force"}
    roll_back_published(session, run_id)
    assert store.policy == OLD


def test_a_later_plugin_s_failure_takes_the_policy_back(open_run, store, service):
    from orchestra_core.hookspecs import hookimpl

    class Later:
        @hookimpl(trylast=True)
        def orchestra_apply_policy(self, winner):
            raise RuntimeError("no")

    policy, runner = put_section(service)
    outcome, events = carry(open_run(policy, more=[("later", Later())], **runner))
    assert outcome.exit_code != 0
    assert len(store.puts) == 2
    assert store.policy == OLD
    assert events[-1].payload["undone"] is True


def test_undoing_at_another_place_is_refused(open_run, store, service):
    policy, runner = put_section(service)
    session = open_run(policy, **runner)
    run_id = carry(session)[0].report.run_id
    elsewhere = open_run({"file": "p.json"})
    with pytest.raises(ExperimentError, match="it was applied at PUT") as caught:
        roll_back_published(elsewhere, run_id)
    assert "Set the place" in caught.value.hint
    assert store.policy != OLD
    assert standing(session) == {run_id: "in force"}
    roll_back_published(session, run_id)
    assert store.policy == OLD


def test_what_somebody_else_put_there_since_is_left_alone(open_run, store, service):
    policy, runner = put_section(service)
    session = open_run(policy, **runner)
    run_id = carry(session)[0].report.run_id
    ours, store.policy = store.policy, {"hand": "made"}
    with pytest.raises(UsageError, match="another policy was put there since"):
        roll_back_published(session, run_id)
    assert store.policy == {"hand": "made"}
    assert standing(session) == {run_id: "in force"}
    store.policy = ours
    roll_back_published(session, run_id)
    assert store.policy == OLD


@pytest.mark.parametrize("trouble", ["refused", "something else is in the file"])
def test_applying_again_in_vain_leaves_the_first_in_force(open_run, store, service, tmp_path, trouble):
    policy, runner = put_section(service)
    session = open_run(policy, **runner)
    run_id = carry(session)[0].report.run_id
    if trouble == "refused":
        store.refuse = lambda method: 403
    else:
        (tmp_path / "home" / "mine").write_text("precious")
        session = open_run({"file": "mine"})
    with pytest.raises(OrchestraError):
        apply_published(session, run_id)
    store.refuse = lambda method: None
    session = open_run(policy, **runner)
    assert standing(session) == {run_id: "in force"}
    roll_back_published(session, run_id)
    assert store.policy == OLD
    assert standing(session) == {run_id: "rolled back"}


def test_what_somebody_else_put_there_stays_in_force_when_applying_again_fails(
    open_run, store, service
):
    """Nothing is known that would undo it, and a failed look at it undoes nothing."""
    policy, runner = put_section(service, body={"id": "${config_id}"})
    outcome, _ = carry(open_run(None))
    run_id = outcome.report.run_id
    store.policy = {"id": outcome.report.winner.config_id}
    session = open_run(policy, **runner)
    (row,) = apply_published(session, run_id)
    assert (row.standing, row.undo) == ("in force", {})
    store.refuse = lambda method: 500
    with pytest.raises(OrchestraError):
        apply_published(session, run_id)
    assert standing(session) == {run_id: "in force"}


def test_applying_again_half_way_puts_back_the_first(open_run, store, service):
    """Another body is another policy; when it does not stick, the first stands as it did."""
    policy, runner = put_section(service)
    session = open_run(policy, **runner)
    run_id = carry(session)[0].report.run_id
    ours = store.policy
    other = open_run({**policy, "body": {"id": "${config_id}"}}, **runner)
    store.clamp = lambda value: value if "run_id" in value else {"id": "else"}
    with pytest.raises(TargetError, match="did not find it"):
        apply_published(other, run_id)
    assert store.policy == ours
    rows = applied_policies(session.home)
    assert [row.standing for row in rows] == ["in force", "rolled back"]
    roll_back_published(session, run_id)
    assert store.policy == OLD


def test_each_place_has_a_policy_of_its_own(open_run, store, service, tmp_path):
    policy, runner = put_section(service)
    session = open_run(policy, **runner)
    run_id = carry(session)[0].report.run_id
    in_file = open_run({"file": "p.json"})
    apply_published(in_file, run_id)
    apply_published(in_file, run_id)
    rows = applied_policies(session.home)
    assert [row.standing for row in rows] == ["in force", "in force"]
    assert [row.place.split("/")[-1] for row in rows] == ["policy", "p.json"]
    for one in (in_file, session):
        with suppress(ExperimentError):  # the other place is not set
            roll_back_published(one, run_id)
    assert store.policy == OLD
    assert not (tmp_path / "home" / "p.json").exists()
    assert [row.standing for row in applied_policies(session.home)] == ["rolled back"] * 2


def test_one_step_is_undone_at_a_time(open_run, store, service):
    policy, runner = put_section(service)
    session = open_run(policy, **runner)
    run_id = carry(session)[0].report.run_id
    first = store.policy
    other = open_run({**policy, "body": {"id": "${config_id}"}}, **runner)
    apply_published(other, run_id)
    assert [row.standing for row in applied_policies(session.home)] == ["replaced", "in force"]
    roll_back_published(other, run_id)
    assert store.policy == first
    assert [row.standing for row in applied_policies(session.home)] == ["in force", "rolled back"]
    roll_back_published(other, run_id)
    assert store.policy == OLD


def test_a_secret_in_the_policy_is_not_taken_into_the_journal(open_run, store, service, monkeypatch):
    token = "s3cr3t-" + "token" * 4
    monkeypatch.setenv("RAG_TOKEN", token)
    store.policy = {"key": token}
    policy, runner = put_section(service)
    runner |= {"headers": {"Authorization": "Bearer ${env:RAG_TOKEN}"}}
    outcome, _ = carry(open_run(policy, **runner))
    assert outcome.exit_code == 3
    assert store.policy == {"key": token}
    assert "could not be restored" in outcome.report.error["hint"]


@pytest.mark.parametrize("answer", [b"<html>", b"[" * 100 + b"]" * 100])
def test_an_unreadable_answer_changes_nothing(open_run, answer):
    with serving(lambda _request: (200, answer)) as service:
        policy, runner = put_section(service)
        outcome, _ = carry(open_run(policy, **runner))
        assert outcome.exit_code == 3
        assert {r.method for r in service.asked} == {"GET"}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (Found(True, {"a": 1}), Found(True, {"a": 1.0}), True),
        (Found(True, {"a": 1}), Found(True, {"a": True}), False),
        (Found(True, [0]), Found(True, [False]), False),
        (Found(True, {"a": 1}), Found(True, {"a": 1, "b": 2}), False),
        (Found(False), Found(True, None), False),
        (Found(False), Found(False), True),
        (Found(True, "1"), Found(True, 1), False),
    ],
)
def test_equal_as_json(one, other, same):
    assert (one == other) is same


def test_the_whole_story_over_the_server_in_the_box(tmp_path, data_cache):  # noqa: F811
    """A run over HTTP puts its winner into force where it was measured; rollback takes it away."""
    story = {**STORY, "plugins": {"fiqa": {"policy": {"put": "/api/policy", "read": "policy"}}}}
    file = tmp_path / "orchestra.yaml"
    with served(data_cache) as (address, _):
        runner = {"backend": "http", "base_url": f"http://{address}", "rate_limit_per_sec": 0}
        file.write_text(json.dumps({**story, "runner": runner}))
        request = Request(file=file, home=tmp_path, plugins=("fiqa",), environ={})
        session = open_session(request)
        plain = ask(address, {"question": "tax"})[2]["items"]
        assert ask(address, None, "/api/policy")[0] == 404
        outcome, events = carry(session)
        assert outcome.exit_code == 0
        assert kinds(events) == ["INTENT", "INTENT", "APPLIED"]
        winner = outcome.report.winner
        held = ask(address, None, "/api/policy")[2]["policy"]
        assert (held["config_id"], held["run_id"]) == (winner.config_id, outcome.report.run_id)
        by_policy = ask(address, {"question": "tax"})[2]["items"]
        alpha = winner.parameters["alpha"]
        assert by_policy == ask(address, {"question": "tax", "alpha": alpha, "mmr": False})[2]["items"]
        roll_back_published(open_session(request), outcome.report.run_id)
        assert ask(address, None, "/api/policy")[0] == 404
        assert ask(address, {"question": "tax"})[2]["items"] == plain


# --- the command ------------------------------------------------------------------------------------


@pytest.fixture
def cli(tmp_path, monkeypatch, capsys):
    """`cli("show")`: exit code and JSON of `orchestra policy …` with a stub as the runner."""
    source = (
        "from orchestra_core.testing.stubs import StubDatasets, StubRunner\n"
        "RUNNER, DATA = StubRunner(), StubDatasets()\n"
        "orchestra_describe_runner = RUNNER.orchestra_describe_runner\n"
        "orchestra_runner = RUNNER.orchestra_runner\n"
        "orchestra_datasets = DATA.orchestra_datasets\n"
    )
    (tmp_path / "policy_target.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)

    def call(verb, *words, policy=None):
        capsys.readouterr()
        given = ["policy", verb, *words, "--home", str(tmp_path / "home"), "--json"]
        if verb != "show":
            given += ["--plugins", "policy_target"]
        if policy:
            given += ["--set", f"plugins.fiqa.policy={json.dumps(policy)}"]
        code = run_cli(given)
        return code, json.loads(capsys.readouterr().out)

    return call


def test_apply_show_and_rollback(cli, open_run, tmp_path):
    assert cli("show") == (0, [])
    run_id = carry(open_run(None))[0].report.run_id
    code, said = cli("apply", "latest")
    assert (code, said["error"]["hint"]) == (
        2,
        "For example: --set plugins.fiqa.policy.file=policy.json",
    )
    policy = {"file": "p.json"}
    code, (row,) = cli("apply", run_id, policy=policy)
    assert (code, row["standing"], row["run_id"]) == (0, "in force", run_id)
    assert json.loads((tmp_path / "home" / "p.json").read_text())["run_id"] == run_id
    assert cli("show") == (0, [row])
    code, (row,) = cli("rollback", run_id, policy=policy)
    assert (code, row["standing"]) == (0, "rolled back")
    assert not (tmp_path / "home" / "p.json").exists()
    verify = ["verify", run_id, "--home", str(tmp_path / "home"), "--plugins", "policy_target"]
    assert run_cli(verify) == 0


def test_apply_over_http_that_fails(cli, open_run, store, service):
    session = open_run(None)
    run_id = carry(session)[0].report.run_id
    store.refuse = lambda method: 403 if method == "PUT" else None
    session = open_run(put_section(service)[0], base_url=service.url)
    with pytest.raises(OrchestraError, match="403"):
        apply_published(session, run_id)
    assert (store.policy, standing(session)) == (OLD, {run_id: "rolled back"})


def test_only_a_published_winner_is_applied(open_run):
    session = open_run({"file": "p.json"}, space=(0.3,))
    run_id = carry(session)[0].report.run_id
    with pytest.raises(UsageError, match="published no winner"):
        apply_published(session, run_id)


def test_an_altered_record_is_not_applied(open_run):
    session = open_run({"file": "p.json"})
    run_id = carry(session)[0].report.run_id
    records = json.loads(session.home.winners.read_text())
    records[0]["winner"]["parameters"]["quality"] = 1.0
    session.home.winners.write_text(json.dumps(records))
    with pytest.raises(DataError, match="altered"):
        apply_published(session, run_id)
