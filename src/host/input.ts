import { type FileHandle, open } from 'node:fs/promises';
import { failure } from '../errors/index.ts';
import type { Talk } from './session.ts';

/** Bytes that are read and sent at once: all that is held of a file, however long it is. */
const CHUNK = 256 * 1024;

/** A file of this machine, open to be sent as an operation's input. */
export interface InputFile {
  path: string;
  /** Bytes: so many are sent. */
  size: number;
  handle: FileHandle;
}

/** @throws APPLY-INPUT */
export async function openInput(path: string): Promise<InputFile> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, 'r');
    const found = await handle.stat();
    if (!found.isFile()) throw new Error('it is no regular file');
    return { path, size: found.size, handle };
  } catch (cause) {
    await handle?.close();
    throw unreadable(path, cause);
  }
}

/**
 * Sends the file's bytes as the host takes them. Done early, and without an error, where the host takes no more: its
 * answer says why.
 * @param stopped whether the operation has ended
 * @throws APPLY-INPUT when the file ends before its size, or can't be read
 */
export async function sendInput(host: Talk, { path, size, handle }: InputFile, stopped: () => boolean): Promise<void> {
  for (let sent = 0; sent < size && !stopped(); ) {
    // A buffer of its own each time: what was sent last may still stand in the connection's queue.
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK, size - sent));
    const { bytesRead } = await handle.read(buffer, 0, buffer.length).catch((cause: unknown) => {
      throw unreadable(path, cause);
    });
    if (bytesRead === 0) throw unreadable(path, new Error('it became shorter while it was sent'));
    const taken = await host.write(buffer.subarray(0, bytesRead)).then(
      () => true,
      () => false,
    );
    if (!taken) return;
    sent += bytesRead;
  }
  if (!stopped()) host.send(`${host.nonce}\n`);
}

function unreadable(path: string, cause: unknown) {
  const why = cause instanceof Error ? cause.message : String(cause);
  return failure(
    {
      code: 'APPLY-INPUT',
      place: { kind: 'file', file: path },
      what: `the file can’t be sent: ${why}`,
      next: 'Mend the file and run lvsctl apply again; the host keeps nothing of one that didn’t come whole.',
    },
    { cause },
  );
}
