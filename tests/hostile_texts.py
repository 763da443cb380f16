"""Texts that would do something if a page did not escape them: each would set `window.taken`, or ask a server."""

from __future__ import annotations

import itertools

_SCRIPT = "window.taken=1"
_TAGS = (
    "<script>{s}</script>",
    "<ScRiPt>{s}</sCrIpT>",
    "<script/x>{s}</script>",
    "<script\n>{s}</script\n>",
    "<script src=data:text/javascript,{s}></script>",
    "<img src=x onerror={s}>",
    '<img src=x onerror="{s}">',
    "<img src=x onerror='{s}'>",
    "<IMG/SRC=x/ONERROR={s}>",
    "<svg onload={s}>",
    "<svg><script>{s}</script></svg>",
    "<svg><animate onbegin={s} attributeName=x dur=1s>",
    "<body onload={s}>",
    "<iframe srcdoc='<script>parent.{s}</script>'>",
    "<iframe src=javascript:parent.{s}>",
    "<details open ontoggle={s}>x",
    "<video><source onerror={s}>",
    "<audio src=x onerror={s}>",
    "<input autofocus onfocus={s}>",
    "<select autofocus onfocus={s}>",
    "<marquee onstart={s}>",
    "<object data=javascript:{s}>",
    "<embed src=javascript:{s}>",
    "<a href=javascript:{s}>x</a>",
    "<base href=//127.0.0.1:9/>",
    "<meta http-equiv=refresh content='0;url=javascript:{s}'>",
    "<link rel=stylesheet href=data:text/css,*{{color:red}}>",
    "<style>*{{background:url(//127.0.0.1:9/)}}</style>",
    "<form action=javascript:{s}><button autofocus>x",
    "<math><mtext><script>{s}</script>",
    "<template><script>{s}</script></template>",
    "<noscript><p title='</noscript><img src=x onerror={s}>'>",
)
_OUT = (
    "",
    '">',
    "'>",
    "-->",
    "]]>",
    "</script>",
    "</title>",
    "</style>",
    "</textarea>",
    '"}}]}}</script>',
    '\\"></script>',
)
_OTHERS = (
    "{{ ''.__class__.__mro__ }}",
    "{% include '/etc/passwd' %}",
    "{{ 7 * 7 }}",
    "{# x #}",
    "${{{s}}}",
    "`;{s};`",
    "';{s};//",
    '";{s};//',
    "\\u003cscript\\u003e{s}\\u003c/script\\u003e",
    "&lt;script&gt;{s}&lt;/script&gt;",
    "&#60;script&#62;{s}&#60;/script&#62;",
    "\u2028{s}\u2029",
    '" onmouseover="{s}',
    "' autofocus onfocus='{s}' x='",
    "javascript:{s}",
    "data:text/html,<script>{s}</script>",
    "%{{x}}%{{customdata}}<br><b>x</b>",
    "<a href='javascript:{s}'>x</a>",
    "<span style='color:red'>x</span>",
    '=HYPERLINK("http://127.0.0.1:9","x")',
    "=cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd",
    "+1+1",
    "-1+1",
    "| x | <img src=x onerror={s}> |",
    "[x](javascript:{s})",
    "![x](http://127.0.0.1:9/x)",
    "\x00<script>{s}</script>",
    "\x1b[2J<script>{s}</script>",
    "\u202e>tpircs/<{s}>tpircs<",
    "+ADw-script+AD4-{s}+ADw-/script+AD4-",
)


def hostile_texts() -> list[str]:
    """All of them, each once."""
    texts = [out + tag for out, tag in itertools.product(_OUT, _TAGS)]
    return list(dict.fromkeys(text.replace("{s}", _SCRIPT).replace("{{", "{").replace("}}", "}") for text in texts)) + [
        text.replace("{s}", _SCRIPT) for text in _OTHERS
    ]


def laden(template: object, text: str) -> object:
    """The same data with a text in place of every text, and of every key that is not a name of the layout."""
    if isinstance(template, dict):
        return {key: laden(value, text) for key, value in template.items()}
    if isinstance(template, list):
        return [laden(value, text) for value in template]
    return text if isinstance(template, str) else template
