"""The scoreboard as one page without a script: filters, a scatter plot, a table. Every text of an entry is escaped."""

import math
from html import escape as escaped

from .dimensions import (
    AXES,
    DIMENSIONS,
    FILTERS,
    META,
    OTHERWISE,
    PROVENANCE_COLUMNS,
    SOFTWARE_COLUMNS,
    SYSTEM_COLUMNS,
    by_key,
)
from .rows import MEASURED, number, plain
from .verdicts import VALID

WIDTH, HEIGHT, MARGIN = 720, 340, 60
TICKS = 4

STYLE = """
:root { color-scheme: light dark; }
.request { font: 15px/1.45 system-ui, sans-serif; margin: 1rem; }
.request .wide { overflow-x: auto; }
.request table { border-collapse: collapse; font-size: 13px; }
.request th, .request td { border-bottom: 1px solid #8886; padding: .35rem .55rem; text-align: left; }
.request td { vertical-align: top; }
.request td.figure { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.request td:first-child, .request td:last-child { min-width: 12rem; }
.request code { font-size: 12px; }
.request .mark { border: 1px solid #8888; border-radius: .6em; padding: 0 .45em; white-space: nowrap; }
.request .INVALID, .request .INCOMPLETE { color: #c0392b; font-weight: 600; }
.request .VALID { color: #1d8348; font-weight: 600; }
.request label { margin-right: .8rem; display: inline-block; }
.request svg { width: 100%; max-width: 46rem; height: auto; display: block; }
"""


def escape(text):
    """A text that a browser shows as it is."""
    return escaped(plain(text))


def page(rows, left_out, options):
    """A whole HTML document.

    Args:
        rows: of `rows.rows_of`.
        left_out: lines about what gives no row.
        options: axes `x` and `y`, and filters by their key.
    """
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<title>ReQuEST at ASPLOS'18</title>\n<style>%s</style>\n</head>\n<body>\n%s</body>\n</html>\n"
    ) % (STYLE, fragment(rows, left_out, options))


def fragment(rows, left_out, options):
    """The scoreboard alone, for a page of somebody else."""
    shown = chosen(rows, options)
    parts = ["<h1>ReQuEST at ASPLOS'18: image classification</h1>"]
    parts.append(_form(rows, options))
    if shown:
        parts += [_scatter(shown, options), _table(shown)]
    else:
        parts.append("<p><strong>No results found.</strong> Record some with <code>benchmarking.py</code>.</p>")
    if left_out:
        items = "".join("<li>%s</li>" % escape(line) for line in left_out)
        parts.append("<details><summary>%d without a row</summary><ul>%s</ul></details>" % (len(left_out), items))
    parts.append(
        "<p>Figures of rows marked VALID were made again from the raw samples in their entry. Prices and peak powers "
        "are declared, not measured. Energy is marked measured or virtual.</p>"
    )
    return '<main class="request">\n%s\n</main>\n' % "\n".join(parts)


def chosen(rows, options):
    """Rows that pass every filter."""
    wanted = {key: options[key] for key in FILTERS if options.get(key)}
    return [row for row in rows if all(str(row.get(key, "")) == value for key, value in wanted.items())]


def text_table(rows):
    """The scoreboard as lines for a terminal."""
    if not rows:
        return ["No results found."]
    line = "%-12s %18s %18s %18s  %s"
    lines = [line % ("VERDICT", "inferences/s", "s/inference", "J/inference", "MODEL, SYSTEM, MARKS")]
    for row in rows:
        keys = ("inference_throughput", "prediction_time_avg_s", "energy_total_j")
        names = (str(row.get(META + "model_design_name", "?")), _system(row), *row["marks"])
        lines.append(line % (row["verdict"], *(_plain_range(row, by_key(key, key)) for key in keys), ", ".join(names)))
    return lines


def _form(rows, options):
    """Choices of axes and filters; works without a script."""
    fields = []
    for name, axis in zip("xy", _axes(rows, options)):
        current = axis.key
        names = [(dimension.key, dimension.name) for dimension in DIMENSIONS]
        fields.append(_select(name, "Axis " + name, names, current))
    for key, title in FILTERS.items():
        values = sorted({str(row[key]) for row in rows if row.get(key, "") != ""})
        if len(values) > 1 or options.get(key):
            choices = [("", "all"), *((value, value) for value in values)]
            fields.append(_select(key, title, choices, options.get(key, "")))
    return '<form method="get">%s<button>Show</button></form>' % "".join(fields)


def _select(name, title, choices, current):
    items = "".join(
        '<option value="%s"%s>%s</option>' % (escape(value), " selected" * (value == current), escape(text))
        for value, text in choices
    )
    return '<label>%s <select name="%s">%s</select></label>' % (escape(title), escape(name), items)


