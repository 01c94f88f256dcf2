"""The service's parts that need no HTTP: layers from bodies, followers, orders, pages from folds."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestra_core.artifacts import Home
from orchestra_core.errors import ExperimentError
from orchestra_core.experiment import Collection, Experiment, Limits
from orchestra_core.journal.events import EventType
from orchestra_core.journal.lock import RunLock
from orchestra_core.journal.log import JournalReader, JournalWriter
from orchestra_core.journal.state import fold
from orchestra_core.layers import Layers, build_experiment
from orchestra_core.service import service as service_module
from orchestra_core.service.asking import PRESETS, base_layers, check_limits, patches
from orchestra_core.service.errors import Forbidden, RunUnreadable
from orchestra_core.service.files import FileAnswer
from orchestra_core.service.following import KEPT_EVENTS, KEPT_FOLLOWERS, Followers
from orchestra_core.service.models import RunBody
from orchestra_core.service.options import ServiceOptions
from orchestra_core.service.orders import MOST_KEYS, Order, OrderBook, Orders, body_hash, request_hash
from orchestra_core.service.service import Service

OWN = Experiment(
    dataset="mini",
    collections={
        "para": Collection(),
        "other": Collection(dataset="elsewhere", chunking="sent"),
    },
    baseline={"collection": "para", "alpha": 0.0},
    space={"collection": ("para",), "alpha": (0.0, 1.0)},
)
BASE = Layers(json.loads(OWN.model_dump_json()))


def asked(**body):
    layers = BASE
    for path, value, origin in patches(RunBody.model_validate(body), OWN):
        layers = layers.with_value(path, value, origin)
    return build_experiment(layers)


def test_an_empty_body_changes_nothing():
    assert asked() == OWN


def test_a_collection_brings_its_dataset_and_is_the_only_one():
    found = asked(collection="other")
    assert found.dataset == "elsewhere"
    assert set(found.collections) == {"other"}
    assert found.space["collection"] == ("other",)
    assert found.baseline == {"collection": "other", "alpha": 0.0}
    assert found.collections["other"].chunking == "sent"


def test_an_unknown_collection_is_told():
    with pytest.raises(ExperimentError, match="no collection is called 'pra'") as told:
        asked(collection="pra")
    assert "Did you mean 'para'?" in told.value.hint


def test_overrides_take_one_value_or_several():
    found = asked(overrides={"alpha": 0.5, "top_k": [10, 20], "mmr": "off", "concurrency": 2})
    assert found.space["alpha"] == (0.5,)
    assert found.space["top_k"] == (10, 20)
    assert found.space["mmr"] == ("off",)
    assert found.concurrency == 2
    assert found.baseline == OWN.baseline


@pytest.mark.parametrize(
    ("body", "smoke", "grid", "ab"),
    [
        ({"overrides": {"sample": 30}}, 30, 30, 200),
        ({"overrides": {"sample": 80}}, 50, 80, 200),
        ({"overrides": {"sample": 80}, "mode": "smoke"}, 80, 80, 200),
        ({"overrides": {"sample": {"ab": 60}}}, 50, 100, 60),
        ({"preset": "quick"}, 20, 50, 100),
        ({"preset": "thorough", "overrides": {"sample": 40}}, 40, 40, 300),
        ({"preset": "quick", "overrides": {"sample": {"smoke": 5}}}, 5, 50, 100),
    ],
)
def test_samples(body, smoke, grid, ab):
    stages = asked(**body).stages
    assert (stages.smoke.sample, stages.grid.sample, stages.ab.sample) == (smoke, grid, ab)


def test_standard_is_what_an_empty_experiment_has():
    empty = Experiment(space={"a": (1,)})
    for path, value in PRESETS["standard"].items():
        found = empty
        for part in path:
            found = getattr(found, part)
        assert found == value


def test_a_whole_experiment_keeps_the_services_own_sections():
    own = Layers({"runner": {"plugin": "mine"}, "seed": 5, "paths": {"reports_dir": "r"}})
    body = RunBody(experiment={"space": {"alpha": [1]}})
    found = base_layers(body, own, trusted=False).values
    expected = {"runner": {"plugin": "mine"}, "paths": {"reports_dir": "r"}, "space": {"alpha": [1]}}
    assert found == expected
    hostile = RunBody(experiment={"runner": {"runner_cmd": ["x"]}})
    with pytest.raises(Forbidden):
        base_layers(hostile, own, trusted=False)
    assert base_layers(hostile, own, trusted=True).values == hostile.experiment


@pytest.mark.parametrize("limits", [{}, {"stage": None}, {"stage": 6}, {"wall": 600, "stage": None}])
def test_the_limit_of_a_stage_is_not_raised(limits):
    own = OWN.model_copy(update={"limits": Limits(stage=5)})
    asked = OWN.model_copy(update={"limits": Limits(**limits)})
    with pytest.raises(ExperimentError) as told:
        check_limits(asked, own)
    assert told.value.hint == "Ask for 5 or less."
    for allowed in (Limits(stage=5), Limits(stage=None, wall=4)):
        check_limits(OWN.model_copy(update={"limits": allowed}), own)
    check_limits(asked, OWN)


def test_the_same_request_has_the_same_hash():
    one, other = RunBody(mode="grid"), RunBody(mode="grid", again=True)
    assert request_hash(one) == request_hash(other) != request_hash(RunBody(mode="smoke"))
    assert body_hash(one) != body_hash(other)


def order(run_id="a-1"):
    return Order(
        run_id=run_id, name="a", created_at="2026-01-01T00:00:00.000Z", mode="full", until=None,
        request="r", plan_hash="p", requests=1,
    )  # fmt: skip


def test_orders_outlive_damage(tmp_path):
    book = OrderBook(Home(tmp_path))
    book.add(order("a-1"), RunBody(), {"name": "x"})
    book.add(order("a-2"), RunBody(), {"name": "x"})
    (tmp_path / "reports/service/a-1/order.json").write_text("{")
    assert [found.run_id for found in book.load()] == ["a-2"]


@pytest.mark.parametrize(
    ("output", "told"),
    [
        ('{"error": {"type": "experiment", "msg": "wrong", "hint": "h", "details": {}}}', "wrong"),
        ("Traceback\nMemoryError", "the worker ended with code 1: MemoryError"),
        ("", "the worker ended with code 1"),
        ('{"error": 5}', "the worker ended with code 1"),
    ],
)
def test_why_a_worker_never_began(output, told, tmp_path):
    book = OrderBook(Home(tmp_path))
    book.add(order(), RunBody(), {})
    book.output("a-1").write_text(output)
    assert book.refusal("a-1", 1)["msg"].startswith(told)


STARTED = {"name": "x", "plan": {"stages": []}}


def write(home, count, run_id="r"):
    writer = JournalWriter(home.journal(run_id), run_id, create=not home.journal(run_id).exists())
    beginning = [] if count < 0 else [(EventType.RETRY, {"n": n}) for n in range(count)]
    writer.append_all(beginning)
    writer.close()


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(1, 700), min_size=1, max_size=5), st.integers(0, 2500))
def test_a_watcher_sees_every_event_once_wherever_it_begins(blocks, after):
    import tempfile
    from pathlib import Path

    async def seen():
        with tempfile.TemporaryDirectory() as folder:
            home = Home(Path(folder))
            followers = Followers(home)
            found, place = [], after
            for block in blocks:
                write(home, block)
                follower = await followers.of("r")
                while True:
                    behind = follower.is_behind(place)
                    data, place = follower.backlog(place) if behind else follower.batch(place)
                    if not data:
                        break
                    found += [int(part.split(b"\r\n")[0]) for part in data.split(b"id: ")[1:]]
            expected = fold(JournalReader(home.journal("r")))
            assert follower.state == expected
            return found

    total = sum(blocks)
    assert asyncio.run(seen()) == list(range(after + 1, total + 1))


def test_a_large_journal_is_read_beside_the_loop_and_only_once(tmp_path):
    home = Home(tmp_path)
    write(home, 20_000)

    async def read():
        followers = Followers(home)
        one, two = await asyncio.gather(followers.of("r"), followers.of("r"))
        assert one.last_seq == two.last_seq == 20_000
        version = (await followers.of("r")).version
        assert (await followers.of("r")).version == version
        assert len((await followers.of("r")).recent) == KEPT_EVENTS

    asyncio.run(read())


@pytest.mark.parametrize("count", [3, 50, 80], ids=["shorter", "as long", "longer"])
@pytest.mark.parametrize("reused", [True, False], ids=["in its place", "beside it"])
def test_a_journal_that_was_replaced_is_read_anew(reused, count, tmp_path):
    home = Home(tmp_path)
    write(home, 50)

    async def read():
        followers = Followers(home)
        follower = await followers.of("r")
        assert (follower.last_seq, follower.state.started_at) == (50, "")
        write(home, count, "other")
        other = home.journal("other")
        if reused:  # as a file system does that gives a number away again at once
            home.journal("r").write_bytes(other.read_bytes())
        else:
            other.replace(home.journal("r"))
        follower = await followers.of("r")
        assert (follower.last_seq, follower.state.retries) == (count, count)
        assert follower.state.run_id == "other"

    asyncio.run(read())


def test_a_file_that_grows_while_it_is_sent_is_sent_as_it_was(tmp_path):
    """A server cuts the connection when more comes than was announced."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"a" * 200_000)
    sent = []

    async def send(message):
        sent.append(message)
        with path.open("ab") as stream:
            stream.write(b"b" * 100)

    asyncio.run(FileAnswer(path, "text/plain", {"X": "y"})({"type": "http"}, None, send))
    start, *parts = sent
    assert b"".join(part["body"] for part in parts) == b"a" * 200_000
    assert dict(start["headers"])[b"content-length"] == b"200000"
    assert [part["more_body"] for part in parts].count(False) == 1


