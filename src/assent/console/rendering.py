"""Templates and static files out of the package, whether it is a folder or an installed wheel."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from assent.console import wording
from assent.console.security import PAGE_HEADERS, STATIC_HEADERS

STATIC_PATH = "/static"


class Pages:
    """Makes pages of templates; every value in them is escaped."""

    def __init__(self) -> None:
        # Always escaped, whatever a template is called; a name that is missing is an error, not a gap.
        self._templates = Environment(
            loader=PackageLoader("assent.console"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {
            "when": wording.when,
            "day": wording.day,
            "last_day": wording.last_day,
            "one_in": wording.one_in,
            "expected": wording.expected,
            "reason": wording.reason,
            "remedy": wording.remedy,
        }
        self._templates.globals |= {"plural": wording.plural, "static": static_address}

    def html(self, template: str, status: int, values: dict[str, Any]) -> Response:
        """A page that is never stored by a browser or on the way."""
        text = self._templates.get_template(template).render(values)
        return HTMLResponse(text, status_code=status, headers=dict(PAGE_HEADERS))


class ConsoleFiles(StaticFiles):
    """The style sheet, script and icon, kept by browsers until they change."""

    def __init__(self) -> None:
        super().__init__(packages=[("assent.console", "static")])

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, or 404."""
        response = await super().get_response(path, scope)
        response.headers.update(STATIC_HEADERS)
        return response


def _digests() -> dict[str, str]:
    folder = files("assent.console") / "static"
    return {
        item.name: hashlib.sha256(item.read_bytes()).hexdigest()[:12]
        for item in folder.iterdir()
        if item.is_file()
    }


_DIGESTS = _digests()


def static_address(name: str) -> str:
    """Where a static file is; another content has another address.

    Raises:
        KeyError: there is no such file.
    """
    return f"{STATIC_PATH}/{name}?v={_DIGESTS[name]}"
