// Calls a server of protocol `image` with avsc and prints what came back as JSON.
// Usage: node call.js HOST PORT PROTOCOL_FILE kept|new
'use strict';

const fs = require('fs');
const http = require('http');
const {promisify} = require('util');
const avro = require('avsc');

const [host, port, file, kept] = process.argv.slice(2);
const agent = new http.Agent({keepAlive: kept === 'kept', maxSockets: 1});
const service = avro.Service.forProtocol(JSON.parse(fs.readFileSync(file, 'utf8')));
const client = service.createClient({timeout: 10000});
let encoding = null;

client.createChannel((done) => {
  // No Content-Length: Node sends what avsc writes in chunks.
  const request = http.request({host, port, agent, method: 'POST', headers: {'Content-Type': 'avro/binary'}});
  request.on('response', (response) => done(null, response));
  request.on('error', done);
  request.on('finish', () => { encoding = request.chunkedEncoding ? 'chunked' : 'of a known length'; });
  return request;
});

const call = (name, ...parameters) => promisify(client[name].bind(client))(...parameters);

async function main() {
  const tensor = Buffer.from(Array.from({length: 100352}, (_, index) => index % 251));
  await call('begin', 'from avsc');
  await call('forward', tensor, 'fc1', 'frame=1');
  const first = await call('statistics', 'from avsc');
  await call('forward', tensor, 'fc2', 'frame=2');
  const second = await call('statistics', 'from avsc');
  const description = await call('describe');
  const probe = await call('probe', Buffer.from('12345'));
  const refusal = await call('forward', tensor, 'refuse', 't').catch((error) => error.message);
  console.log(JSON.stringify({encoding, first, second, description, probe, refusal}));
  agent.destroy();
  process.exit(0);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
