import type { Path } from './document.ts';

/** Defaults under what was said: maps merge, lists and single values replace. Pure. */
export function withDefaults<T>(defaults: unknown, said: T): T {
  if (!isMap(defaults) || !isMap(said)) return said;
  const merged: Record<string, unknown> = { ...defaults };
  for (const [key, value] of Object.entries(said))
    merged[key] = key in defaults ? withDefaults(defaults[key], value) : value;
  return merged as T;
}

/** Whether a value is a map. */
export function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether a value has something at a path. Pure. */
export function hasPath(value: unknown, [key, ...rest]: Path): boolean {
  if (key === undefined) return true;
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.hasOwn(value, key) &&
    hasPath(value[key as keyof typeof value], rest)
  );
}
