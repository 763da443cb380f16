"""The only place that knows Collective Knowledge (CK).

* `keys`: the cmd_keys of program:request-iot-benchmark and what each measures;
* `repositories`, `targets`: where CK keeps things, read without importing it;
* `install`, `trees`, `software`, `kernel`: `iot-farm ck install`;
* `commands`, `timers`: what a `ck run` calls, and the file that CK reads afterwards.
"""
