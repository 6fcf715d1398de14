"""The page that explains the API: made of its description, and loads nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem;
  color-scheme: light dark; }
table { border-collapse: collapse; margin: .5rem 0 1.5rem; width: 100%; }
caption, th, td { text-align: left; vertical-align: top; padding: .35rem .8rem .35rem 0; }
"""


def explained_page(api: Mapping[str, Any]) -> str:
    """Return a page of an OpenAPI description: each address, and every field.

    Parameters
    ----------
    api : mapping
        As FastAPI gives it.

    Examples
    --------
    >>> page = explained_page({"info": {"title": "T", "version": "1"}, "paths": {}})
    >>> "<h1>T</h1>" in page
    True
    """
    title, schemas = escape(api["info"]["title"]), api.get("components", {}).get("schemas", {})
    parts = [f"<h1>{title}</h1><p>{escape(api['info'].get('description', ''))}</p>"]
    for path, methods in api["paths"].items():
        for method, told in methods.items():
            rows = {f"?{p['name']}": p for p in told.get("parameters", [])} | told["responses"]
            name = f"{method.upper()} {path}"
            parts.append(_table(name, told.get("description", ""), rows))
    parts += [
        _table(name, told.get("description", ""), told["properties"])
        for name, told in schemas.items()
        if "properties" in told
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}</style></head>"
        f"<body><main>{''.join(parts)}</main></body></html>"
    )


def _table(name: str, about: str, rows: Mapping[str, Mapping[str, Any]]) -> str:
    body = "".join(
        f'<tr><th scope="row"><code>{escape(field)}</code></th>'
        f"<td>{escape(how.get('description', ''))}</td></tr>"
        for field, how in rows.items()
    )
    head = f'<h2 id="{escape(name)}"><code>{escape(name)}</code></h2>'
    return f"{head}<table><caption>{escape(' '.join(about.split()))}</caption>{body}</table>"
