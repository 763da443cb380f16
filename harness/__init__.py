"""The engine of ck-iot-farm: collaborative inference measured honestly.

Read the packages from the bottom up:

* `errors`, `metrics`, `ending`: what a user sees when something is wrong, the list of metrics, the end of a process;
* `records`: what a run leaves behind;
* `report`: the energy of runs on one page, with figures, table and document;
* `models`, `farm`: layer graphs and seeded weights; the farm file and its addresses;
* `partition`, `plan`: a graph cut into roles, and the roles placed on addresses (both pure);
* `runtime`: the one place that runs Keras blocks; `rpc`: Avro on the wire;
* `node`, `initial`: one device, and the source and sink of frames;
* `bench`: a measured run; `simulate`: farms under a simulated clock;
* `ck`: Collective Knowledge; `doctor`, `cli`: for people.
"""

__version__ = "0.1.0"
