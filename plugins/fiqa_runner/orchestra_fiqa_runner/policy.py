"""The section `plugins.fiqa.policy`: where a published winner is put into force, and how it is undone.

What stood there before goes into the journal before anything is changed; whatever is written is read
back; what is in force already is not written again.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from orchestra_core.errors import ExperimentError, TargetError, UsageError
from orchestra_core.payloads import PolicyReceipt
from orchestra_fiqa_runner.http.template import Filling
from orchestra_fiqa_runner.policy_places import FilePlace, Found, ServicePlace
from orchestra_fiqa_runner.settings import FiqaSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orchestra_core.experiment import Experiment
    from orchestra_core.payloads import PolicyIntent, PolicyPayload, PolicyRequest
    from orchestra_fiqa_runner.policy_places import Place
    from orchestra_fiqa_runner.settings import PolicySettings

WHERE = "plugins.fiqa.policy"


def apply(request: PolicyRequest) -> PolicyReceipt | None:
    """Write the winner and read it back; None where no place is set.

    Raises UsageError where something else stands in the file, RequestFailed where the service refuses.
    """
    section = section_of(request)
    if section is None:
        return None
    winner = request.winner
    filling = _filling(request.run_id, winner.config_id, winner.parameters, request.experiment)
    wanted = Found(True, filling.fill(section.body))
    with _place(request, section, filling) as place:
        before = place.read()
        if before == wanted:
            undo = request.intended if (request.intended or {}).get("place") == place.name else None
            told = f"{place.name}: {winner.config_id} is in force already"
            return PolicyReceipt(True, told, undo or {}, changed=False, place=place.name)
        undo = {"place": place.name, "there": before.there, "previous": before.value}
        request.intend(undo)
        place.write(wanted.value)
        verified = place.read() == wanted
        told = f"{place.name}: {winner.config_id}" if verified else f"{place.name} holds something else"
        put = {"put": wanted.value} if verified else {}
        return PolicyReceipt(verified, told, {**undo, **put}, place=place.name)


def roll_back(intent: PolicyIntent) -> None:
    """Put back what stood there before, and read it back; nothing where nothing was changed.

    Raises TargetError where it is not there afterwards, ExperimentError where the settings now name
    another place, UsageError where somebody has put something else there since.
    """
    section = section_of(intent)
    if not intent.undo or section is None:
        return
    winner = intent.winner
    filling = _filling(intent.run_id, winner.config_id, winner.parameters, intent.experiment)
    before = Found(intent.undo["there"], intent.undo["previous"])
    with _place(intent, section, filling) as place:
        if intent.undo["place"] != place.name:
            raise ExperimentError(
                f"it was applied at {intent.undo['place']}, and now {place.name} is set",
                where=WHERE,
                hint="Set the place that it was applied at, and undo it again.",
            )
        there = place.read()
        if there == before:
            return
        if "put" in intent.undo and there != Found(True, intent.undo["put"]):
            raise UsageError(
                "another policy was put there since, and is left as it is",
                where=place.name,
                hint="Look at it; once it is gone, or ours is there again, ours can be undone.",
            )
        if before.there:
            place.write(before.value)
        else:
            place.remove()
        if place.read() != before:
            raise TargetError(
                f"{place.name} does not hold what stood there before, though that was written",
                hint="Look at the target's log; the journal's POLICY_INTENT has what stood there.",
            )


def check(experiment: Experiment, section: PolicySettings | None) -> None:
    """Raises ExperimentError where the section could not be carried out, before anything is sent."""
    if section is None:
        return
    if section.put is not None:
        _check_address(experiment)
    first = {name: values[0] for name, values in experiment.space.items()}
    filling = _filling("run", "configuration", {**first, **experiment.baseline}, experiment)
    filling.fill(section.body)
    for path in filter(None, (section.put, section.get)):
        filling.path(path)


def section_of(payload: PolicyPayload) -> PolicySettings | None:
    """The section, if there is one."""
    return payload.settings.policy if isinstance(payload.settings, FiqaSettings) else None


@contextmanager
def _place(payload: PolicyPayload, section: PolicySettings, filling: Filling) -> Iterator[Place]:
    if section.file is not None:
        yield FilePlace(payload.home, section.file, frozenset(section.body))
        return
    door = payload.open_door()
    try:
        put = filling.path(section.put or "")
        yield ServicePlace(door, put, filling.path(section.get or section.put or ""), section.read)
    finally:
        door.close()


def _filling(
    run_id: str, config_id: str, parameters: Mapping[str, Any], experiment: Experiment | None
) -> Filling:
    """`${run_id}`, `${config_id}`, `${parameters}` and each parameter by its name."""
    known = {*experiment.space, *experiment.baseline} if experiment else set()
    own = {"run_id": run_id, "config_id": config_id, "parameters": dict(parameters)}
    return Filling({**parameters, **own}, frozenset(known), WHERE)


def _check_address(experiment: Experiment) -> None:
    from orchestra_fiqa_runner.backends.http import check_address

    if experiment.runner.base_url is None:
        raise ExperimentError(
            "a policy is sent to the service at runner.base_url, which is not set",
            where=f"{WHERE}.put",
            hint="Set runner.base_url, or write the policy to a file: plugins.fiqa.policy.file.",
        )
    check_address(experiment)
