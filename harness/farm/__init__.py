"""The farm file and the addresses in it."""
