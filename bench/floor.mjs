/**
 * The floor: what a plan with nothing to change costs a bare program. One process, ssh2 over a socket with noDelay, the
 * host key compared, straight to the key, one exec of a script that reads everything, one comparison. Nothing else:
 * no inventory, no retry, no time limits, no explanation of errors.
 *
 *     node bench/floor.mjs JOB.json
 */
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import ssh2 from 'ssh2';

const job = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const key = ssh2.utils.parseKey(readFileSync(job.key));
const known = new Map(
  readFileSync(job.knownHosts, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split(' '))
    .map(([host, , blob]) => [host, Buffer.from(blob, 'base64')]),
);

function read(address) {
  return new Promise((resolve, reject) => {
    const sock = connect({ host: address, port: 22, noDelay: true });
    sock.once('error', reject);
    sock.once('connect', () => {
      const client = new ssh2.Client();
      client.once('error', reject);
      client.once('close', () => reject(new Error('closed')));
      client.once('ready', () => {
        client.exec(job.command, (error, channel) => {
          if (error) return reject(error);
          const chunks = [];
          channel.on('data', (chunk) => chunks.push(chunk));
          channel.stderr.resume();
          channel.on('close', () => {
            client.end();
            resolve(Buffer.concat(chunks).toString());
          });
        });
      });
      client.connect({
        sock,
        username: 'root',
        authHandler: [{ type: 'publickey', username: 'root', key }],
        hostVerifier: (shown) => known.get(address)?.equals(shown) === true,
      });
    });
  });
}

let same = 0;
const left = [...job.addresses];
async function worker() {
  for (let address = left.shift(); address !== undefined; address = left.shift()) {
    try {
      if ((await read(address)) === job.expected) same++;
      else console.log(`${address}: differs`);
    } catch (error) {
      console.log(`${address}: ${error.message}`);
    }
  }
}
await Promise.all(Array.from({ length: job.parallel }, worker));
console.log(`${same} of ${job.addresses.length}: no changes`);
process.exitCode = same === job.addresses.length ? 0 : 1;
