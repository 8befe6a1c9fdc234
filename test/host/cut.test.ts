import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { execute, observe } from '../../src/host/client.ts';
import type { Connection, Session } from '../../src/transport/types.ts';
import { failureOf } from '../transport/io.ts';
import { localShell } from './local-shell.ts';

/** Answers of the real program, cut off after every single byte, and with parts of them twice. */

const NONCE = /lvsctl-engine\n([0-9a-f]{32})\n/;
/** Stands for the nonce in what was noted; as long as it. */
const PLACE = '@'.repeat(32);

const ops = ['a', 'b', 'c'].map((id) => ({ name: 'lease_break', args: [id] }));
const look = (connection: Connection) => observe(connection, { facts: [], desire: () => [] });

let root: string;
let looked = '';
let did = '';

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'lvsctl-cut-'));
  mkdirSync(join(root, 'bin'));
  writeFileSync(join(root, 'bin/sync'), '#!/bin/sh\n');
  chmodSync(join(root, 'bin/sync'), 0o755);
  looked = await answerOf(look);
  did = await answerOf((connection) => execute(connection, ops));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** All that the host says in a conversation. */
async function answerOf(talk: (connection: Connection) => Promise<unknown>): Promise<string> {
  const real = localShell({ env: { LVSCTL_ROOT: root, PATH: `${join(root, 'bin')}:${process.env.PATH}` } });
  let nonce = '';
  let said = '';
  const open: Connection['open'] = async (argv, options) => {
    const session = await real.open(argv, options);
    const write: Session['write'] = (chunk) => {
      nonce = NONCE.exec(chunk.toString())?.[1] ?? nonce;
      return session.write(chunk);
    };
    async function* stdout() {
      for await (const chunk of session.stdout) {
        said += Buffer.from(chunk).toString('latin1');
        yield chunk;
      }
    }
    return { ...session, write, stdout: stdout() };
  };
  await talk({ ...real, open });
  return said.replaceAll(nonce, PLACE);
}

/** A host that says this, whatever it is asked, and ends well. */
function saying(answer: string): Connection {
  const open = async (): Promise<Session> => {
    const stdout = new PassThrough();
    return {
      write: async (chunk) => {
        const nonce = NONCE.exec(chunk.toString())?.[1];
        if (nonce !== undefined) stdout.end(Buffer.from(answer.replaceAll(PLACE, nonce), 'latin1'));
      },
      end: () => undefined,
      stdout,
      stderr: () => '',
      exit: Promise.resolve({ code: 0, signal: null }),
      kill: () => undefined,
    };
  };
  return { host: 'here', open, close: async () => undefined };
}

/** How long an answer is before its last frame has begun: from there on nothing is missing. */
const whole = (answer: string) => answer.indexOf(`\n${PLACE} bye\n`) + `\n${PLACE} bye\n`.length;

test('an observation that is cut off, wherever, is an error', async () => {
  for (let length = 0; length < whole(looked); length++) {
    const error = await failureOf(look(saying(looked.slice(0, length))));
    expect(error.problems[0]?.code).toBe('HOST-LOST');
  }
  await look(saying(looked));
});

test('an answer to operations that is cut off, wherever, is an error, and tells of none that is not known to be done', async () => {
  for (let length = 0; length < whole(did); length++) {
    const told: string[] = [];
    const cut = did.slice(0, length);
    const onOp = ({ op, status }: { op: { args: string[] }; status: string }) => told.push(`${op.args[0]} ${status}`);
    const error = await failureOf(execute(saying(cut), ops, { onOp }));
    expect(error.problems[0]?.code).toBe('HOST-LOST');
    // A result is whole when something comes after it.
    const results = cut
      .split(/\n@{32} result 0 \d\n/)
      .slice(1)
      .filter((rest) => /^\n@{32} \w+\n/.test(rest));
    expect(told).toEqual(['a done', 'b done', 'c done'].slice(0, results.length));
  }
  expect((await execute(saying(did), ops)).map(({ status }) => status)).toEqual(['done', 'done', 'done']);
});

test('the result of one operation that comes twice is never taken for the next one’s', async () => {
  const frames = did.slice(0, whole(did)).split(/(?=\n@{32} )/);
  // What comes after the last result tells nothing more.
  const last = frames.findLastIndex((frame) => / result 0 \d\n$/.test(frame));
  for (const [index, frame] of frames.slice(0, last).entries()) {
    for (const length of [1, 2, 3, 4]) {
      const part = frames.slice(index, index + length).join('');
      // A program that says twice that it waits has said nothing.
      if (length === 1 && / waiting\n$/.test(frame)) continue;
      if (frame === '' || index + length > last) continue;
      const twice = [...frames.slice(0, index), part, ...frames.slice(index)].join('');
      const error = await failureOf(execute(saying(twice), ops));
      expect(error.problems[0]?.code).toBe('HOST-PROTOCOL');
    }
  }
});
