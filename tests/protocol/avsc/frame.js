// Sends one frame to a node with avsc and prints the node's counters as JSON.
// Usage: node frame.js HOST PORT PROTOCOL_FILE RUN ROLE TAG FRAME_FILE
'use strict';

const fs = require('fs');
const http = require('http');
const {promisify} = require('util');
const avro = require('avsc');

const [host, port, file, run, role, tag, frame] = process.argv.slice(2);
const agent = new http.Agent({keepAlive: true, maxSockets: 1});
const service = avro.Service.forProtocol(JSON.parse(fs.readFileSync(file, 'utf8')));
const client = service.createClient({timeout: 10000});

client.createChannel((done) => {
  const request = http.request({host, port, agent, method: 'POST', headers: {'Content-Type': 'avro/binary'}});
  request.on('response', (response) => done(null, response));
  request.on('error', done);
  return request;
});

const call = (name, ...parameters) => promisify(client[name].bind(client))(...parameters);

async function main() {
  const description = await call('describe');
  await call('forward', fs.readFileSync(frame), role, tag);
  const statistics = await call('statistics', run);
  const refusal = await call('forward', Buffer.from('too short'), role, tag).catch((error) => error.message);
  console.log(JSON.stringify({role: description.role, received: statistics.received, refusal}));
  agent.destroy();
  process.exit(0);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
