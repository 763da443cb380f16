"""Avro RPC over HTTP, the wire of the published artifact: `image.avdl` says what travels.

* `client.RpcClient` and `server.RpcServer` are what the rest of the harness uses, with `errors`, `limits` and
  `identity`;
* `requestor` and `responder` turn calls into bytes and back without input or output, with the help of
  `handshake`, `protocol` (the hot message `forward`) and `resolution` (every other one);
* `exchange` and `connection` speak HTTP with `httptools`; `framing` is Avro's own frames; `binding` the port.
"""
