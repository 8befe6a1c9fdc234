import type { LvsctlError } from '../../src/errors/index.ts';
import { LvsctlError as Expected } from '../../src/errors/index.ts';
import type { Connection, Exit } from '../../src/transport/types.ts';

/** Every byte of a stream. */
export async function all(stdout: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stdout) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** The words of a program in sh. */
export const sh = (script: string): string[] => ['sh', '-c', script];

/** Runs a program to its end. */
export async function run(
  connection: Connection,
  argv: readonly string[],
  input: string | Uint8Array = '',
): Promise<{ stdout: string; stderr: string; exit: Exit }> {
  const session = await connection.open(argv, { phase: 'test' });
  if (input.length > 0) await session.write(input);
  session.end();
  const stdout = (await all(session.stdout)).toString();
  const exit = await session.exit;
  return { stdout, stderr: session.stderr(), exit };
}

/** The error that a promise is expected to end with; fails where it doesn't, or with one that isn't ours. */
export async function failureOf(promise: Promise<unknown>): Promise<LvsctlError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Expected) return error;
    throw error;
  }
  throw new Error('expected a failure');
}

/** The code of that error. */
export async function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  return (await failureOf(promise)).problems[0]?.code;
}
