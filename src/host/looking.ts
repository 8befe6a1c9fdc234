import type { Facts } from '../platform/facts.ts';
import type { Connection } from '../transport/types.ts';
import { parseFacts } from './facts.ts';
import type { Frame } from './frames.ts';
import { talk } from './session.ts';

export interface LookOptions {
  /** For errors; `observe` unless told. */
  phase?: string;
  /** Seconds. */
  timeout?: number;
  signal?: AbortSignal;
}

/**
 * Everything that a host tells of itself to one who has no inventory (`look.ts`), in one remote execution. Changes
 * nothing there.
 * @throws HOST-LOST, HOST-PROTOCOL, INTERRUPTED, and whatever the connection throws
 */
export async function look(
  connection: Connection,
  options: LookOptions,
): Promise<{ facts: Facts; parts: { words: string[]; text: string }[] }> {
  const { phase = 'observe', timeout, signal } = options;
  const host = await talk(connection, 'look', { phase, timeout, signal });
  try {
    const frames: Frame[] = [];
    for (let frame = await host.next(); frame !== undefined; frame = await host.next()) frames.push(frame);
    return {
      facts: parseFacts(frames),
      parts: frames.map(({ words, content }) => ({ words, text: new TextDecoder().decode(content) })),
    };
  } catch (error) {
    host.kill();
    throw error;
  }
}
