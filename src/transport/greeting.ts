import type { Duplex } from 'node:stream';

/** More than any server says before its identification (OpenSSH's client gives up there too, by lines). */
const LIMIT = 64 * 1024;

/** What a server said before its identification string, as it came. */
export interface Greeting {
  identified(): boolean;
  text(): string;
}

/**
 * Holds back the first bytes of a stream until the server's identification line is complete, and hands them on as one
 * chunk. Two reasons: ssh2 loses bytes of a line that comes in more than two pieces, and whoever accepts the
 * connection but isn't an SSH server (or is one that is full) can be told by what it says instead.
 * After that line the stream is as it was: no wrapper, no cost for a chunk.
 */
export function watchGreeting(stream: Duplex, tooMuch: () => void): Greeting {
  const parts: Buffer[] = [];
  let size = 0;
  let identified = false;
  const emit = stream.emit.bind(stream);
  const held = (event: string | symbol, ...args: unknown[]): boolean => {
    const [chunk] = args;
    if (event !== 'data' || !Buffer.isBuffer(chunk)) return emit(event, ...args);
    parts.push(chunk);
    size += chunk.length;
    const whole = Buffer.concat(parts);
    if (hasIdentification(whole)) {
      identified = true;
      parts.length = 0;
      Reflect.deleteProperty(stream, 'emit');
      return stream.emit('data', whole);
    }
    if (size > LIMIT) {
      Reflect.deleteProperty(stream, 'emit');
      tooMuch();
    }
    return true;
  };
  stream.emit = held;
  return { identified: () => identified, text: () => Buffer.concat(parts).toString('latin1') };
}

/** RFC 4253, section 4.2: other lines may come before the one that starts with `SSH-`. */
function hasIdentification(bytes: Buffer): boolean {
  let start = 0;
  for (;;) {
    const end = bytes.indexOf(0x0a, start);
    if (end < 0) return false;
    if (bytes.toString('latin1', start, start + 4) === 'SSH-') return true;
    start = end + 1;
  }
}
