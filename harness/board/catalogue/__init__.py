"""The index over a scoreboard's records: made of the files, and made again at any time."""
