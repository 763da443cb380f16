"""The audit of the 2018 paper: its farms imitated, both protocols, beside what was published."""
