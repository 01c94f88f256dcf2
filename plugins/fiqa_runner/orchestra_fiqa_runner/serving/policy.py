"""The policy of the server: what a query gets where it leaves a field out. It ends with the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi.responses import JSONResponse
from pydantic import ValidationError

from orchestra_core.errors import ExperimentError
from orchestra_core.plan import Configuration
from orchestra_fiqa_runner.serving.messages import ErrorBody, Policy, PolicyInForce, QueryRequest

if TYPE_CHECKING:
    from fastapi import FastAPI

    from orchestra_fiqa_runner.runner import FiqaRunner

_PATH = "/api/policy"
_NONE: dict[int | str, dict[str, Any]] = {404: {"model": ErrorBody, "description": "There is none."}}
_WRONG: dict[int | str, dict[str, Any]] = {
    422: {"model": ErrorBody, "description": "It asks too much."}
}


class Keeper:
    """Holds the one policy."""

    def __init__(self, runner: FiqaRunner, collection: str) -> None:
        self._runner, self._collection = runner, collection
        self.policy: Policy | None = None
        self._fields: dict[str, Any] = {}

    def put(self, policy: Policy) -> None:
        """Check that the engine can do it, then keep it. Raises ExperimentError."""
        fields = _fields_of(policy)
        try:
            asked = QueryRequest.model_validate({**fields, "question": ""})
        except ValidationError as error:
            first = error.errors()[0]
            told = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
            raise ExperimentError(told, where="parameters") from None
        parameters = asked.parameters(self._collection)
        self._runner.open_for([Configuration(config_id="policy", parameters=parameters)])
        self.policy, self._fields = policy, fields

    def remove(self) -> None:
        """No policy any more."""
        self.policy, self._fields = None, {}

    def over(self, request: QueryRequest) -> QueryRequest:
        """The query, with the policy's values where it says nothing."""
        if not self._fields:
            return request
        said = request.model_dump(exclude_unset=True)
        return QueryRequest.model_validate({**self._fields, **said})


def add_policy(app: FastAPI, keeper: Keeper) -> None:
    """The routes GET, PUT and DELETE /api/policy."""

    @app.get(_PATH, response_model=PolicyInForce, responses=_NONE)
    async def read_policy() -> JSONResponse:
        """The policy in force."""
        if keeper.policy is None:
            return _error(404, "no_policy", "no policy is in force")
        return JSONResponse({"policy": keeper.policy.model_dump()})

    @app.put(_PATH, response_model=PolicyInForce, responses=_WRONG)
    async def put_policy(policy: Policy) -> JSONResponse:
        """Put a policy into force: queries get its values for the fields that they leave out."""
        try:
            keeper.put(policy)
        except ExperimentError as error:
            return _error(422, error.code, str(error), error.hint)
        return JSONResponse({"policy": policy.model_dump()})

    @app.delete(_PATH, status_code=204)
    async def remove_policy() -> None:
        """No policy any more; queries get the usual values."""
        keeper.remove()


def _fields_of(policy: Policy) -> dict[str, Any]:
    """The runner's parameters as fields of a query."""
    fields = dict(policy.parameters)
    mmr = fields.pop("mmr", None)
    if mmr == "off":
        fields["mmr"] = False
    elif mmr is not None:
        fields |= {"mmr": True, "mmr_lambda": mmr}
    return fields


def _error(status: int, kind: str, message: str, hint: str = "") -> JSONResponse:
    return JSONResponse({"error": {"type": kind, "msg": message, "hint": hint}}, status_code=status)
