"""Files as they are at the moment of asking, also those that grow while they are sent."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from anyio import open_file
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from orchestra_core.service.errors import ArtifactNotFound

CHUNK = 65_536


class FileAnswer(Response):
    """A file, as long as it is when it is opened."""

    def __init__(self, path: Path, kind: str, headers: Mapping[str, str]) -> None:
        super().__init__(media_type=kind, headers=headers)
        self.path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it. Raises ArtifactNotFound when it was removed meanwhile."""
        try:
            file = await open_file(self.path, "rb")
        except OSError:
            raise ArtifactNotFound("the file is gone", hint="Ask for the report anew.") from None
        async with file:
            left = os.fstat(file.wrapped.fileno()).st_size
            self.headers["Content-Length"] = str(left)
            start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
            await send(start)
            while left > 0 and (chunk := await file.read(min(CHUNK, left))):
                left -= len(chunk)
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
