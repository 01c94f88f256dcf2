"""PluginHost: load the chosen plugins into one pluggy manager, or say why not.

One host per engine, never a module global. Built-in behaviour is registered through the same path
as third-party plugins. Facts of pluggy it works around: a `register()` that fails validation leaves
the plugin half-registered, and a misspelt hook registers silently until `check_pending()`.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import pluggy
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from orchestra_core import __version__, hookspecs
from orchestra_core.errors import (
    DuplicateName,
    ExperimentError,
    OrchestraError,
    PluginLoadError,
    nearest,
)
from orchestra_core.layers import Layers, validation_errors
from orchestra_core.plugins.discovery import (
    CORE_DISTRIBUTION,
    PluginCandidate,
    installed_plugins,
)
from orchestra_core.plugins.selection import Selection, choose
from orchestra_core.plugins.sources import source_version
from orchestra_core.report import PluginRecord

BUILTIN_MODULES = (
    "orchestra_core.builtin.planner",
    "orchestra_core.builtin.threads",
    "orchestra_core.builtin.dataset_schemes",
    "orchestra_core.builtin.limits_guard",
    "orchestra_core.builtin.run_tools",
)
HOOK_NAMES = frozenset(name for name in vars(hookspecs) if name.startswith("orchestra_"))


@dataclass(frozen=True)
class PluginStatus:
    """One row of `orchestra plugins list`."""

    candidate: PluginCandidate
    status: Literal["loaded", "failed", "off"]
    hooks: tuple[str, ...] = ()
    error: OrchestraError | None = None
    builtin: bool = False

    @property
    def name(self) -> str:
        """The plugin's name."""
        return self.candidate.name


class PluginHost:
    """The plugins of one engine; `orchestra_core.plugins.calls` calls their hooks."""

    def __init__(self) -> None:
        self.manager = pluggy.PluginManager(hookspecs.PROJECT)
        self.manager.add_hookspecs(hookspecs)
        self.statuses: dict[str, PluginStatus] = {}
        self.settings_models: dict[str, type[Any]] = {}
        self.settings: dict[str, Any] = {}
        self.required: set[str] = set()
        """Plugins whose failure is fatal: asked for by name, or the run's runner."""

    def register(self, plugin: object, candidate: PluginCandidate, *, builtin: bool = False) -> None:
        """Check and register a plugin object. Raises PluginLoadError, then nothing of it stays."""
        name = candidate.name
        if name in self.settings_models or self.manager.has_plugin(name):
            other = self.statuses[name].candidate.provider
            raise DuplicateName(
                f"two plugins are called '{name}': {other} and {candidate.provider}",
                hint="Rename or switch off one of them.",
            )
        try:
            _check_names(self.manager, plugin)
            self.manager.register(plugin, name)
            self.manager.check_pending()
            if not _hooks_of(self.manager, plugin):
                raise PluginLoadError(
                    "it has no hooks", hint="Mark functions named after a hook with @hookimpl."
                )
            _refuse_wrappers(self.manager, plugin)
            model = _settings_model(self.manager, plugin)
            if model is not None:
                self.settings_models[name] = model
                self.settings[name] = model()
        except (Exception, SystemExit) as error:  # orchestra_settings may exit, as a module may
            self._roll_back(plugin, name)
            raise _load_error(candidate, error) from error
        self.statuses[name] = PluginStatus(
            candidate, "loaded", tuple(sorted(_hooks_of(self.manager, plugin))), builtin=builtin
        )

    def apply_settings(
        self, sections: Mapping[str, Mapping[str, Any]], layers: Layers | None = None
    ) -> None:
        """Validate the experiment's `plugins:` sections; `layers` say where a key was set.

        A section of a plugin that is switched off is left alone. Raises ExperimentError.
        """
        for name, section in sections.items():
            if name in self.statuses and self.statuses[name].status == "off":
                continue
            self.settings[name] = self._validated(name, section, layers or Layers())

    def load(self, candidate: PluginCandidate, *, builtin: bool = False) -> None:
        """Import a candidate and register it. Raises PluginLoadError or DuplicateName."""
        try:
            _check_core_version(candidate)
            plugin = _import(candidate.module)
            if not candidate.distribution:
                version = source_version(candidate.module.partition(":")[0])
                candidate = replace(candidate, version=version)
        except (Exception, SystemExit) as error:  # a module that exits must not take the CLI along
            raise _load_error(candidate, error) from error
        self.register(plugin, candidate, builtin=builtin)

    def unload(self, name: str, error: OrchestraError) -> None:
        """Take a plugin out again, with its settings, because a hook of it failed."""
        self.manager.unregister(name=name)
        self.settings_models.pop(name, None)
        self.settings.pop(name, None)
        candidate = self.statuses[name].candidate
        self.statuses[name] = PluginStatus(candidate, "failed", error=error)

    def is_required(self, name: str) -> bool:
        """Whether the plugin's failure is fatal."""
        return name in self.required

    def records(self) -> tuple[PluginRecord, ...]:
        """The loaded plugins, built-in ones last, as recorded in a run."""
        loaded = [s for s in self.statuses.values() if s.status == "loaded"]
        return tuple(
            PluginRecord(
                name=s.name,
                version=s.candidate.version,
                distribution=s.candidate.distribution or s.candidate.module,
                hooks=s.hooks,
            )
            for s in sorted(loaded, key=lambda s: (s.builtin, s.name))
        )

    def providers(self, hook: str) -> list[str]:
        """Names of loaded plugins that implement a hook, sorted."""
        return sorted(
            s.name for s in self.statuses.values() if s.status == "loaded" and hook in s.hooks
        )

    def _validated(self, name: str, section: Mapping[str, Any], layers: Layers) -> Any:
        model = self.settings_models.get(name)
        if model is None:
            raise ExperimentError(
                f"no loaded plugin called '{name}' has settings",
                where=layers.place(("plugins", name)),
                hint=nearest(name, self.settings_models),
            )
        with validation_errors(("plugins", name), section, model, layers):
            return model.model_validate(section)

    def _roll_back(self, plugin: object, name: str) -> None:
        self.settings_models.pop(name, None)
        self.settings.pop(name, None)
        if self.manager.has_plugin(name):
            self.manager.unregister(plugin, name)


