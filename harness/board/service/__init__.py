"""The scoreboard as a service: uploads are checked again, kept as files, and indexed."""
