"""The energy meter: reads a power analyzer over VISA and splits static from dynamic energy.

Stands alone: nothing here knows of farms, frames on the wire or Collective Knowledge.
"""
