/** Streams to an SSH port: TCP of our own (ssh2's leaves Nagle on, which doubles the time to connect), or a ProxyCommand. */
import { spawn } from 'node:child_process';
import { connect } from 'node:net';
import { Duplex } from 'node:stream';

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

/**
 * The stdio of a ProxyCommand, run as ssh(1) does: by the shell, with exec. What it says on stderr is handed to
 * `said` piece by piece; it ends with the stream.
 */
export function dialCommand(command: string, said: (text: string) => void): Duplex {
  const child = spawn('/bin/sh', ['-c', `exec ${command}`], { stdio: ['pipe', 'pipe', 'pipe'] });
  const stream = Duplex.from({ readable: child.stdout, writable: child.stdin });
  child.stderr.setEncoding('utf8').on('data', said);
  child.stdin.on('error', () => {});
  child.on('error', (error) => stream.destroy(error));
  stream.on('error', () => {});
  stream.once('close', () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
  });
  return stream;
}