def open_host(
    selection: Selection | None = None,
    *,
    extra: Iterable[tuple[str, object]] = (),
    discover: bool = True,
    strict: bool = False,
) -> PluginHost:
    """A host with the built-in plugins, the selected installed ones, and `extra` (name, object)s.

    A plugin that was asked for by name and fails is fatal; one that was only installed becomes a
    `failed` status, or is fatal too when `strict`. Raises PluginError.
    """
    selection = selection or Selection()
    host = PluginHost()
    for module in BUILTIN_MODULES:
        name = f"core.{module.rpartition('.')[2]}"
        host.load(PluginCandidate(name, module, CORE_DISTRIBUTION, __version__), builtin=True)
    installed = installed_plugins() if discover else {}
    chosen = choose(selection, installed)
    host.required = {c.name for c in chosen if strict or c.name in selection.wanted}
    for candidate in chosen:
        _load_or_note(host, candidate)
    for name in selection.blocked:
        host.statuses[name] = PluginStatus(installed[name], "off")
    for name, plugin in extra:
        host.register(plugin, PluginCandidate(name, type(plugin).__name__))
    return host


def _load_or_note(host: PluginHost, candidate: PluginCandidate) -> None:
    try:
        host.load(candidate)
    except DuplicateName:
        raise
    except PluginLoadError as error:
        if host.is_required(candidate.name):
            raise
        host.statuses[candidate.name] = PluginStatus(candidate, "failed", error=error)


def _import(target: str) -> object:
    module_name, _, attribute = target.partition(":")
    plugin: object = importlib.import_module(module_name)
    for part in filter(None, attribute.split(".")):
        plugin = getattr(plugin, part)
    if inspect.isclass(plugin):
        plugin = plugin()
    return plugin


def _check_core_version(candidate: PluginCandidate) -> None:
    for text in candidate.requires:
        requirement = Requirement(text)
        applies = requirement.marker is None or requirement.marker.evaluate()
        if canonicalize_name(requirement.name) != CORE_DISTRIBUTION or not applies:
            continue
        if not requirement.specifier.contains(__version__, prereleases=True):
            raise PluginLoadError(
                f"it needs orchestra-core {requirement.specifier}, but {__version__} is installed",
                hint=f"Bring both up to date: pip install -U {candidate.distribution} orchestra-core",
            )


def _check_names(manager: pluggy.PluginManager, plugin: object) -> None:
    for name in dir(plugin):
        found = getattr(plugin, name) if name.startswith("orchestra_") else None
        if not callable(found) or inspect.isclass(found):
            continue
        if name not in HOOK_NAMES:
            raise PluginLoadError(f"there is no hook called '{name}'", hint=nearest(name, HOOK_NAMES))
        if manager.parse_hookimpl_opts(plugin, name) is None:
            raise PluginLoadError(
                f"'{name}' is not marked with @hookimpl, so it would never be called",
                hint="Write @hookimpl (from orchestra_core) above the function.",
            )


def _hooks_of(manager: pluggy.PluginManager, plugin: object) -> Sequence[str]:
    callers = manager.get_hookcallers(plugin) or []
    return [caller.name for caller in callers]


def _refuse_wrappers(manager: pluggy.PluginManager, plugin: object) -> None:
    for caller in manager.get_hookcallers(plugin) or []:
        for implementation in caller.get_hookimpls():
            wraps = implementation.wrapper or implementation.hookwrapper
            if implementation.plugin is plugin and wraps:
                raise PluginLoadError(
                    f"'{caller.name}' is marked as a wrapper, which Orchestra does not call",
                    hint="Use a plain @hookimpl; every implementation is called on its own.",
                )


def _settings_model(manager: pluggy.PluginManager, plugin: object) -> type[Any] | None:
    given = manager.hook.orchestra_settings.get_hookimpls()
    model = next((impl.function() for impl in given if impl.plugin is plugin), None)
    if model is None:
        return None
    if not (inspect.isclass(model) and hasattr(model, "model_config")):
        raise PluginLoadError("orchestra_settings() must return a pydantic model class")
    if model.model_config.get("extra") != "forbid":
        raise PluginLoadError(
            f"the settings model {model.__name__} accepts unknown keys",
            hint="Inherit from orchestra_core.StrictModel.",
        )
    checked: type[Any] = model
    return checked


def _load_error(candidate: PluginCandidate, error: BaseException) -> PluginLoadError:
    cause = error.message if isinstance(error, OrchestraError) else f"{type(error).__name__}: {error}"
    hint = error.hint if isinstance(error, OrchestraError) else ""
    fallback = f"Repair or reinstall it, or switch it off with --plugins no:{candidate.name}"
    if isinstance(error, ModuleNotFoundError) and not candidate.distribution:
        fallback = "Python must be able to import it; for a module in this folder set PYTHONPATH=."
    return PluginLoadError(
        f"plugin '{candidate.name}' ({candidate.provider}) could not be loaded: {cause}",
        hint=hint or fallback,
        details={"plugin": candidate.name, "version": candidate.version, "module": candidate.module},
    )
