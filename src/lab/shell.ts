import type { Duplex } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import ssh2 from 'ssh2';
import { failure } from '../errors/index.ts';

export interface ShellOptions {
  host: string;
  stream: Duplex;
  privateKey: string;
  /** The host's key as in known_hosts: type and base64. */
  hostPublicKey: string;
  onStdout: (chunk: Buffer) => void;
  onStderr: (chunk: Buffer) => void;
  stdin?: NodeJS.ReadableStream;
  signal?: AbortSignal;
}

/** Words for a POSIX shell that arrive as they are. Pure. */
export function quoted(argv: readonly string[]): string {
  return argv.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
}

/**
 * Runs one command on a lab host over SSH and gives its exit code (128 + n where signal n ended it, as a shell would say,
 * or 255 where the signal is unknown). Output is passed on as it comes.
 * @throws LvsctlError `LAB-SSH` where the login fails or the connection is lost
 */
export function execute(argv: readonly string[], options: ShellOptions): Promise<number> {
  const client = new ssh2.Client();
  return new Promise<number>((resolve, reject) => {
    const lost = (why: string, cause?: unknown): void => {
      client.end();
      reject(
        failure(
          {
            code: 'LAB-SSH',
            place: { kind: 'host', host: options.host, phase: 'lab run' },
            what: why,
            next: 'See lvsctl lab status: it shows whether the host is up',
          },
          { cause },
        ),
      );
    };
    options.signal?.addEventListener('abort', () => lost('interrupted'), { once: true });
    client.on('error', (error) => lost(`SSH failed: ${error.message}`, error));
    client.on('close', () => lost('the connection was lost'));
    client.on('ready', () => {
      client.exec(quoted(argv), (error, channel) => {
        if (error !== undefined) return lost(error.message, error);
        channel.on('data', options.onStdout);
        channel.stderr.on('data', options.onStderr);
        if (options.stdin === undefined) channel.end();
        else options.stdin.pipe(channel);
        let code: number | undefined;
        channel.on('exit', (status: number | null) => {
          code = status ?? 255;
        });
        channel.on('close', () => {
          if (code === undefined) return lost('the connection was lost');
          resolve(code);
          client.end();
        });
      });
    });
    client.connect({
      sock: options.stream,
      username: 'root',
      privateKey: options.privateKey,
      hostVerifier: (key: Buffer) => `ssh-ed25519 ${key.toString('base64')}` === options.hostPublicKey,
      // Patient: the host may be busy starting.
      readyTimeout: 60_000,
      keepaliveInterval: 15_000,
    });
  });
}

/** Collects chunks as UTF-8 text, whole characters only. */
export function textSink(): { write: (chunk: Buffer) => void; text: () => string } {
  const decoder = new StringDecoder('utf8');
  let held = '';
  return {
    write: (chunk) => {
      held += decoder.write(chunk);
    },
    text: () => held + decoder.end(),
  };
}
