import { LvsctlError } from '../errors/index.ts';
import { type Look, lookAfter, type Seen } from '../verify/health.ts';
import type { Run } from './run.ts';

/** Lets a host look, over a connection that is open; nothing from one without. @throws the transport's errors */
export async function look(name: string, looks: readonly Look[], run: Run): Promise<Seen[]> {
  const connection = run.connections.get(name) ?? run.course.watch.askers.get(name);
  if (connection === undefined || looks.length === 0) return [];
  return lookAfter(connection, looks);
}

/** Who looks can be lost, which says nothing of what is looked after. */
export async function tried(looking: Promise<Seen[]>): Promise<Seen[]> {
  try {
    return await looking;
  } catch (error) {
    if (error instanceof LvsctlError) return [];
    throw error;
  }
}
