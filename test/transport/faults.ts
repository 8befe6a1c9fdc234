/** Servers and ways that misbehave, on loopback: what no real sshd can be asked to do. */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

export interface Fault {
  port: number;
  /** Connections so far. */
  count(): number;
  stop(): Promise<void>;
}

/** Does to each connection whatever it is told. `number` counts from 1. */
export async function faulty(act: (socket: Socket, number: number) => void): Promise<Fault> {
  const sockets = new Set<Socket>();
  let count = 0;
  const server: Server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    act(socket, ++count);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    count: () => count,
    async stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** The two halves of one connection through a proxy. */
export interface Pair {
  client: Socket;
  server: Socket;
  /** 1 for the first connection. */
  number: number;
}

/** A proxy to a port. `act` may pause, end or reset either half, or hand over bytes in its own way (then it returns true). */
export function proxy(
  port: number,
  act: (pair: Pair) => { toClient?: (chunk: Buffer) => void } | undefined,
): Promise<Fault> {
  return faulty((client, number) => {
    const server = connect({ port, host: '127.0.0.1', noDelay: true });
    server.on('error', () => client.destroy());
    const own = act({ client, server, number });
    client.on('data', (chunk) => server.write(chunk));
    server.on('data', (chunk: Buffer) => (own?.toClient ? own.toClient(chunk) : client.write(chunk)));
    client.on('close', () => server.destroy());
    server.on('close', () => client.destroy());
  });
}
