"""The energy report of one or more runs: a page, paper figures, a table and a document.

`sources` finds the records, `recompute` makes their figures again from raw samples, `systems` puts both into one
value; `bars` and `trace_series` are what is drawn (pure), `interactive` and `paper_figures` draw it, `page` and
`tables` write it down, `energy_report` ties them together. Drawing packages are imported late.
"""
