"""Figures for Prometheus: what was asked and how long it took, and what runs."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestra_core.service.service import Service

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """One registry per application, so that several live in one process."""

    def __init__(self, service: Service) -> None:
        self.registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self.requests = Counter(
            "orchestra_requests", "Requests answered", labels, registry=self.registry
        )
        self.seconds = Histogram(
            "orchestra_request_seconds",
            "Seconds until an answer began",
            ("route",),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        gauges = {
            "orchestra_runs_running": ("Runs that a worker carries", lambda: len(service.pool.running)),
            "orchestra_runs_queued": ("Runs that wait", lambda: len(service.pool.waiting)),
            "orchestra_watchers": ("Event streams that are open", lambda: service.streams.watchers),
        }
        for name, (told, value) in gauges.items():
            Gauge(name, told, registry=self.registry).set_function(value)

    def exposition(self) -> tuple[bytes, str]:
        """The figures as text, and its content type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST


class Measured:
    """ASGI: counts and times every answer, by route and not by path."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on, and note the answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        metrics: Metrics = scope["app"].state.metrics
        began = time.perf_counter()

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "none")
                method = scope["method"] if scope["method"] in _METHODS else "other"
                metrics.requests.labels(method, route, str(message["status"])).inc()
                metrics.seconds.labels(route).observe(time.perf_counter() - began)
            await send(message)

        await self.app(scope, receive, sending)
