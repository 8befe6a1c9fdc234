import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readText, TooLarge } from '../../src/inventory/read-file.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lvsctl-read-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const pipe = (name: string): string => {
  const path = join(folder, name);
  execFileSync('sh', ['-c', 'mkfifo "$0"', path]);
  return path;
};

test('a pipe that nobody writes into is empty, and waits for nobody', () => {
  expect(readText(pipe('silent'), 100)).toBe('');
});

test('a pipe is read to its end, however slowly it comes', () => {
  const path = pipe('slow');
  // The writer opens it for reading too: it doesn't wait for a reader, and its end is open before this looks.
  const writer = spawn('sh', ['-c', `exec 3<>"${path}"; echo open; sleep 0.3; echo one >&3; sleep 0.3; echo two >&3`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return new Promise<void>((resolve, reject) => {
    writer.stdout.once('data', () => {
      try {
        expect(readText(path, 100)).toBe('one\ntwo\n');
        resolve();
      } catch (error) {
        reject(error);
      }
    });
  });
});

test('what is too long is not read to its end', () => {
  expect(() => readText('/dev/zero', 100)).toThrow(TooLarge);
  const path = join(folder, 'file');
  writeFileSync(path, 'x'.repeat(101));
  expect(() => readText(path, 100)).toThrow(TooLarge);
  expect(readText(path, 101)).toHaveLength(101);
});
