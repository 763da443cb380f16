"""The scoreboard of the module request.asplos18, without Collective Knowledge: rows, page, server."""
