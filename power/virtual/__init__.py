"""A virtual power analyzer: an SCPI instrument in a process of its own that says in its name that it is virtual.

The power it shows is made up, from a waveform or from the CPU time of real processes; everything between it and
the reader (VISA, sockets, dialects, faults) is real.
"""
