"""The page for people at /, and the reports of comparisons that it shows."""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

from fastapi import FastAPI, Request, Response

from textgraft.errors import OptionError
from textgraft.serving.asking import reply
from textgraft.serving.description import Described
from textgraft.serving.gate import REPORTS
from textgraft.serving.refusals import NotFoundError, UnauthorizedError

REPORT = "report.html"
TICKET_SECONDS = 3600
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_KINDS = {"index.html": "text/html", "page.css": "text/css", "page.js": "text/javascript"}


def add_pages(app: FastAPI, described: Described, reports: Sequence[Path]) -> None:
    """Add the routes to an application.

    Args:
        app: The application.
        described: Writes their description.
        reports: Files of reports.
    """
    folder = files("textgraft.serving") / "page"
    contents = {name: (folder / name).read_bytes() for name in _KINDS}
    known = {report.resolve().parent.name: report for report in reports}

    def page(name: str) -> Response:
        headers = {"content-security-policy": _POLICY, "x-frame-options": "DENY"}
        return Response(contents[name], media_type=f"{_KINDS[name]}; charset=utf-8", headers=headers)

    @app.get("/", include_in_schema=False)
    async def index() -> Response:
        return page("index.html")

    @app.get("/page.css", include_in_schema=False)
    async def style() -> Response:
        return page("page.css")

    @app.get("/page.js", include_in_schema=False)
    async def script() -> Response:
        return page("page.js")

    # A frame sends no key: whoever has one is given addresses that hold for a while.
    secret = secrets.token_bytes(32)

    def ticket(name: str, until: int) -> str:
        return f"{until}.{hmac.digest(secret, f'{until} {name}'.encode(), 'sha256').hex()}"

    @app.get("/reports", **described.get("Object", tag="Reports"))
    async def listed() -> Response:
        """List the reports that are served, with addresses that hold for a while."""
        until = int(time.time()) + TICKET_SECONDS
        found = [
            {"name": name, "url": f"{REPORTS}{quote(name)}?ticket={ticket(name, until)}"}
            for name in sorted(known)
        ]
        return reply({"reports": found})

    @app.get(f"{REPORTS}{{name}}", include_in_schema=False)
    async def report(request: Request) -> Response:
        name = request.path_params["name"]
        given = request.query_params.get("ticket", "")
        until = given.partition(".")[0]
        valid = until.isascii() and until.isdigit() and len(until) < 15 and int(until) >= time.time()
        if not valid or not hmac.compare_digest(given.encode(), ticket(name, int(until)).encode()):
            raise UnauthorizedError("the address has expired: ask for the reports again")
        found = known.get(name)
        if found is None or not found.is_file():
            raise NotFoundError("there is no such report")
        return Response(
            found.read_bytes(),
            media_type="text/html; charset=utf-8",
            headers={"content-security-policy": "sandbox allow-scripts; frame-ancestors 'self'"},
        )


def find_reports(given: Sequence[Path]) -> list[Path]:
    """Return the files of reports.

    Args:
        given: Folders of comparisons, or the files themselves.

    Raises:
        OptionError: There is none where one should be.
    """
    found = []
    for path in given:
        file = path / REPORT if path.is_dir() else path
        if not file.is_file():
            raise OptionError(
                "there is no report",
                where=str(path),
                fix=f"Give the folder of a comparison, which holds {REPORT}.",
            )
        found.append(file)
    return found
