"""Attacks on records, and how many of them are found."""
