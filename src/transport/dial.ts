/** Streams to an SSH port: TCP of our own (ssh2's leaves Nagle on, which doubles the time to connect), or a ProxyCommand. */
import { spawn } from 'node:child_process';
import { connect } from 'node:net';
import { Duplex, Readable, Writable } from 'node:stream';

/** A connected socket with TCP_NODELAY. Rejects with the system's error, or with the signal's reason. */
export function dialTcp(host: string, port: number, family: 0 | 4 | 6, signal: AbortSignal): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, family, noDelay: true, autoSelectFamily: family === 0 });
    const aborted = () => {
      socket.destroy();
      reject(signal.reason);
    };
    const failed = (error: Error) => {
      signal.removeEventListener('abort', aborted);
      reject(error);
    };
    if (signal.aborted) return aborted();
    signal.addEventListener('abort', aborted, { once: true });
    socket.once('error', failed);
    socket.once('connect', () => {
      signal.removeEventListener('abort', aborted);
      socket.removeListener('error', failed);
      // Between this listener and the protocol's own a reset must not be an unhandled error.
      socket.on('error', () => {});
      resolve(socket);
    });
  });
}

/** The result of `work`, unless the signal comes first: then its reason is thrown, and a stream that comes later is closed. */
export function unlessAborted(work: Promise<Duplex>, signal: AbortSignal): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const aborted = () => reject(signal.reason);
    if (signal.aborted) aborted();
    signal.addEventListener('abort', aborted, { once: true });
    work.then((stream) => {
      signal.removeEventListener('abort', aborted);
      if (signal.aborted) stream.destroy();
      else resolve(stream);
    }, reject);
  });
}

/**
 * The stdio of a ProxyCommand, run as ssh(1) does: by the shell, with exec; but in a process group of its own, so
 * that Ctrl-C doesn't end it. It ends with the stream; where it ends by
 * itself with a failure, that is the stream's error, with the last of what it said on stderr.
 */
export function dialCommand(command: string): Duplex {
  const child = spawn('/bin/sh', ['-c', `exec ${command}`], { stdio: 'pipe', detached: true });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-1000);
  });
  const closed = new Promise<number | null>((resolve) => child.once('close', resolve));
  async function* output(): AsyncGenerator<Buffer> {
    for await (const chunk of child.stdout) yield chunk;
    const code = await closed;
    if (code !== 0) throw new Error(`the ProxyCommand ended with ${code}: ${said.trim()}`);
  }
  // A command that ends closes its stdin first; that must not hide what it said.
  const input = new Writable({
    write: (chunk, _encoding, done) => void (child.stdin.writable ? child.stdin.write(chunk, () => done()) : done()),
    final: (done) => {
      child.stdin.end();
      done();
    },
  });
  const stream = Duplex.from({ readable: Readable.from(output(), { objectMode: false }), writable: input });
  child.stdin.on('error', () => {});
  child.once('error', (error) => stream.destroy(error));
  stream.on('error', () => {});
  stream.once('close', () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
  });
  return stream;
}
