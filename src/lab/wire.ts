import type { Socket } from 'node:net';
import type { Reply, Request } from './protocol.ts';

const LONGEST_LINE = 1024 * 1024;

/**
 * Reads one line and leaves the stream paused, the rest of the bytes still in it.
 * @throws Error when the stream ends first or the line is too long
 */
export function readLine(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let held = Buffer.alloc(0);
    const settle = (finish: () => void): void => {
      socket.off('readable', onReadable).off('end', onEnd).off('close', onEnd).off('error', onError);
      finish();
    };
    const onEnd = (): void => settle(() => reject(new Error('the connection was closed')));
    const onError = (error: Error): void => settle(() => reject(error));
    const onReadable = (): void => {
      for (let chunk = socket.read() as Buffer | null; chunk !== null; chunk = socket.read() as Buffer | null) {
        held = Buffer.concat([held, chunk]);
        const at = held.indexOf(10);
        if (at >= 0) {
          const rest = held.subarray(at + 1);
          settle(() => {
            if (rest.length > 0) socket.unshift(rest);
            resolve(held.subarray(0, at).toString('utf8'));
          });
          return;
        }
        if (held.length > LONGEST_LINE) {
          onError(new Error('the line is too long'));
          return;
        }
      }
    };
    socket.on('readable', onReadable).on('end', onEnd).on('close', onEnd).on('error', onError);
    onReadable();
  });
}

/** One message as a line. */
export function line(message: Request | Reply): string {
  return `${JSON.stringify(message)}\n`;
}