def test_places_of_watchers_are_not_kept_for_ever(tmp_path):
    home = Home(tmp_path)
    write(home, 900)

    async def watch():
        follower = await Followers(home).of("r")
        for after in range(2000):
            follower.batch(after)
        assert len(follower._encoded) <= 8
        assert follower.batch(5000) == (b"", 5000)

    asyncio.run(watch())


def test_an_event_that_cannot_be_taken_in_is_told_every_time(tmp_path):
    home = Home(tmp_path)
    write(home, 3)
    writer = JournalWriter(home.journal("r"), "r")
    writer.append_all([(EventType.JOB_DONE, {"no": "job_id"}), (EventType.RETRY, {})])
    writer.close()

    async def read():
        followers = Followers(home)
        for _ in range(3):
            with pytest.raises(RunUnreadable, match="what this version cannot read"):
                await followers.of("r")

    asyncio.run(read())


def test_watchers_of_a_run_that_is_removed_are_let_go(tmp_path):
    home = Home(tmp_path)
    write(home, 3)

    async def watch():
        service = Service(ServiceOptions(home=home))
        lock = RunLock(home.lock("r"))
        events = service.streams.response("r", 0).body_iterator
        assert b"id: 3" in await anext(events)
        home.journal("r").unlink()
        lock.release()
        assert b"event: end" in await asyncio.wait_for(anext(events), 30)
        await events.aclose()

    asyncio.run(watch())


