import { readFileSync } from 'node:fs';

/**
 * The processor cores that a lab may use, by number, from a list as in Cpus_allowed_list (proc_pid_status(5)): `0-2,5`.
 * Pure.
 */
export function coresOf(list: string): number[] {
  return [...list.matchAll(/([0-9]+)(?:-([0-9]+))?/gu)].flatMap(([, first, last = first]) =>
    Array.from({ length: Number(last) - Number(first) + 1 }, (_, index) => Number(first) + index),
  );
}

/** The cores that this process may use; none where /proc doesn't tell. */
export function ownCores(): number[] {
  const status = readFileSync('/proc/self/status', 'utf8');
  return coresOf(/^Cpus_allowed_list:\s*(.*)$/mu.exec(status)?.[1] ?? '');
}

/**
 * The core for each host of a lab, one after the other, from another one in each lab. A user-mode kernel hands every
 * system call of its processes from one process to another: on one core that is a switch, between two it wakes a core up.
 */
export function coreFor(index: number, lab: string, cores: readonly number[]): number | undefined {
  const start = [...lab].reduce((sum, letter) => sum + (letter.codePointAt(0) ?? 0), 0);
  return cores[(start + index) % cores.length];
}
