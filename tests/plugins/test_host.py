"""Loading plugins: real discovery over fake distributions, filtering before importing, refusals."""

import sys
from importlib.metadata import distributions
from pathlib import Path
from types import ModuleType

import pytest

from orchestra_core import StrictModel, __version__, hookimpl
from orchestra_core.errors import (
    DuplicateName,
    ExperimentError,
    PluginLoadError,
    PluginNotFound,
    RunnerSelectionError,
    UsageError,
)
from orchestra_core.plugins.calls import HookCalls
from orchestra_core.plugins.discovery import PluginCandidate, installed_plugins
from orchestra_core.plugins.manager import BUILTIN_MODULES, HOOK_NAMES, open_host
from orchestra_core.plugins.selection import Selection, parse_selection
from orchestra_core.session import Request, open_session
from orchestra_core.testing import StubDatasets, StubRunner

DATA = Path(__file__).parents[1] / "plugins_data"
INSTALLED = {"fiqa", "reflection_rules", "reporters"}


@pytest.fixture
def install(monkeypatch):
    """Put fake distributions on sys.path; forget their modules afterwards."""
    before = set(sys.modules)

    def add(*names):
        for name in names:
            monkeypatch.syspath_prepend(DATA / name)

    yield add
    for name in set(sys.modules) - before:
        if name.startswith("fake_"):
            del sys.modules[name]


def host_with(*words, strict=False):
    """Every installed plugin but the workspace's own, as `--plugins` says."""
    here = installed_plugins().keys() & INSTALLED
    words = [*words, *(f"no:{name}" for name in sorted(here))]
    return open_host(parse_selection(words), strict=strict)


def status(host, name):
    return host.statuses[name].status


# -- discovery --------------------------------------------------------------------------------------


def test_installed_plugins_are_found_in_metadata(install):
    install("good", "broken")
    found = installed_plugins()
    assert found["fake_good"] == PluginCandidate(
        "fake_good", "fake_good_plugin", "fake-good", "1.2.3", ("orchestra-core>=0.1",)
    )
    assert "fake_broken" in found
    assert "fake_good_plugin" not in sys.modules


def test_an_installed_plugin_is_on_without_a_word(install):
    install("good")
    host = host_with()
    assert status(host, "fake_good") == "loaded"
    (record,) = [r for r in host.records() if r.name == "fake_good"]
    assert (record.distribution, record.version) == ("fake-good", "1.2.3")
    assert record.hooks == ("orchestra_run_finished", "orchestra_settings")


def test_a_plugin_can_be_a_nested_class(install):
    install("class")
    assert host_with().providers("orchestra_run_finished") == ["fake_class"]


def test_a_switched_off_plugin_is_never_imported(install):
    install("broken", "exiting", "good")
    host = host_with("no:fake_broken", "no:fake_exiting", "no:fake_good", strict=True)
    assert [status(host, n) for n in ("fake_broken", "fake_good")] == ["off", "off"]
    assert not [name for name in sys.modules if name.startswith("fake_")]


def test_two_distributions_with_one_name_are_fatal_and_both_named(install):
    install("good", "twin")
    with pytest.raises(DuplicateName, match="fake_good") as caught:
        installed_plugins()
    assert "fake-good 1.2.3" in caught.value.message
    assert "fake-twin 2.0" in caught.value.message


def test_one_distribution_seen_twice_is_no_duplicate(install, tmp_path):
    """An editable install beside a copy, whose names are spelt differently."""
    info = tmp_path / "fake_good-1.2.3.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: Fake_Good\nVersion: 1.2.3\n")
    (info / "entry_points.txt").write_text("[orchestra]\nfake_good = fake_good_plugin\n")
    install("good", tmp_path)
    assert installed_plugins()["fake_good"].version == "1.2.3"


def test_a_half_removed_distribution_is_a_failed_plugin(install, tmp_path):
    """pip was interrupted: entry points are left, metadata and modules are gone."""
    info = tmp_path / "gone-1.0.dist-info"
    info.mkdir()
    (info / "entry_points.txt").write_text("[orchestra]\nfake_gone = fake_gone_plugin\n")
    install("good", tmp_path)
    host = host_with()
    assert status(host, "fake_gone") == "failed"
    assert "fake_gone_plugin" in host.statuses["fake_gone"].error.message
    assert status(host, "fake_good") == "loaded"


