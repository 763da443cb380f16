"""Avro RPC over HTTP, the wire of the published artifact: `image.avdl` says what travels.

* `client.RpcClient` and `server.RpcServer` are what the rest of the harness uses, with `errors`, `limits` and
  `identity`; `outbox` delivers tensors with them;
* `requestor` and `responder` turn calls into bytes and back without input or output, with the help of
  `handshake`, `protocol` (the hot message `forward`) and `resolution` (every other one);
* `exchange`, and `connection` with `request_reader`, speak HTTP with `httptools`; `framing` is Avro's own
  frames; `binding` takes the port;
* `security` holds the keys of mutual TLS; `tls` seals and opens without input or output, `tls_transport` guards a
  server's connection with it, `cipher_order` puts ChaCha20 first where AES is slow.
"""
