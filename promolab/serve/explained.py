"""The page that explains the API: made of its description, and loads nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem;
  color: #1b1b1b; background: #fff; }
code, td:first-child { font-family: ui-monospace, monospace; font-size: .9em; }
table { border-collapse: collapse; margin: .5rem 0 1.5rem; width: 100%; }
caption { text-align: left; color: #555; }
th, td { text-align: left; vertical-align: top; padding: .35rem .8rem .35rem 0;
  border-bottom: 1px solid #ddd; }
@media (prefers-color-scheme: dark) {
  body { color: #eee; background: #161616; } caption { color: #aaa; } a { color: #8ab4f8; }
  th, td { border-color: #444; } }
"""


def explained_page(api: Mapping[str, Any]) -> str:
    """Return a page of an OpenAPI description: paths, what they take and return, every field.

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
    info, schemas = api["info"], api.get("components", {}).get("schemas", {})
    parts = [f"<h1>{escape(info['title'])}</h1><p>{escape(info.get('description', ''))}</p>"]
    for path, methods in api["paths"].items():
        for method, told in methods.items():
            parts.append(_path(path, method, told))
    parts += [_schema(name, told) for name, told in schemas.items() if "properties" in told]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(info['title'])}</title><style>{STYLE}</style></head>"
        f"<body><main>{''.join(parts)}</main></body></html>"
    )


def _path(path: str, method: str, told: Mapping[str, Any]) -> str:
    takes = _kind(_content(told.get("requestBody", {})))
    rows = [("body", takes, "")] if takes else []
    rows += [
        (f"?{p['name']}", _kind(p["schema"]), p.get("description", ""))
        for p in told.get("parameters", [])
    ]
    rows += [
        (code, _kind(_content(answer)), answer.get("description", ""))
        for code, answer in told["responses"].items()
    ]
    head = f"<h2><code>{escape(method.upper())} {escape(path)}</code></h2>"
    said = f"<p>{escape(told.get('description', ''))}</p>"
    return head + said + _table("What it takes and answers.", ("part", "type", ""), rows)


def _content(told: Mapping[str, Any]) -> Mapping[str, Any]:
    kinds = list(told.get("content", {}).values())
    schema: Mapping[str, Any] = kinds[0].get("schema", {}) if kinds else {}
    return schema


def _schema(name: str, told: Mapping[str, Any]) -> str:
    needed = told.get("required", [])
    rows = [
        (field, _kind(how) + ("" if field in needed else ", may be left out"),
         how.get("description", ""))
        for field, how in told["properties"].items()
    ]  # fmt: skip
    title = f'<h2 id="{escape(name)}">{escape(name)}</h2>'
    caption = " ".join(told.get("description", "").split())
    return title + _table(caption, ("field", "type", "meaning"), rows)


def _kind(schema: Mapping[str, Any]) -> str:
    """Return a type in words; one with fields of its own by its name."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(_kind(part) for part in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    if isinstance(schema.get("additionalProperties"), Mapping):
        return f"name → {_kind(schema['additionalProperties'])}"
    return str(schema.get("format") or schema.get("const") or schema.get("type", ""))


def _table(caption: str, heads: tuple[str, ...], rows: list[tuple[str, str, str]]) -> str:
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(text)}</td>" for text in row) + "</tr>" for row in rows
    )
    return (
        f"<table><caption>{escape(caption)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )
