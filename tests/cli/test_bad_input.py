"""Whatever is wrong: a message with cause and place, a next step, the right exit code, no traceback."""

import inspect
import re

import pytest

from orchestra_core import hookspecs

UNKNOWN_KEYS = [
    ("nmae: x\n", "orchestra.yaml, line 1 (nmae): unknown key 'nmae'", "Did you mean 'name'?"),
    (
        "name: x\nstages:\n  grid:\n    sampel: 3\n",
        "orchestra.yaml, line 4 (stages.grid.sampel): unknown key 'sampel'",
        "Did you mean 'sample'?",
    ),
    (
        "runner: {base_ulr: 'http://x'}\n",
        "orchestra.yaml, line 1 (runner.base_ulr)",
        "Did you mean 'base_url'?",
    ),
    (
        "plugins:\n  reporters:\n    top_n: 3\n",
        "orchestra.yaml, line 3 (plugins.reporters.top_n): unknown key 'top_n'",
        "top_n_failures",
    ),
    (
        "plugins:\n  reporter: {}\n",
        "orchestra.yaml, line 2 (plugins.reporter)",
        "Did you mean 'reporters'?",
    ),
    ("space: {qualty: [0.1]}\n", "no parameter 'qualty'", "Did you mean 'quality'?"),
    ("baseline: {top_kk: 1}\n", "no parameter 'top_kk'", "Did you mean 'top_k'?"),
]
WRONG_TYPES = [
    (
        "seed: tomorrow\n",
        "orchestra.yaml, line 1 (seed): expected a valid integer, found 'tomorrow'",
        "schema",
    ),
    ("concurrency: true\n", "line 1 (concurrency)", "schema"),
    ("concurrency: 0\n", "line 1 (concurrency)", "schema"),
    ("name: 5\n", "line 1 (name): expected a valid string, found 5", "schema"),
    ("name: ../evil\n", "line 1 (name): expected a name of letters", "schema"),
    ("limits: {wall: soon}\n", "expected seconds, or a duration such as 30m", "schema"),
    ("stages: {ab: {margin: {p95_ms: lots}}}\n", "expected a share such as 20%", "schema"),
    ("space: {quality: 0.3}\n", "line 1 (space.quality)", "schema"),
    ("space: {quality: [high]}\n", "'high' is no value for 'quality'", "Expected a number from 0 to 1"),
    ("space: {quality: [2.0]}\n", "2.0 is no value for 'quality'", "Expected a number from 0 to 1"),
    ("space: {quality: [0.3, 0.3]}\n", "the value 0.3 stands twice", "schema"),
    ("paths: {reports_dir: ../outside}\n", "expected a folder inside the home folder", "schema"),
    ("- a\n- b\n", "orchestra.yaml: expected keys and values, found a list", ""),
    ("name: [x\n", "orchestra.yaml, line 2, column 1: not valid YAML", "Check the indentation"),
    ("seed: 1\nseed: 2\n", "orchestra.yaml, line 2: the key 'seed' stands twice", "Keep one"),
]
TOO_MUCH = [
    ("space: {quality: []}\n", "line 1 (space.quality): expected at least 1 entries", "schema"),
    ("space: {}\n", "line 1 (space): expected at least 1 entries", "schema"),
    (
        "limits: {configurations: 2}\n",
        "the space has 3 configurations, more than limits.configurations = 2",
        "Give fewer values, or raise limits.configurations.",
    ),
    (
        "stages: {grid: {sample: 5000}}\n",
        "120 labelled queries cannot give 5000 for tuning",
        "Lower stages.grid.sample",
    ),
    ("stages: {ab: {sample: 119}}\n", "the samples do not fit", "stages.ab.sample"),
    ("dataset: fiqa-mimi\n", "there is no dataset 'fiqa-mimi'", "Did you mean 'fiqa-mini'?"),
    ("objective: {maximize: recal@10}\n", "'recal@10' is no quality metric", "recall@10"),
    ("objective: {subject_to: {p95_ms: 0}}\n", "greater than 0", "config schema"),
    ("objective: {maximize: judged@10}\n", "'judged@10' is no quality metric", "was judged"),
    ("objective: {maximize: AP(rel=2)}\n", "no judgement reaches grade 2", "judgements is 1"),
    ("runner: {backend: http}\n", "has no backend 'http'", "It has: default."),
]


