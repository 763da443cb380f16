"""The description of the service as one plain page: the usual ones load scripts from somebody else's machine."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>{{ info.title }}: what can be asked</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="assets/board.css"></head>
<body><header class="top"><p class="brand"><a href="./">{{ info.title }}</a></p></header>
<main id="content"><h1>What can be asked</h1>
<p>{{ info.description }} The same as <a href="openapi.json">OpenAPI {{ version }}</a>.</p>
{% for path, method, one in operations %}
<section><h2><code>{{ method }} {{ path }}</code></h2>
<p>{{ one.description }}{% if one.security %} <strong>Needs a token.</strong>{% endif %}</p>
{% if one.parameters %}<div class="scroll"><table><thead><tr><th scope="col">parameter</th><th scope="col">in</th>
<th scope="col">type</th><th scope="col">default</th><th scope="col">meaning</th></tr></thead><tbody>
{% for field in one.parameters %}<tr><td><code>{{ field.name }}</code>{% if field.required %} *{% endif %}</td>
<td>{{ field.in }}</td><td>{{ field.schema | kind }}</td><td>{{ field.schema.default }}</td>
<td>{{ field.description }}</td></tr>
{% endfor %}</tbody></table></div>{% endif %}
<p>Answers:
{% for status, answer in one.responses.items() %}<code>{{ status }}</code> {{ answer.description }}. {% endfor %}</p>
</section>
{% endfor %}</main></body></html>
"""


def render_docs(description: dict[str, Any]) -> str:
    """The page of an OpenAPI description.

    Args:
        description: the whole document.
    """
    environment = Environment(autoescape=True, trim_blocks=True)
    environment.filters["kind"] = _kind
    operations = [
        (path, method.upper(), one) for path, methods in description["paths"].items() for method, one in methods.items()
    ]
    template = environment.from_string(_PAGE)
    return template.render(info=description["info"], version=description["openapi"], operations=operations)


def _kind(schema: dict[str, Any]) -> str:
    options = schema.get("anyOf", [schema])
    return " or ".join(str(one.get("type", "any")) for one in options)
