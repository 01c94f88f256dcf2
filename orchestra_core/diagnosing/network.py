"""Which addresses the experiment may ask, and what they turn out to be; nothing is sent."""

from __future__ import annotations

from collections.abc import Mapping

from orchestra_core.diagnosing.findings import Diagnosis
from orchestra_core.errors import OrchestraError
from orchestra_core.experiment import RunnerSection
from orchestra_core.outbound.addresses import parse_url
from orchestra_core.outbound.names import Names
from orchestra_core.outbound.policy import Policy, parse_alias, parse_allowed
from orchestra_core.outbound.secrets import SHORTEST, Secrets, variables_of

AREA = "network"
_SHORT = "So short a value would tear holes into any text: use a longer one if it is a secret."


def tell_network(found: Diagnosis, section: RunnerSection, environ: Mapping[str, str]) -> None:
    """Base address, aliases, allow-list and headers; names are looked up as a run would."""
    names = Names()
    if section.base_url is None:
        found.add(AREA, "base_url", "info", "none is set")
    else:
        with found.noting(AREA, "base_url"):
            found.add(AREA, "base_url", "ok", _base(section, section.base_url, names))
    for name, address in section.host_aliases.items():
        _tell_alias(found, name, address, names)
    for entry in section.allowed_hosts:
        _tell_allowed(found, entry, names)
    if not section.allowed_hosts:
        found.add(AREA, "allowed_hosts", "info", "only this machine may be asked")
    for header, template in section.headers.items():
        with found.noting(AREA, f"header {header}"):
            _tell_header(found, header, template, environ)


def _tell_alias(found: Diagnosis, name: str, address: str, names: Names) -> None:
    (host, port), _ = parse_alias(address, address)
    try:
        told = ", ".join(names.addresses(host, port or 0))
        found.add(AREA, f"alias {name}", "ok", f"{address}{_told(host, told)}")
    except OrchestraError as error:  # no failure by itself; that of base_url is told above
        found.add(AREA, f"alias {name}", "warn", f"{address}: {error.message}", error.hint)


def _tell_header(found: Diagnosis, header: str, template: str, environ: Mapping[str, str]) -> None:
    """Raises ExperimentError for a variable that is not set."""
    Secrets({header: template}, environ)
    variables = variables_of(template)
    told = f"from the environment: {', '.join(variables)}"
    if short := [name for name in variables if len(environ[name].strip()) < SHORTEST]:
        told += f"; below {SHORTEST} characters, so not taken out of what is echoed: {', '.join(short)}"
    found.add(AREA, f"header {header}", "warn" if short else "ok", told, _SHORT if short else "")


def _base(section: RunnerSection, base_url: str, names: Names) -> str:
    """How the base address is reached: what is named, behind which alias, at which number."""
    route = Policy(section.host_aliases, section.allowed_hosts).route(parse_url(base_url).origin)
    dialled = route.dialled
    addresses = ", ".join(names.addresses(dialled.host, dialled.port))
    alias = f" by alias at {dialled.authority}" if route.aliased else ""
    why = "this machine" if dialled.is_loopback else "on the list"
    return f"{base_url}{alias}{_told(dialled.host, addresses)}; allowed: {why}"


def _tell_allowed(found: Diagnosis, entry: str, names: Names) -> None:
    try:
        _, host, port = parse_allowed(entry)
        found.add(
            AREA, "allowed_hosts", "ok", f"{entry}{_told(host, ', '.join(names.addresses(host, port)))}"
        )
    except OrchestraError as error:  # no failure by itself: it may never be asked
        found.add(AREA, "allowed_hosts", "warn", f"{entry}: {error.message}", error.hint)


def _told(host: str, addresses: str) -> str:
    return "" if addresses == host else f" = {addresses}"
