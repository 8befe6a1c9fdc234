/** One frame of the host program's answer: the words of its separator, and the exact bytes up to the next one. */
export interface Frame {
  words: string[];
  content: Uint8Array;
}

export interface FrameParser {
  /** Takes the next bytes, however they were split; returns the frames that they completed. */
  push(chunk: Uint8Array): Frame[];
  /** Whether the last frame, `bye`, has begun: nothing follows it. */
  ended(): boolean;
  /** Bytes taken so far. */
  total(): number;
  /** The beginning of what came before the first frame. */
  greeting(): string;
  /** Whether a separator has no end: no program of ours says so many words. */
  endless(): boolean;
}

/** Bytes of a greeting that are kept, and bytes that a separator may have. */
const GREETING = 500;
const LONGEST_SEPARATOR = 64 * 1024;

/**
 * Reads frames from raw bytes. A separator is `\n<nonce> <words>\n`; what comes before the first one (a login
 * script's greeting) is skipped. Content is whatever stands between, byte for byte.
 * @param nonce what begins every separator; random, so no content can imitate one
 * @param keep bytes of one frame's content that are kept: what is longer loses its middle
 */
export function frameParser(nonce: string, keep = Number.POSITIVE_INFINITY): FrameParser {
  const needle = Buffer.from(`\n${nonce} `);
  let buffer: Buffer = Buffer.alloc(0);
  let open: { words: string[]; kept: Buffer[]; size: number } | undefined;
  let ended = false;
  let total = 0;
  let greeting: Buffer = Buffer.alloc(0);

  const addContent = (bytes: Buffer): void => {
    if (open === undefined && greeting.length < GREETING)
      greeting = Buffer.concat([greeting, bytes.subarray(0, GREETING)]);
    if (open === undefined || bytes.length === 0) return;
    open.kept.push(Buffer.from(bytes));
    open.size += bytes.length;
    if (open.size > 2 * keep) {
      const all = Buffer.concat(open.kept);
      open.kept = [all.subarray(0, keep / 2), Buffer.from('\n[...]\n'), all.subarray(all.length - keep / 2)];
      open.size = keep + '\n[...]\n'.length;
    }
  };

  const take = (): Frame | 'more' | 'again' => {
    const at = buffer.indexOf(needle);
    if (at < 0) {
      // The needle may begin in the last bytes: those wait for the next chunk.
      const safe = Math.max(0, buffer.length - needle.length + 1);
      addContent(buffer.subarray(0, safe));
      buffer = buffer.subarray(safe);
      return 'more';
    }
    const lineEnd = buffer.indexOf(0x0a, at + needle.length);
    if (lineEnd < 0) return 'more';
    addContent(buffer.subarray(0, at));
    const words = buffer
      .subarray(at + needle.length, lineEnd)
      .toString('utf8')
      .split(' ');
    buffer = buffer.subarray(lineEnd + 1);
    const finished = open;
    open = { words, kept: [], size: 0 };
    if (words[0] === 'bye') ended = true;
    return finished === undefined ? 'again' : { words: finished.words, content: Buffer.concat(finished.kept) };
  };

  return {
    push(chunk) {
      total += chunk.length;
      buffer = buffer.length === 0 ? Buffer.from(chunk) : Buffer.concat([buffer, chunk]);
      const frames: Frame[] = [];
      while (!ended) {
        const taken = take();
        if (taken === 'more') break;
        if (taken !== 'again') frames.push(taken);
      }
      return frames;
    },
    ended: () => ended,
    total: () => total,
    greeting: () =>
      Buffer.concat([greeting, open === undefined ? buffer : Buffer.alloc(0)]).toString('utf8', 0, GREETING),
    endless: () => buffer.length > LONGEST_SEPARATOR,
  };
}
