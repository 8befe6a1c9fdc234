import { openStream } from './control.ts';

/**
 * Connects this process's stdin and stdout to a port of a lab host, as ssh's ProxyCommand expects (ssh_config(5)).
 * Resolves when the host closes the connection.
 */
export async function main(socket: string, host: string, port: number): Promise<void> {
  const stream = await openStream(socket, host, port);
  process.stdin.pipe(stream);
  stream.pipe(process.stdout);
  await new Promise<void>((resolve) => {
    stream.once('end', () => resolve());
    stream.once('error', () => resolve());
    process.stdout.once('error', () => resolve());
  });
  stream.destroy();
  process.stdin.destroy();
}
