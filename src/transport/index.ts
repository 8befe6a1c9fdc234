import type { TransportOptions } from './options.ts';
import type { Transport } from './types.ts';

export type { TransportOptions } from './options.ts';

/** The three ways to a host: node-ssh (the default), the system's `ssh`, and this machine itself. */
export const TRANSPORTS = ['node-ssh', 'openssh', 'local'] as const;
export type TransportKind = (typeof TRANSPORTS)[number];

/** Makes a transport. Its libraries load here and not before: commands that talk to no host don't pay for them. */
export async function createTransport(kind: TransportKind, options: TransportOptions = {}): Promise<Transport> {
  switch (kind) {
    case 'node-ssh':
      return (await import('./node-ssh.ts')).nodeSshTransport(options);
    case 'openssh':
      return (await import('./openssh.ts')).opensshTransport(options);
    case 'local':
      return (await import('./local.ts')).localTransport(options);
  }
}
