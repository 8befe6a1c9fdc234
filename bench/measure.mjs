/** Runs a program once and says what it cost. */
import { spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { FARM } from './farm.mjs';
import { ROOT } from './work.mjs';

/** bash's `time`: wall, user and system seconds of the program and of all its children that it waited for. */
const TIMED = `exec 3>&2
TIMEFORMAT='%3R %3U %3S'
{ time "$@" >"$BENCH_OUT" 2>"$BENCH_ERR"; } 2>&3`;

/** @returns {Promise<{ wall: number, cpu: number, code: number, out: string, err: string }>} times in seconds */
export async function run(argv, environment = {}) {
  const files = { BENCH_OUT: `${FARM}/out`, BENCH_ERR: `${FARM}/err` };
  const child = spawn('bash', ['-c', TIMED, 'bash', ...argv], {
    env: { ...process.env, ...files, ...environment },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    said += text;
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  const [wall, user, system] = said.trim().split(/\s+/).map(Number);
  const out = readFileSync(files.BENCH_OUT, 'utf8');
  const err = readFileSync(files.BENCH_ERR, 'utf8');
  return { wall, cpu: user + system, code, out, err };
}

/** Peak memory of a Node program in MiB, in a run of its own. */
export async function peak(argv) {
  const file = `${FARM}/peak`;
  rmSync(file, { force: true });
  await run([process.execPath, '--require', join(ROOT, 'bench/peak.cjs'), ...argv.slice(1)], { BENCH_PEAK: file });
  return Number(readFileSync(file, 'utf8')) / 1024;
}

/** @param {number[]} values */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
