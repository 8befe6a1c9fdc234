const UNITS = { ms: 0.001, s: 1, m: 60, h: 3600 } as const;

/** Seconds of a duration as the schema takes it: a number, or text with a unit (`500ms`, `2m`). Pure. */
export function seconds(said: number | string): number {
  if (typeof said === 'number') return said;
  const [, number = '0', unit = 's'] = /^([0-9.]+)(ms|s|m|h)$/.exec(said) ?? [];
  const factor = UNITS[unit as keyof typeof UNITS];
  // Decimal fractions of a second without the noise of binary ones.
  return Math.round(Number(number) * factor * 1e6) / 1e6;
}
