/** An SSH server that lets everybody in and then does what no sshd does. */
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import ssh2, { type Connection, type ServerChannel, type Session } from 'ssh2';
import type { Target } from '../../src/transport/types.ts';
import { keygen } from './sshd.ts';

/** What it does; each absent one is done as a good server does it. */
export interface Hostility {
  /** Sent before the login. */
  banner?: string;
  /** Banners without end in place of an answer to the login. */
  banners?: true;
  /** No answer to the login. */
  silent?: true;
  /** Asked to start a program. */
  exec?: (accept: () => ServerChannel, reject: () => void) => void;
  /** Asked for a session. */
  session?: (accept: () => Session, reject: () => void) => void;
}

export interface HostileServer {
  target: Target;
  /** Programs that were asked for. */
  asked(): number;
  stop(): Promise<void>;
}

export async function hostileServer(dir: string, name: string, how: Hostility): Promise<HostileServer> {
  const folder = join(dir, `hostile-${name.replaceAll(/\W+/g, '-')}`);
  keygen(`${folder}-key`);
  const clients = new Set<Connection>();
  let asked = 0;
  const server = new ssh2.Server(
    {
      hostKeys: [readFileSync(`${folder}-key`)],
      ...(how.banner === undefined ? {} : { banner: how.banner }),
    },
    (client) => {
      clients.add(client);
      client.on('error', () => undefined);
      client.on('close', () => clients.delete(client));
      client.on('authentication', (context) => {
        if (how.banners) floodBanners(client, clients);
        else if (!how.silent) context.accept();
      });
      client.on('session', (accept, reject) => {
        const open = () => {
          const session = accept();
          session.on('exec', (acceptExec, rejectExec) => {
            asked += 1;
            if (how.exec !== undefined) return how.exec(acceptExec, rejectExec ?? (() => undefined));
            const channel = acceptExec();
            channel.exit(0);
            channel.end();
          });
          return session;
        };
        if (how.session !== undefined) how.session(open, reject);
        else open();
      });
    },
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const knownHosts = `${folder}-known`;
  const [type, key] = readFileSync(`${folder}-key.pub`, 'utf8').split(' ');
  writeFileSync(knownHosts, `[127.0.0.1]:${address.port} ${type} ${key}\n`);
  return {
    target: {
      name,
      ssh: { address: '127.0.0.1', port: address.port, user: 'x', identityFile: `${folder}-key`, knownHosts },
    },
    asked: () => asked,
    async stop() {
      for (const client of clients) client.end();
      server.close();
      await once(server, 'close');
    },
  };
}

/** The inside of ssh2's server, which sends no banner but its first. */
interface Inside {
  _packetRW: { write: { allocStart: number; alloc(size: number): Buffer; finalize(packet: Buffer): Buffer } };
  _cipher: { encrypt(packet: Buffer): void };
}

/** SSH_MSG_USERAUTH_BANNER of RFC 4252, section 5.4, with 16 KiB of text, again and again. */
function floodBanners(client: Connection, alive: ReadonlySet<Connection>): void {
  const inside: Inside = Reflect.get(client, '_protocol');
  const size = 16 * 1024;
  const more = () => {
    if (!alive.has(client)) return;
    const { write } = inside._packetRW;
    const at = write.allocStart;
    const packet = write.alloc(1 + 4 + size + 4);
    packet[at] = 53;
    packet.writeUInt32BE(size, at + 1);
    packet.fill('x\n', at + 5, at + 5 + size);
    packet.writeUInt32BE(0, at + 5 + size);
    inside._cipher.encrypt(write.finalize(packet));
    setTimeout(more, 1);
  };
  more();
}
