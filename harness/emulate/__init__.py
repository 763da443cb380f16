"""A farm of processes on one machine at the pace of other devices and of their network; what is computed is real."""
