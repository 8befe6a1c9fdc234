/**
 * A TCP proxy that delays and counts. `node bench/proxy.mjs HOSTS MILLISECONDS` stands before hosts 0 to HOSTS - 1, at
 * the addresses of net 2, as a network with this round-trip time: half of it each way, and a whole one for the connect.
 * (Kernels that lack sch_netem can't delay by themselves.)
 */
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/**
 * Listens at `from`:22 and passes on to `to`:22.
 * @param {number} roundTrip milliseconds
 * @returns what was counted: `trips` is the number of times that the server answered after the client had spoken,
 *   and one for the TCP connection
 */
export async function proxy(from, to, roundTrip) {
  const count = { connections: 0, trips: 0, bytes: 0 };
  const server = createServer({ noDelay: true, pauseOnConnect: true }, async (client) => {
    client.on('error', () => {});
    count.connections++;
    count.trips++;
    await sleep(roundTrip);
    const upstream = connect({ host: to, port: 22, noDelay: true });
    upstream.on('error', () => {});
    let last = 'server';
    pass(client, upstream, roundTrip / 2, (size) => {
      last = 'client';
      count.bytes += size;
    });
    pass(upstream, client, roundTrip / 2, (size) => {
      if (last === 'client') count.trips++;
      last = 'server';
      count.bytes += size;
    });
    client.resume();
  });
  await new Promise((resolve, reject) => server.once('error', reject).listen(22, from, 511, resolve));
  return { count, close: () => server.close() };
}

/** Every chunk goes on after the same time, so that their order stays. */
function pass(from, to, delay, seen) {
  from.on('data', (chunk) => {
    seen(chunk.length);
    setTimeout(() => to.destroyed || to.write(chunk), delay);
  });
  from.once('end', () => setTimeout(() => to.end(), delay));
  from.once('close', () => setTimeout(() => to.destroySoon(), delay));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { address } = await import('./farm.mjs');
  const [hosts, roundTrip] = process.argv.slice(2).map(Number);
  for (let n = 0; n < hosts; n++) await proxy(address(n, 2), address(n), roundTrip);
  console.log('ready');
}
