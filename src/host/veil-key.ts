import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import envPaths from 'env-paths';
import { failure } from '../errors/index.ts';

/** Where the key stands: below `LVSCTL_STATE`, or in the user's data folder. */
export function keyFile(): string {
  return join(resolve(process.env.LVSCTL_STATE ?? envPaths('lvsctl', { suffix: '' }).data), 'key');
}

/**
 * The operator's own key, for hashes that a plan may hold: 32 bytes, made at first use, readable by the owner alone.
 * @throws SECRET-KEY where it can't be kept to oneself
 */
export function readKey(file = keyFile()): Uint8Array {
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(file, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600, flag: 'wx' });
  } catch (cause) {
    if (!(cause instanceof Error && 'code' in cause && cause.code === 'EEXIST')) throw unusable(file, cause);
  }
  let text: string;
  try {
    const { mode } = statSync(file);
    if ((mode & 0o077) !== 0) throw new Error('others may read it');
    text = readFileSync(file, 'utf8').trim();
  } catch (cause) {
    throw unusable(file, cause);
  }
  if (!/^[0-9a-f]{64}$/.test(text)) throw unusable(file, new Error('it is not whole'));
  return Buffer.from(text, 'hex');
}

function unusable(file: string, cause: unknown) {
  const why = cause instanceof Error ? cause.message : String(cause);
  return failure(
    {
      code: 'SECRET-KEY',
      place: { kind: 'file', file },
      what: `the key that hides secrets in plans can’t be used: ${why}`,
      next: 'Remove it, and lvsctl makes another (saved plans then have to be made again); or set LVSCTL_STATE to a folder of your own.',
    },
    { cause },
  );
}