def refused(result, code: int) -> str:
    """The message of a command that was refused, after checking what all refusals share."""
    assert result.code == code, result.text
    assert "Traceback" not in result.text
    assert result.out == ""
    assert re.search(r"^Error: .+", result.err, re.MULTILINE)
    return result.err


@pytest.mark.parametrize(("text", "message", "hint"), [*UNKNOWN_KEYS, *WRONG_TYPES, *TOO_MUCH])
def test_a_wrong_experiment_file(text, message, hint, orchestra, folder):
    (folder / "orchestra.yaml").write_text(text, encoding="utf-8")
    told = refused(orchestra("run", "--plugins", "stub_target"), 2)
    assert message in told.split("Hint:")[0]
    assert hint in told.partition("Hint:")[2]
    assert [path.name for path in folder.iterdir()] == ["orchestra.yaml"]


def test_every_wrong_key_is_told_at_once(orchestra, folder):
    (folder / "orchestra.yaml").write_text("nmae: x\nseeed: 1\n", encoding="utf-8")
    told = refused(orchestra("plan", "--plugins", "stub_target"), 2)
    assert told.startswith(
        "Error: orchestra.yaml, line 1 (nmae): unknown key 'nmae'. Did you mean 'name'?\nand 1 more:\n"
    )
    assert "orchestra config schema" in told.partition("Hint:")[2]
    assert "line 2 (seeed): unknown key 'seeed'. Did you mean 'seed'?" in told


WORDS = [
    (
        ("plan", "--set", "objective.minimize=p95"),
        2,
        "expected one of p50_ms, p95_ms, p99_ms, cost_per_query (did you mean p95_ms?)",
        "",
    ),
    (
        ("plan", "--set", "objective.subject_to={cost: 1}"),
        2,
        "(did you mean cost_per_query?)",
        "",
    ),
    (
        ("plan", "--plugins", "stub_target", "--set", "objective.maximize=recal@10"),
        2,
        "'recal@10' is no quality metric",
        "Did you mean 'recall@10'?",
    ),
    (
        ("plan", "--set", "objective.select=knee"),
        2,
        "--set objective.select (objective.select): expected a second objective",
        "",
    ),
    (
        (
            *("plan", "--plugins", "stub_target", "--set", "objective.minimize=p95_ms"),
            *("--set", "stages.grid.probe=1"),
        ),
        2,
        "--set stages.grid.probe (stages.grid.probe): objective.minimize needs at least 2",
        "Give 10 or more",
    ),
    (("plan", "-f", "nowhere.yaml"), 2, "nowhere.yaml: there is no such file", "orchestra init"),
    (("plan", "--set", "seed"), 2, "--set: expected key=value, found 'seed'", "--set stages.grid"),
    (("plan", "--set", "sed=1"), 2, "--set sed (sed): unknown key 'sed'", "Did you mean 'seed'?"),
    (
        ("plan", "--set", "seed.x=1"),
        2,
        "--set seed.x (seed): expected a valid integer, found {'x': 1}",
        "schema",
    ),
    (("status", "../../etc/passwd"), 2, "'../../etc/passwd' is not a valid run id", "no '/', no '..'"),
    (("status", "a/b"), 2, "'a/b' is not a valid run id", "no '/', no '..'"),
    (("events", "a..b"), 2, "'a..b' is not a valid run id", "no '/', no '..'"),
    (("report", ".."), 2, "'..' is not a valid run id", "no '/', no '..'"),
    (("status", "nowhere"), 2, "there is no run 'nowhere'", "start one with `orchestra run`"),
    (("events", "latest"), 2, "there is no run 'latest'", "start one with `orchestra run`"),
    (("report", "latest"), 2, "there is no run 'latest'", "start one with `orchestra run`"),
    (("run", "--plugins", "reporter"), 2, "plugin 'reporter' is not installed", "'reporters'"),
    (("run", "--plugins", "no:nothing"), 2, "plugin 'nothing' is not installed", "Known: fiqa"),
    (("run", "--plugins", "a;b"), 2, "'a;b' is not a plugin name or module", "no:reporters"),
    (("run", "--plugins", "fiqa,no:fiqa"), 2, "'fiqa' is both asked for and switched off", ""),
    (("run", "--plugins", "my.own"), 2, "'my.own' (my.own) could not be loaded", "PYTHONPATH=."),
    (("run", "--plugins", "fiqa,stub_target"), 2, "two runners are asked for", "name one"),
    (("plan", "--set", "runner.plugin=fiqaa"), 2, "there is no runner plugin 'fiqaa'", "'fiqa'"),
    (("plan", "--plugins", "no:fiqa"), 2, "no runner plugin is", "pip install"),
    (("data", "info", "fiqa"), 2, "there is no dataset 'fiqa'", "'fiqa-mini'"),
    (("data", "pull", "beir"), 2, "there is no dataset 'beir'", "orchestra data list"),
    (("plugins", "show", "repoters"), 2, "there is no plugin 'repoters'", "'reporters'"),
]