# -- failing to load --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("fake_broken", "a_missing_library"),
        ("fake_exiting", "SystemExit: 7"),
        ("fake_misspelt", "no hook called 'orchestra_reflekt'"),
        ("fake_future", f"needs orchestra-core >=99, but {__version__} is installed"),
    ],
)
class TestFailing:
    @pytest.fixture(autouse=True)
    def installed(self, install, name):
        install(name.removeprefix("fake_"), "good")

    def test_merely_installed_it_is_a_failed_status(self, name, cause):
        host = host_with()
        assert status(host, name) == "failed"
        assert cause in host.statuses[name].error.message
        assert status(host, "fake_good") == "loaded"
        assert not host.manager.has_plugin(name)

    def test_asked_for_by_name_it_is_fatal(self, name, cause):
        with pytest.raises(PluginLoadError) as caught:
            host_with(name)
        message = caught.value.message
        assert f"'{name}'" in message
        assert f"{name.replace('_', '-')} " in message  # the distribution, with its version
        assert cause in message
        assert caught.value.hint

    def test_with_strict_plugins_it_is_fatal(self, name, cause):
        with pytest.raises(PluginLoadError, match=name):
            host_with(strict=True)


def test_a_misspelt_hook_is_answered_with_the_nearest_name(install):
    install("misspelt")
    error = host_with().statuses["fake_misspelt"].error
    assert error.hint == "Did you mean 'orchestra_reflect'?"


def test_a_failed_plugin_leaves_nothing_behind(install):
    """Its sound hooks were registered before the misspelt one was seen."""
    install("misspelt")
    host = host_with()
    names = [impl.plugin_name for impl in host.manager.hook.orchestra_datasets.get_hookimpls()]
    assert "fake_misspelt" not in names
    assert "core.dataset_schemes" in names
    host.manager.check_pending()


class WrongSignature:
    @hookimpl
    def orchestra_run_finished(self, run, colour):
        """There is no such argument."""


class Wrapping:
    @hookimpl(wrapper=True)
    def orchestra_run_finished(self, run):
        return (yield)


class OldWrapping:
    @hookimpl(hookwrapper=True)
    def orchestra_run_finished(self, run):
        yield


class UnmarkedMisspelt:
    def orchestra_repport(self, request):
        """Not even marked, so pluggy would never say a word."""


class Unmarked:
    def orchestra_report(self, request):
        """Right in every way, but pluggy does not see it."""


class UnmarkedSettings:
    def orchestra_settings(self):
        return Settings


class Exiting:
    @hookimpl
    def orchestra_run_finished(self, run):
        """Is registered before the settings are asked for."""

    @hookimpl
    def orchestra_settings(self):
        sys.exit(4)


@pytest.mark.parametrize(
    ("plugin", "cause"),
    [
        (Unmarked(), "'orchestra_report' is not marked with @hookimpl"),
        (UnmarkedSettings(), "'orchestra_settings' is not marked with @hookimpl"),
        (Exiting(), "SystemExit: 4"),
        (WrongSignature(), "colour"),
        (Wrapping(), "wrapper"),
        (OldWrapping(), "wrapper"),
        (UnmarkedMisspelt(), "orchestra_repport"),
    ],
)
def test_wrong_plugins_are_refused_whole(plugin_host, plugin, cause):
    before = {name: len(impls(plugin_host, name)) for name in HOOK_NAMES}
    with pytest.raises(PluginLoadError, match=cause):
        plugin_host.register(plugin, PluginCandidate("wrong", "wrong"))
    assert {name: len(impls(plugin_host, name)) for name in HOOK_NAMES} == before
    plugin_host.register(StubDatasets(), PluginCandidate("wrong", "right"))  # the name is free again


def impls(host, hook):
    return getattr(host.manager.hook, hook).get_hookimpls()


def test_two_plugins_of_one_name_are_fatal_and_both_named(plugin_host):
    plugin_host.register(StubDatasets(), PluginCandidate("same", "one.plugin", "dist-one", "1.0"))
    with pytest.raises(DuplicateName, match=r"dist-one 1\.0 and dist-two 2\.0"):
        plugin_host.register(StubRunner(), PluginCandidate("same", "two", "dist-two", "2.0"))


