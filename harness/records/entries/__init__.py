"""Collective Knowledge's experiment entries, read and written without it."""