@pytest.mark.parametrize(
    ("words", "code", "message", "hint"), WORDS, ids=[" ".join(w[0]) for w in WORDS]
)
def test_a_wrong_command_line(words, code, message, hint, orchestra, folder):
    told = refused(orchestra(*words), code)
    assert message in told.split("Hint:")[0]
    assert hint in told.partition("Hint:")[2]
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "code", "message", "hint"), WORDS, ids=[" ".join(w[0]) for w in WORDS]
)
def test_json_errors_are_json(words, code, message, hint, orchestra):
    if words[:2] == ("data", "pull"):
        pytest.skip("prints no JSON")
    result = orchestra(*words, "--json")
    assert result.code == code
    error = result.json["error"]
    assert set(error) == {"type", "msg", "hint", "details"}
    assert message in error["msg"]
    assert hint in error["hint"]
    assert result.err == ""


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("ORCHESTRA_SEED", "soon", "ORCHESTRA_SEED (seed): expected a valid integer"),
        ("ORCHESTRA_SEDE", "1", "ORCHESTRA_SEDE (sede): unknown key 'sede'"),
        ("ORCHESTRA_LIMITS__WALL", "[", "ORCHESTRA_LIMITS__WALL, line 1"),
    ],
)
def test_a_wrong_variable(name, value, message, orchestra, monkeypatch):
    monkeypatch.setenv(name, value)
    assert message in refused(orchestra("plan", "--plugins", "stub_target"), 2)


def raising(hook: str) -> str:
    """The source of a plugin whose `hook` raises."""
    named = ", ".join(inspect.signature(getattr(hookspecs, hook)).parameters)
    start = f"from orchestra_core import hookimpl\n@hookimpl\ndef {hook}({named}):\n"
    return f"{start}    raise OSError('boom')\n"


FATAL = [
    ("raise OSError('boom')\n", "could not be loaded: OSError: boom", 2),
    ("import nowhere_at_all\n", "No module named 'nowhere_at_all'", 2),
    ("def broken(:\n", "SyntaxError", 2),
    ("raise SystemExit(0)\n", "could not be loaded: SystemExit", 2),
    (raising("orchestra_settings"), "OSError: boom", 2),
    (raising("orchestra_datasets"), "failed in orchestra_datasets: OSError", 2),
    (raising("orchestra_plan"), "failed in orchestra_plan: OSError", 2),
    (raising("orchestra_executor"), "failed in orchestra_executor", 2),
    (raising("orchestra_guard"), "failed in orchestra_guard", 1),
]


