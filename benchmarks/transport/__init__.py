"""One message from a process to another and its acknowledgement, over every transport that one might take.

`python -m benchmarks.transport` measures. `contestants` lists who takes part; `avro_ours`, `avro_stock`, `grpc_calls`,
`zeromq` and `raw` speak; `side` is one process of a pair, `suite` measures the pairs in turn, `page` shows the figures.
"""
