"""A door for an experiment: everything that its `runner` section says, checked before it is used."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from orchestra_core.outbound.addresses import parse_url
from orchestra_core.outbound.allowance import Allowance, anything, unlimited
from orchestra_core.outbound.door import Door, Emit, Manners
from orchestra_core.outbound.names import Names, Resolve
from orchestra_core.outbound.pacing import Pacer
from orchestra_core.outbound.policy import Policy
from orchestra_core.outbound.reading import Sizes
from orchestra_core.outbound.secrets import Secrets
from orchestra_core.outbound.transport import Transport

if TYPE_CHECKING:
    from orchestra_core.experiment import Experiment


def silent(_event_type: str, _payload: Mapping[str, Any]) -> None:
    """Record nothing."""


def open_door(
    experiment: Experiment,
    *,
    emit: Emit = silent,
    left_s: Callable[[], float] = unlimited,
    may_send: Callable[[int], None] = anything,
    environ: Mapping[str, str] | None = None,
    sizes: Sizes | None = None,
    resolve: Resolve | None = None,
) -> Door:
    """The door of one run; whoever opens it closes it. Nothing is sent and no name is resolved yet.

    `left_s`: seconds left of the stage and the run. `may_send`: raises BudgetExhausted where the run
    may not send so many more; asked before each request and repetition. `environ`: where
    `runner.headers` are read from, None for the process's own. Raises AddressRefused where
    `runner.base_url` may not be asked, ExperimentError for a variable that is not set.
    """
    section = experiment.runner
    policy = Policy(section.host_aliases, section.allowed_hosts)
    base = parse_url(section.base_url) if section.base_url else None
    if base is not None:
        policy.route(base.origin)
    return Door(
        base,
        policy,
        Transport(Names(resolve), sizes or Sizes()),
        secrets=Secrets(section.headers, os.environ if environ is None else environ),
        pacer=Pacer(section.rate_limit_per_sec),
        allowance=Allowance(left_s, may_send),
        manners=Manners(section.timeout_s, section.max_retries, section.backoff_s),
        emit=emit,
    )
