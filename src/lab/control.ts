import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { failure } from '../errors/index.ts';
import type { Hold, MachineStatus, Reply, Request } from './protocol.ts';
import { line, readLine } from './wire.ts';

function open(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path, allowHalfOpen: true });
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(socket);
    });
    socket.once('error', reject);
  });
}

/** Whether a supervisor listens at that socket. */
export async function listens(path: string): Promise<boolean> {
  return await open(path).then(
    (socket) => {
      socket.destroy();
      return true;
    },
    () => false,
  );
}

function parse(text: string): MachineStatus[] {
  const reply = JSON.parse(text) as Reply;
  if (reply.ok) return reply.hosts;
  throw failure({
    code: 'LAB-REFUSED',
    place: { kind: 'none' },
    what: `the lab could not do that: ${reply.what}`,
    next: 'See lvsctl lab status: it shows how its hosts are',
  });
}

function gone(cause: unknown) {
  return failure(
    {
      code: 'LAB-GONE',
      place: { kind: 'none' },
      what: 'the lab ended or does not answer',
      next: 'Start it anew: lvsctl lab down, then lvsctl lab up',
    },
    { cause },
  );
}

async function begin(path: string, request: Request): Promise<{ socket: Socket; hosts: MachineStatus[] }> {
  let socket: Socket | undefined;
  let answer: string;
  try {
    socket = await open(path);
    socket.write(line(request));
    answer = await readLine(socket);
  } catch (error) {
    socket?.destroy();
    throw gone(error);
  }
  try {
    return { socket, hosts: parse(answer) };
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** Asks a lab's supervisor one thing and gives its hosts' state afterwards. */
export async function ask(
  path: string,
  request: Exclude<Request, { op: 'stream' | 'watch' }>,
): Promise<MachineStatus[]> {
  const { socket, hosts } = await begin(path, request);
  socket.destroy();
  return hosts;
}

/**
 * A byte stream to a port of a host, opened inside the lab's network.
 * @throws LvsctlError `LAB-GONE`, `LAB-REFUSED`
 */
export async function openStream(path: string, host: string, port: number): Promise<Duplex> {
  const { socket } = await begin(path, { op: 'stream', host, port });
  return socket;
}

/** Ties the lab to this process: it ends when the process does, however that ends. */
export async function tie(path: string): Promise<void> {
  const { socket } = await begin(path, { op: 'watch', hold: 'always' });
  socket.on('error', () => socket.destroy());
  socket.resume();
  socket.unref();
}

/**
 * Follows the hosts' states until `done` says so.
 * The lab ends by itself when this process goes away meanwhile, as `hold` says.
 */
export async function follow(
  path: string,
  options: { hold: Hold; signal?: AbortSignal },
  done: (hosts: MachineStatus[]) => boolean,
): Promise<MachineStatus[]> {
  const { socket, hosts } = await begin(path, { op: 'watch', hold: options.hold });
  const abort = (): void => void socket.destroy();
  options.signal?.addEventListener('abort', abort, { once: true });
  try {
    let now = hosts;
    while (!done(now)) {
      options.signal?.throwIfAborted();
      now = parse(await readLine(socket).catch((error) => Promise.reject(gone(error))));
    }
    return now;
  } finally {
    options.signal?.removeEventListener('abort', abort);
    socket.destroy();
  }
}