def _scatter(rows, options):
    """A plot of two dimensions: a point for each row that has both."""
    axes = _axes(rows, options)
    points = [(row, *(value_of(row, axis) for axis in axes)) for row in rows]
    points = [point for point in points if number(point[1]) and number(point[2])]
    if not points:
        return "<p>No row has both %s and %s.</p>" % (escape(axes[0].name), escape(axes[1].name))
    tops = [_top(max(point[1 + index] for point in points)) for index in (0, 1)]
    parts = [
        '<svg viewBox="0 0 %d %d" role="img" aria-label="%s against %s" fill="currentColor" font-size="12">'
        % (WIDTH, HEIGHT, escape(axes[1].name), escape(axes[0].name))
    ]
    right, bottom = WIDTH - MARGIN // 2, HEIGHT - MARGIN
    line = '<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="currentColor" stroke-opacity=".3"/>'
    label = '<text x="%d" y="%d" text-anchor="%s">%s</text>'
    for tick in range(TICKS + 1):
        x = MARGIN + (right - MARGIN) * tick // TICKS
        y = bottom - (bottom - MARGIN // 2) * tick // TICKS
        parts += [
            line % (x, bottom, x, MARGIN // 2),
            label % (x, bottom + 18, "middle", _short(tops[0] * tick / TICKS)),
        ]
        parts += [line % (MARGIN, y, right, y), label % (MARGIN - 6, y + 4, "end", _short(tops[1] * tick / TICKS))]
    parts.append(label % ((MARGIN + right) // 2, HEIGHT - 12, "middle", escape(axes[0].name)))
    parts.append(label % (MARGIN, 16, "start", escape(axes[1].name)))
    for row, x, y in points:
        title = "%s, %s: %s, %s" % (row.get(META + "model_design_name", "?"), _system(row), _short(x), _short(y))
        marks = ", ".join((row["verdict"], *row["marks"]))
        sound = row["verdict"] == VALID and not set(row["marks"]) - {MEASURED}
        parts.append(
            '<circle cx="%.1f" cy="%.1f" r="6" fill="%s" stroke="currentColor"><title>%s (%s)</title></circle>'
            % (
                MARGIN + (right - MARGIN) * x / tops[0],
                bottom - (bottom - MARGIN // 2) * y / tops[1],
                "#2980b9" if sound else "none",
                escape(title),
                escape(marks),
            )
        )
    legend = "Filled: measured and checked. Hollow: virtual energy, emulated, published, or not checked."
    return "".join(parts) + "</svg><p>" + legend + "</p>"


def _top(greatest):
    """End of an axis from 0: the next round number above."""
    if not greatest > 0:
        return 1.0
    unit = 10.0 ** math.floor(math.log10(greatest))
    return next(unit * step for step in (1, 2, 4, 6, 8, 10, 20) if unit * step >= greatest * 1.04)


def _axes(rows, options):
    """The chosen dimensions, else throughput and energy; without a row that has an energy, time per inference."""
    known = [
        default if any(number(value_of(row, by_key(default, default))) for row in rows) else OTHERWISE
        for default in AXES
    ]
    return [by_key(options.get(name), default) for name, default in zip("xy", known)]


def _table(rows):
    heads = ["Verdict", "Marks", *SYSTEM_COLUMNS.values()]
    heads += [dimension.name for dimension in DIMENSIONS] + [*SOFTWARE_COLUMNS.values(), *PROVENANCE_COLUMNS.values()]
    head = "".join('<th scope="col">%s</th>' % escape(name) for name in heads)
    return '<div class="wide"><table><thead><tr>%s</tr></thead><tbody>\n%s\n</tbody></table></div>' % (
        head,
        "\n".join(map(_table_row, rows)),
    )


def _table_row(row):
    verdict = escape(row["verdict"])
    reasons = "<br>".join(escape(reason) for reason in row["reasons"])
    marks = " ".join('<span class="mark">%s</span>' % escape(mark) for mark in row["marks"])
    cells = ['<td><span class="%s">%s</span><br>%s</td><td>%s</td>' % (verdict.split()[0], verdict, reasons, marks)]
    cells += ["<td>%s</td>" % escape(str(row.get(key, ""))) for key in SYSTEM_COLUMNS]
    cells += ['<td class="figure">%s</td>' % escape(_plain_range(row, dimension)) for dimension in DIMENSIONS]
    for key in (*SOFTWARE_COLUMNS, *PROVENANCE_COLUMNS):
        text = escape(str("" if row.get(key) is None else row[key]))
        cells.append("<td>%s</td>" % ("<code>%s</code>" % text if key == "replay" and text else text))
    return "<tr>%s</tr>" % "".join(cells)


def value_of(row, dimension):
    """The figure that a row is placed by: what was declared, or the mean of the repetitions."""
    return row.get(dimension.flat if dimension.declared else dimension.flat + "#mean")


def _plain_range(row, dimension):
    """Best and worst repetition, or the one declared value."""
    if dimension.declared:
        value = row.get(dimension.flat)
        return _short(value) if number(value) else ""
    ends = [row.get(dimension.flat + "#" + ending) for ending in ("min", "max")]
    if not all(map(number, ends)):
        return ""
    best, worst = map(_short, reversed(ends) if dimension.higher else ends)
    return best if best == worst else "%s to %s" % (best, worst)


def _short(value):
    return "%.4g" % value


def _system(row):
    """What ran it, in a few words."""
    return str(row.get(META + "farm") or row.get(META + "gpgpu_name") or row.get(META + "cpu_name") or "unknown system")
