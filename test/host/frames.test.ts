import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Frame, frameParser } from '../../src/host/frames.ts';

const NONCE = '0123456789abcdef0123456789abcdef';

function framed(frames: readonly { words: string[]; content: Uint8Array }[], greeting = ''): Buffer {
  const parts = frames.flatMap(({ words, content }) => [Buffer.from(`\n${NONCE} ${words.join(' ')}\n`), content]);
  return Buffer.concat([Buffer.from(greeting), ...parts, Buffer.from(`\n${NONCE} bye\n`)]);
}

function read(bytes: Buffer, cuts: readonly number[]): { frames: Frame[]; ended: boolean } {
  const parser = frameParser(NONCE);
  const edges = [0, ...[...cuts].sort((a, b) => a - b), bytes.length];
  const frames = edges.slice(1).flatMap((edge, index) => parser.push(bytes.subarray(edges[index], edge)));
  return { frames, ended: parser.ended() };
}

const plain = (frames: readonly Frame[]) =>
  frames.map(({ words, content }) => ({ words, content: Buffer.from(content).toString('latin1') }));

const HOSTILE = [
  '',
  '\n',
  '\n\n',
  NONCE,
  `\n${NONCE}`,
  `${NONCE} bye\n`,
  `\n${NONCE.slice(0, 31)} bye\n`,
  `\n${NONCE.slice(0, 31)}e bye\n`,
  'lvsctl-engine\nbye\n\0\xff',
  'no newline at the end',
].map((text) => Buffer.from(text, 'latin1'));

describe('frames', () => {
  const frames = HOSTILE.map((content, index) => ({ words: ['content', `/path ${index}`], content }));
  const bytes = framed(frames, 'Welcome!\nlvsctl-engine\n');
  const expected = frames.map(({ content }, index) => ({
    words: ['content', '/path', String(index)],
    content: content.toString('latin1'),
  }));

  test('arrive whole wherever the stream is cut in two', () => {
    for (let at = 0; at <= bytes.length; at++) {
      const { frames: got, ended } = read(bytes, [at]);
      expect(plain(got)).toEqual(expected);
      expect(ended).toBe(true);
    }
  });

  test('arrive whole byte by byte', () => {
    expect(plain(read(bytes, [...bytes.keys()]).frames)).toEqual(expected);
  });

  test('any content survives any cuts', () => {
    const piece = fc.oneof(
      fc.constantFrom(...HOSTILE),
      fc.uint8Array({ maxLength: 50 }).map((array) => Buffer.from(array)),
    );
    const content = fc.array(piece, { maxLength: 4 }).map((pieces) => Buffer.concat(pieces));
    // The one content that could end a frame holds the nonce between a newline and a space, which nobody can guess.
    const fair = content.filter((bytes) => !bytes.includes(`\n${NONCE} `));
    fc.assert(
      fc.property(fc.array(fair, { maxLength: 5 }), fc.array(fc.nat(2000)), (contents, cuts) => {
        const all = framed(contents.map((each) => ({ words: ['x'], content: each })));
        const { frames: got } = read(
          all,
          cuts.map((cut) => cut % (all.length + 1)),
        );
        expect(plain(got)).toEqual(contents.map((each) => ({ words: ['x'], content: each.toString('latin1') })));
      }),
    );
  });

  test('a stream that stops short never counts as ended', () => {
    for (let length = 0; length < bytes.length; length++) {
      expect(read(bytes.subarray(0, length), []).ended).toBe(false);
    }
  });
});

test('a frame longer than is kept loses its middle, not its ends', () => {
  const parser = frameParser(NONCE, 100);
  const lines = Array.from({ length: 1000 }, (_, n) => `line ${n}\n`).join('');
  const frames = [...framed([{ words: ['op'], content: Buffer.from(lines) }])].flatMap((byte) =>
    parser.push(Uint8Array.of(byte)),
  );
  const text = Buffer.from(frames[0]?.content ?? []).toString();
  expect(text.startsWith('line 0\nline 1\n')).toBe(true);
  expect(text.endsWith('line 998\nline 999\n')).toBe(true);
  expect(text).toContain('[...]');
  expect(text.length).toBeLessThan(210);
});
