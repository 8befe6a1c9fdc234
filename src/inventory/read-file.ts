import { closeSync, openSync, readSync } from 'node:fs';

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
  const handle = openSync(file, 'r');
  try {
    const chunks: Buffer[] = [];
    let size = 0;
    while (size < limit) {
      const chunk = Buffer.alloc(Math.min(64 * 1024, limit - size));
      const count = readSync(handle, chunk);
      if (count === 0) break;
      chunks.push(chunk.subarray(0, count));
      size += count;
    }
    return Buffer.concat(chunks);
  } finally {
    closeSync(handle);
  }
}
