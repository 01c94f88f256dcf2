"""Which plugins are installed, read from package metadata; nothing is imported."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions

from packaging.utils import canonicalize_name

from orchestra_core.errors import DuplicateName

GROUP = "orchestra"
CORE_DISTRIBUTION = "orchestra-core"


@dataclass(frozen=True, slots=True)
class PluginCandidate:
    """A plugin that could be loaded."""

    name: str
    module: str
    """What to import, as an entry point says it: `package.module` or `package.module:attribute`."""
    distribution: str = ""
    version: str = ""
    requires: tuple[str, ...] = ()
    """Requirement strings of the distribution."""

    @property
    def provider(self) -> str:
        """The distribution with its version, or the module, for messages."""
        return f"{self.distribution} {self.version}" if self.distribution else self.module


def installed_plugins() -> dict[str, PluginCandidate]:
    """Name → candidate for every entry point in the group `orchestra`.

    Raises DuplicateName when two distributions provide one name.
    """
    found: dict[str, PluginCandidate] = {}
    for candidate in _candidates(distributions()):
        known = found.setdefault(candidate.name, candidate)
        if canonicalize_name(known.distribution) != canonicalize_name(candidate.distribution):
            raise DuplicateName(
                f"two installed plugins are called '{candidate.name}': "
                f"{known.provider} and {candidate.provider}",
                hint=f"Uninstall one of them: pip uninstall {candidate.distribution}",
            )
    return dict(sorted(found.items()))


def _candidates(installed: Iterable[Distribution]) -> Iterable[PluginCandidate]:
    for distribution in installed:
        for entry in distribution.entry_points:
            if entry.group == GROUP:
                yield PluginCandidate(
                    entry.name,
                    entry.value,
                    # A half-removed distribution has entry points left, but no metadata.
                    distribution.metadata["Name"] or "",
                    distribution.version or "",
                    tuple(distribution.requires or ()),
                )
