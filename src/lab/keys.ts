import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import ssh2 from 'ssh2';
import { withLock } from './lock.ts';

/** The lab's SSH keys: one pair for whoever controls it, one that all its hosts show. Made once a cache. */
export interface LabKeys {
  /** Path of the private key that logs in to every host as root; mode 0600. */
  identityFile: string;
  authorizedKey: string;
  hostKey: string;
  /** Type and base64, as in known_hosts. */
  hostPublicKey: string;
}

async function pair(file: string): Promise<{ private: string; public: string }> {
  const secret = await readFile(file, 'utf8').catch(() => undefined);
  const open = await readFile(`${file}.pub`, 'utf8').catch(() => undefined);
  if (secret !== undefined && open !== undefined) return { private: secret, public: open };
  const made = ssh2.utils.generateKeyPairSync('ed25519', { comment: 'lvsctl-lab' });
  await writeFile(file, `${made.private.trimEnd()}\n`, { mode: 0o600 });
  await writeFile(`${file}.pub`, `${made.public}\n`, { mode: 0o644 });
  return { private: `${made.private.trimEnd()}\n`, public: `${made.public}\n` };
}

/** The keys of this cache, made where they aren't there yet. */
export async function ensureKeys(cache: string): Promise<LabKeys> {
  const folder = join(cache, 'keys');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return await withLock(join(folder, 'lock'), async () => {
    const user = await pair(join(folder, 'lab_ed25519'));
    const host = await pair(join(folder, 'host_ed25519'));
    return {
      identityFile: join(folder, 'lab_ed25519'),
      authorizedKey: user.public,
      hostKey: host.private,
      hostPublicKey: host.public.trim().split(' ').slice(0, 2).join(' '),
    };
  });
}