@pytest.mark.parametrize(("source", "message", "code"), FATAL)
def test_a_plugin_that_raises_names_itself(source, message, code, orchestra, write_plugin):
    write_plugin("boom", source, name="boom", distribution="orchestra-boom")
    result = orchestra("run", "-q", "--plugins", "stub_target,boom", "--plugins", "no:reporters")
    assert result.code == code, result.text
    assert "Traceback" not in result.text
    assert "'boom' (orchestra-boom 1.5)" in result.err
    assert message in result.err
    assert "--plugins no:boom" in result.err


OBSERVED = ["orchestra_reflect", "orchestra_report", "orchestra_event", "orchestra_run_finished"]


@pytest.mark.parametrize("hook", OBSERVED)
@pytest.mark.parametrize("style", [(), ("--quiet",), ("--json",)])
def test_a_plugin_that_may_fail_is_told_of_and_the_run_goes_on(hook, style, orchestra, write_plugin):
    write_plugin("boom", raising(hook))
    words = ("run", "--plugins", "stub_target,boom", "--plugins", "no:reporters", *style)
    result = orchestra(*words)
    assert result.code == 0, result.text
    assert f"plugin 'boom' (boom) failed in {hook}: OSError: boom" in result.err
    assert "Traceback" not in result.text


def test_an_installed_plugin_that_fails_is_a_warning(orchestra, write_plugin):
    write_plugin("boom", "raise OSError('boom')\n", name="boom")
    words = ("run", "--plugins", "stub_target", "--plugins", "no:reporters", "--quiet")
    result = orchestra(*words)
    assert result.code == 0
    assert "problem: plugin 'boom' (boom 1.5) could not be loaded: OSError: boom" in result.err
    strict = orchestra(*words, "--strict-plugins")
    assert strict.code == 2
    assert "Error: plugin 'boom' (boom 1.5) could not be loaded" in strict.err


@pytest.mark.parametrize(
    "words", [("plan",), ("plugins", "list"), ("data", "list"), ("run",), ("hello",)]
)
def test_two_plugins_of_one_name_are_fatal_and_both_named(words, orchestra, write_plugin, folder):
    write_plugin("other", "", name="fiqa", distribution="other-fiqa")
    told = refused(orchestra(*words), 2)
    assert "two installed plugins are called 'fiqa'" in told
    assert "other-fiqa 1.5" in told
    assert "orchestra-fiqa-runner" in told.split("Hint:")[0]
    assert "pip uninstall" in told
    assert list(folder.iterdir()) == []


def test_two_installed_runners_must_be_told_apart(orchestra, write_plugin):
    source = "from stub_target import orchestra_describe_runner, orchestra_runner\n"
    write_plugin("second_runner", source, name="second")
    told = refused(orchestra("plan"), 2)
    assert "several runners are installed: fiqa, second" in told
    assert "--plugins fiqa" in told
    assert orchestra("plan", "--plugins", "fiqa").code == 0
    assert orchestra("plan", "--set", "runner.plugin=fiqa").code == 0


def test_a_misspelt_hook_names_the_right_one(orchestra, write_plugin):
    source = "def orchestra_reprot(request):\n    pass\n"
    write_plugin("misspelt", source)
    told = refused(orchestra("plan", "--plugins", "stub_target,misspelt"), 2)
    assert "there is no hook called 'orchestra_reprot'" in told
    assert "Did you mean 'orchestra_report'?" in told


def test_a_file_in_place_of_the_home_folder(orchestra, folder):
    (folder / "file").write_text("", encoding="utf-8")
    told = refused(orchestra("run", "--plugins", "stub_target", "--home", "file/inside"), 3)
    assert f"{folder / 'file' / 'inside'}" in told
    assert "cannot write: File exists" in told
    assert "stands where a folder is needed" in told.partition("Hint:")[2]
    assert [path.name for path in folder.iterdir()] == ["file"]