def test_the_core_registers_its_own_behaviour_as_plugins(plugin_host):
    assert len(plugin_host.statuses) == len(BUILTIN_MODULES)
    assert all(s.builtin and s.name.startswith("core.") for s in plugin_host.statuses.values())
    for hook in ("orchestra_plan", "orchestra_executor", "orchestra_guard", "orchestra_datasets"):
        assert plugin_host.providers(hook)


def test_hosts_share_nothing(plugin_host):
    plugin_host.register(StubDatasets(), PluginCandidate("mine", "mine"))
    assert "mine" not in open_host(discover=False).statuses


def test_an_unloaded_plugin_is_not_called_again(plugin_host):
    plugin_host.register(StubDatasets(), PluginCandidate("mine", "mine"))
    calls = HookCalls(plugin_host)
    assert "stub" in calls.datasets()
    plugin_host.unload("mine", PluginLoadError("for this test"))
    assert "stub" not in calls.datasets()
    assert "mine" not in [record.name for record in plugin_host.records()]


def test_an_unloaded_plugins_settings_go_with_it(plugin_host):
    plugin_host.register(WithSettings(), PluginCandidate("dial", "dial"))
    plugin_host.unload("dial", PluginLoadError("for this test"))
    assert "dial" not in plugin_host.settings
    with pytest.raises(ExperimentError, match="no loaded plugin called 'dial'"):
        plugin_host.apply_settings({"dial": {}})


@pytest.mark.parametrize(
    ("requirement", "status"),
    [
        ("orchestra-core>=99", "failed"),
        ('orchestra-core>=99; python_version >= "3"', "failed"),
        ('orchestra-core>=99; python_version < "3"', "loaded"),
        ('orchestra-core>=99; extra == "test"', "loaded"),
    ],
)
def test_only_requirements_that_apply_here_are_checked(monkeypatch, install, requirement, status):
    install("good")
    found = PluginCandidate("fake_good", "fake_good_plugin", "fake-good", "1.2.3", (requirement,))
    monkeypatch.setattr(
        "orchestra_core.plugins.manager.installed_plugins", lambda: {"fake_good": found}
    )
    assert open_host().statuses["fake_good"].status == status


# -- selection --------------------------------------------------------------------------------------


def test_a_module_can_be_named(install):
    install("good")
    host = open_host(Selection(("fake_good_plugin",)), discover=False)
    assert status(host, "fake_good_plugin") == "loaded"