def test_runs_that_nobody_carries_are_listed_without_reading_them_again(tmp_path, monkeypatch):
    """However many they are: more than are followed at a time."""
    home = Home(tmp_path)
    for number in range(KEPT_FOLLOWERS + 6):
        write(home, 2, f"r{number}")
    read = []
    lines = JournalReader.lines
    monkeypatch.setattr(JournalReader, "lines", lambda self: read.append(self.path) or lines(self))

    async def ask():
        listing = Service(ServiceOptions(home=home)).listing
        first = await listing.runs(500, 0)
        assert {row["status"] for row in first["runs"]} == {"interrupted"}
        assert len(read) == KEPT_FOLLOWERS + 6
        assert await listing.runs(500, 0) == first
        assert len(read) == KEPT_FOLLOWERS + 6

    asyncio.run(ask())


def test_a_status_is_made_again_only_when_something_changed(tmp_path, monkeypatch):
    made = []
    view = service_module.status_view
    monkeypatch.setattr(service_module, "status_view", lambda *seen: made.append(1) or view(*seen))

    async def ask():
        service = Service(ServiceOptions(home=Home(tmp_path)))
        service.book.add(order("r"), RunBody(), {})
        service.pool.orders.put(order("r"))
        for _ in range(3):
            await service.status("r")
        assert len(made) == 1
        await service.pool.update(
            order("r"), refused={"type": "x", "msg": "m", "hint": "", "details": {}}
        )
        assert json.loads(await service.status("r"))["error"]["type"] == "x"
        assert len(made) == 2

    asyncio.run(ask())


def test_keys_are_found_and_bounded():
    orders, kept = Orders(), order()
    for number in range(MOST_KEYS + 5):
        kept = kept.with_key(str(number), "hash")
    orders.put(kept)
    assert len(kept.keys) == MOST_KEYS
    assert orders.with_key(str(MOST_KEYS)) is kept
    orders.drop("a-1")
    orders.drop("a-1")
    assert orders.with_key(str(MOST_KEYS)) is None
    assert orders.of_request("r") == []
