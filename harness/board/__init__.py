"""The scoreboard: rows made from checked records, drawn as pages that work from disk and from a service.

Everything that a record says is text from strangers: it is cleaned when a row is made (`words`), escaped where a
page is rendered (`pages`), and no page holds a script inside itself.
"""
