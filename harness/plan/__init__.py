"""Roles placed on addresses (pure)."""
