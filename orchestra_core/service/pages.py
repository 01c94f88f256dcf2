"""The pages: what `page` renders, of what the service knows."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import HTMLResponse, Response

from orchestra_core.errors import InvalidName, OrchestraError, RunNotFound
from orchestra_core.page.content import RunPage, page_of
from orchestra_core.page.rendering import (
    STATIC,
    render_home,
    render_list,
    render_live,
    render_problem,
    render_run,
    static_file,
)
from orchestra_core.service.asking import PARAMETERS
from orchestra_core.service.errors import ArtifactNotFound, ServiceError, damaged
from orchestra_core.service.following import Follower
from orchestra_core.service.service import RESUMABLE, Service, report_of
from orchestra_core.service.standing import Standing
from orchestra_core.service.views import artifacts_of

KEPT_RENDERINGS = 32
TO_BEGIN = {
    "queued": "It waits for its turn",
    "starting": "Its process starts, and asks the target whether it is there",
    "cancelled": "It was cancelled before it began, and nothing was asked",
}

pages = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


class Pages:
    """Renders pages, each once per change of its run."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._rendered: OrderedDict[tuple[str, bool], tuple[Standing, bytes]] = OrderedDict()

    async def run(self, run_id: str, *, whole: bool) -> bytes:
        """A run's page, or only its sections. Raises RunNotFound, InvalidName, StorageError."""
        service = self.service
        follower = await service.follower(run_id)
        made_from = service.pool.standing(follower)
        known = self._rendered.get((run_id, whole))
        if known is None or known[0] != made_from:
            page = self._page(follower, made_from)
            html = (render_run if whole else render_live)(page).encode()
            self._rendered[run_id, whole] = known = made_from, html
            while len(self._rendered) > KEPT_RENDERINGS:
                self._rendered.popitem(last=False)
        return known[1]

    async def home(self) -> str:
        """The runs, and the form with what this service's experiment knows."""
        listed = await self.service.listing.runs(100, 0)
        own = await self.service.own()
        experiment: Mapping[str, Any] = own.get("ok", {}).get("experiment", {})
        collections = [
            (n, c.get("dataset") or "") for n, c in experiment.get("collections", {}).items()
        ]
        space = experiment.get("space", {})
        values = {name: ", ".join(map(str, space.get(name, ()))) for name in PARAMETERS}
        grid = experiment.get("stages", {}).get("grid", {})
        values |= {"sample": grid.get("sample", ""), "concurrency": experiment.get("concurrency", "")}
        return render_home(
            {
                "runs": listed["runs"],
                "collections": collections,
                "parameters": PARAMETERS,
                "values": values,
                "trouble": own.get("error"),
            }
        )

    def _page(self, follower: Follower, standing: Standing) -> RunPage:
        service, run_id = self.service, follower.run_id
        order, status = standing.order, standing.status
        damage = _damage(follower)
        if not follower.fold.begun:
            return RunPage(
                run_id=run_id,
                status=status,
                mode=order.mode if order else "full",
                opening="" if damage else TO_BEGIN.get(status, "It never began, and nothing was asked"),
                reason="",
                report=None,
                error=order.refused if order else None,
                damage=damage,
                offers="" if damage else _offers(standing),
                queue_position=standing.position,
                live=standing.goes_on,
            )

        def link(path: str) -> str:
            return f"/orchestrate/artifacts/{run_id}/{path}"

        files = [path for path, _ in artifacts_of(service.home, run_id, follower.state)]
        page = page_of(
            report_of(follower.state),
            link,
            status=status,
            live=standing.goes_on,
            last_seq=follower.last_seq,
            error=order.refused if order else None,
            offers=_offers(standing),
            artifacts=[(p, link(p)) for p in files if not p.startswith(service.home.runs_dir)],
        )
        return replace(page, damage=damage)


def _damage(follower: Follower) -> Mapping[str, Any] | None:
    """What is told of a journal that has lost something."""
    return damaged(follower.run_id, follower.lost).as_payload() if follower.lost else None


def _offers(standing: Standing) -> str:
    """What a click can do; a run that nobody asked this service for is left to whoever started it."""
    if standing.order is None:
        return ""
    if standing.status in {"queued", "starting", "running"}:
        return "cancel" if standing.goes_on else ""
    return "resume" if standing.status in RESUMABLE else ""


def pages_of(request: Request) -> Pages:
    """The application's pages."""
    found: Pages = request.app.state.pages
    return found


PagesHere = Annotated[Pages, Depends(pages_of)]
RunPath = Annotated[str, Path(max_length=200)]


@pages.get("/")
async def home(here: PagesHere) -> Response:
    """The runs, and the form."""
    return HTMLResponse(await here.home())


@pages.get("/runs")
async def listed(here: PagesHere) -> Response:
    """The rows of the table of runs."""
    return HTMLResponse(render_list((await here.service.listing.runs(100, 0))["runs"]))


@pages.get("/runs/{run_id}")
async def run(run_id: RunPath, here: PagesHere) -> Response:
    """One run."""
    return await _answer(here, run_id, whole=True)


@pages.get("/runs/{run_id}/live")
async def live(run_id: RunPath, here: PagesHere) -> Response:
    """What changes of it."""
    return await _answer(here, run_id, whole=False)


@pages.get("/static/{name}")
async def static(name: str) -> Response:
    """Style and script; their address changes with their content."""
    if name not in STATIC:
        raise ArtifactNotFound("there is no such file")
    headers = {"Cache-Control": "private, max-age=31536000, immutable"}
    return Response(static_file(name), media_type=STATIC[name], headers=headers)


async def _answer(here: Pages, run_id: str, *, whole: bool) -> Response:
    try:
        return HTMLResponse(await here.run(run_id, whole=whole))
    except (RunNotFound, InvalidName) as error:
        return HTMLResponse(render_problem(error.message, error.hint), 404)
    except ServiceError as error:
        return HTMLResponse(render_problem(error.message, error.hint), error.status)
    except OrchestraError as error:
        return HTMLResponse(render_problem(str(error), error.hint), 503)
