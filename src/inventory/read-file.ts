import { closeSync, constants, openSync, readSync } from 'node:fs';

/** Milliseconds that a pipe may say nothing: nobody can stop lvsctl while it waits for one. */
const PATIENCE = 10_000;

/** Thrown where a file is larger than what is read of it. */
export class TooLarge extends Error {}

/**
 * Reads UTF-8 text, no more than this many bytes: a device or a pipe may never end.
 * @throws TooLarge, TypeError where it is no UTF-8, and what the file system says
 */
export function readText(file: string, limit: number, options: { ignoreBOM?: boolean } = {}): string {
  const bytes = readUpTo(file, limit + 1);
  if (bytes.length > limit) throw new TooLarge(`${file} is larger than ${limit} bytes`);
  return new TextDecoder('utf-8', { fatal: true, ...options }).decode(bytes);
}

function readUpTo(file: string, limit: number): Buffer {
  // Opening a pipe that nobody writes into would wait for somebody.
  const handle = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const chunks: Buffer[] = [];
    let size = 0;
    while (size < limit) {
      const chunk = Buffer.alloc(Math.min(64 * 1024, limit - size));
      const count = readSome(handle, chunk);
      if (count === 0) break;
      chunks.push(chunk.subarray(0, count));
      size += count;
    }
    return Buffer.concat(chunks);
  } finally {
    closeSync(handle);
  }
}

/** Bytes that came into the chunk; 0 at the end. @throws ETIMEDOUT where a pipe says nothing for too long */
function readSome(handle: number, chunk: Buffer): number {
  for (const end = Date.now() + PATIENCE; ; ) {
    try {
      return readSync(handle, chunk);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error;
      if (Date.now() > end) throw Object.assign(new Error('nothing came out of the pipe'), { code: 'ETIMEDOUT' });
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    }
  }
}