def test_a_named_module_with_an_attribute(install):
    install("class")
    host = open_host(Selection(("fake_class_plugin:Inner.Plugin",)), discover=False)
    assert status(host, "fake_class_plugin:Inner.Plugin") == "loaded"


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("fiqua", "Did you mean 'fiqa'?"),
        ("no:fiqua", "Did you mean 'fiqa'?"),
        ("xyz", "Known: fake_good"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(monkeypatch, install, word, hint):
    install("good")
    monkeypatch.setitem(sys.modules, "xyz", ModuleType("xyz"))  # like __main__, it has no spec
    monkeypatch.setattr(
        "orchestra_core.plugins.manager.installed_plugins",
        lambda: {n: PluginCandidate(n, n) for n in ("fake_good", "fiqa")},
    )
    with pytest.raises(PluginNotFound) as caught:
        open_host(parse_selection([word]))
    assert caught.value.hint.startswith(hint)


def test_a_known_distribution_is_named_for_installing():
    with pytest.raises(PluginNotFound) as caught:
        open_host(parse_selection(["reporters"]), discover=False)
    assert caught.value.hint == "Install it: pip install orchestra-reporters"


@pytest.mark.parametrize("words", ["fiqa;drop", "a b", "../x", "no:"])
def test_words_that_cannot_be_plugins(words):
    with pytest.raises(UsageError, match="not a plugin name"):
        parse_selection([words])


def test_selection_words():
    found = parse_selection(["a, b", "no:c,a", " "])
    assert found == Selection(("a", "b"), frozenset({"c"}))
    with pytest.raises(UsageError, match="both asked for and switched off"):
        parse_selection(["a,no:a"])


# -- settings ---------------------------------------------------------------------------------------


class Nested(StrictModel):
    rate: float = 0.3


class Settings(StrictModel):
    threshold: float = 0.5
    inner: Nested = Nested()


class WithSettings:
    @hookimpl
    def orchestra_settings(self):
        return Settings


def session_of(tmp_path, text, *extra, assignments=()):
    file = tmp_path / "orchestra.yaml"
    file.write_text(text)
    stubs = [("stub", StubRunner()), ("data", StubDatasets()), ("dial", WithSettings())]
    return open_session(
        Request(file=file, home=tmp_path, environ={}, assignments=assignments),
        extra_plugins=[*stubs, *extra],
        discover=False,
    )


def test_settings_are_validated_into_the_plugins_model(tmp_path):
    session = session_of(tmp_path, "plugins:\n  dial: {threshold: 0.7}\n")
    assert session.host.settings["dial"] == Settings(threshold=0.7)


@pytest.mark.parametrize(
    ("text", "where", "message", "hint"),
    [
        ("plugins:\n  dial:\n    treshold: 1\n", "line 3", "unknown key 'treshold'", "'threshold'"),
        ("plugins:\n  dial: {inner: {rat: 1}}\n", "line 2", "unknown key 'rat'", "'rate'"),
        ("plugins:\n  dial: {threshold: much}\n", "line 2", "expected a valid number", "schema"),
        ("plugins:\n\n  dail: {}\n", "line 3", "no loaded plugin called 'dail'", "'dial'"),
    ],
)
def test_wrong_settings_name_key_line_and_nearest(tmp_path, text, where, message, hint):
    with pytest.raises(ExperimentError) as caught:
        session_of(tmp_path, text)
    assert where in caught.value.where
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_wrong_settings_from_an_assignment_name_the_option(tmp_path):
    with pytest.raises(ExperimentError) as caught:
        session_of(tmp_path, "", assignments=("plugins.dial.threshold=[]",))
    assert "--set plugins.dial.threshold" in caught.value.where


def test_the_section_of_a_plugin_that_is_off_is_left_alone(install):
    install("good")
    host = host_with("no:fake_good")
    host.apply_settings({"fake_good": {"whatever": 1}})
    assert "fake_good" not in host.settings


def test_strict_plugins_reach_the_session(install, tmp_path):
    install("broken")
    request = Request(home=tmp_path, environ={}, plugins=("fiqa",), strict_plugins=True)
    with pytest.raises(PluginLoadError, match="fake_broken"):
        open_session(request)


# -- the runner -------------------------------------------------------------------------------------


def runners(tmp_path, names, *, plugins=(), text=""):
    file = tmp_path / "orchestra.yaml"
    file.write_text(text)
    return open_session(
        Request(file=file, home=tmp_path, environ={}, plugins=plugins),
        extra_plugins=[("data", StubDatasets()), *((name, StubRunner()) for name in names)],
        discover=False,
    )


def test_the_only_runner_needs_no_name(tmp_path):
    assert runners(tmp_path, ["one"]).runner_plugin == "one"


def test_two_runners_need_a_name(tmp_path):
    with pytest.raises(RunnerSelectionError, match="several runners are installed: one, two"):
        runners(tmp_path, ["one", "two"])
    session = runners(tmp_path, ["one", "two"], text="runner: {plugin: two}")
    assert session.runner_plugin == "two"


def test_no_runner_says_what_to_install(tmp_path):
    with pytest.raises(RunnerSelectionError) as caught:
        runners(tmp_path, [])
    assert "pip install" in caught.value.hint
    for others in ([], ["one"]):
        with pytest.raises(RunnerSelectionError) as caught:
            runners(tmp_path, others, text="runner: {plugin: fiqa}")
        assert caught.value.hint == "Install it: pip install orchestra-fiqa-runner"


def test_an_unknown_runner_is_answered_with_the_nearest(tmp_path):
    with pytest.raises(RunnerSelectionError) as caught:
        runners(tmp_path, ["first_runner"], text="runner: {plugin: frist_runner}")
    assert caught.value.hint == "Did you mean 'first_runner'?"


def test_the_workspace_is_installed():
    """The fake distributions stand beside real ones, so discovery is what users have."""
    names = {d.metadata["Name"] for d in distributions()}
    assert "orchestra-core" in names
