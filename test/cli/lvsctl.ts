import { type ExecaError, execa } from 'execa';

/** What a run of the built program gave. */
export interface Run {
  code: number;
  out: string;
  err: string;
}

/** Runs the built lvsctl without a terminal. */
export async function lvsctl(
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<Run> {
  const program = new URL('../../dist/lvsctl.js', import.meta.url).pathname;
  const result = await execa(process.execPath, [program, ...args], {
    reject: false,
    stdin: 'ignore',
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { NO_COLOR: '1', ...options.env },
  });
  const failed = result as Partial<ExecaError>;
  if (result.exitCode === undefined) throw new Error(`lvsctl did not end by itself: ${String(failed.shortMessage)}`);
  return { code: result.exitCode, out: result.stdout, err: result.stderr };
}
