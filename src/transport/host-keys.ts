import { appendFile, mkdir, open, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { addLines, emptyKnownHosts, type KnownHosts, newLine, parseKnownHosts } from './known-hosts.ts';

/** The known_hosts files of one run, each read once, and the one way a key gets into them. */
export interface HostKeyFiles {
  /** The lines of all these files; a file that isn't there has none. */
  load(files: readonly string[]): Promise<KnownHosts>;
  /** Appends a key to the first of the files (0600, and its folder 0700, if new) and to what is loaded. */
  remember(files: readonly string[], name: string, key: { type: string; base64: string }, hash: boolean): Promise<void>;
}

export function hostKeyFiles(): HostKeyFiles {
  const loaded = new Map<string, Promise<KnownHosts>>();
  let writing: Promise<void> = Promise.resolve();

  const load = (files: readonly string[]): Promise<KnownHosts> => {
    const id = files.join('\0');
    let known = loaded.get(id);
    if (!known) {
      known = read(files);
      loaded.set(id, known);
    }
    return known;
  };

  return {
    load,
    remember(files, name, key, hash) {
      const file = files[0];
      if (file === undefined) return Promise.resolve();
      // One after the other: two hosts must not share a line.
      const done = writing.then(async () => {
        const line = newLine(name, key, hash);
        await append(file, line);
        addLines(await load(files), parseKnownHosts(line, file));
      });
      writing = done.catch(() => {});
      return done;
    },
  };
}

async function read(files: readonly string[]): Promise<KnownHosts> {
  const known = emptyKnownHosts();
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return '';
      throw error;
    });
    addLines(known, parseKnownHosts(text, file));
  }
  return known;
}

async function append(file: string, line: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const before = await lastByte(file);
  await appendFile(file, before === undefined || before === 0x0a ? line : `\n${line}`, { mode: 0o600 });
}

/** The last byte of a file; undefined where it is empty or absent. */
async function lastByte(file: string): Promise<number | undefined> {
  const handle = await open(file, 'r').catch(() => undefined);
  if (!handle) return undefined;
  try {
    const { size } = await handle.stat();
    if (size === 0) return undefined;
    const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, size - 1);
    return buffer[0];
  } finally {
    await handle.close();
  }
}
