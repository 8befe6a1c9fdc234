/**
 * TCP relays with a delay: `node relay.mjs` with an IPC channel. Told `{ ways: [{ from, to, port }], delay }`, it
 * answers `ready`. Each direction is delayed by `delay` milliseconds, the connecting itself by twice that. Told
 * `turns`, it answers how many times a client began to speak after the server had spoken, plus one for TCP's own
 * round trip, of all connections that ended since.
 */
import { connect, createServer } from 'node:net';

let turns = 0;

/** Passes bytes on, each chunk `delay` milliseconds after it came, in order; `said` is called as each leaves. */
function pass(source, target, delay, said) {
  source.on('data', (chunk) =>
    setTimeout(() => {
      said();
      if (!target.destroyed) target.write(chunk);
    }, delay),
  );
  source.on('end', () => setTimeout(() => target.end(), delay));
  source.on('close', () => setTimeout(() => target.destroy(), delay + 5));
  source.on('error', () => {});
}

function open({ from, to, port }, delay) {
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (client) => {
    client.pause();
    setTimeout(() => {
      const upstream = connect({ host: to, port, noDelay: true, allowHalfOpen: true });
      let last = 'nobody';
      let count = 1;
      // Both sides greet unasked: the client's greeting at the start is no answer to anything.
      let clientSpoke = false;
      pass(client, upstream, delay, () => {
        if (last === 'server' || !clientSpoke) count++;
        clientSpoke = true;
        last = 'client';
      });
      pass(upstream, client, delay, () => {
        last = 'server';
      });
      client.on('close', () => {
        turns += count;
      });
      upstream.on('connect', () => client.resume());
    }, 2 * delay);
  });
  return new Promise((resolve) => server.listen({ host: from, port, backlog: 511 }, resolve));
}

process.on('message', async (message) => {
  if (message === 'turns') {
    process.send({ turns });
    turns = 0;
  } else {
    await Promise.all(message.ways.map((way) => open(way, message.delay)));
    process.send('ready');
  }
});
process.on('disconnect', () => process.exit());
