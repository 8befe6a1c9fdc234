/** The bricks of the inventory's schema: patterns of text, lists, words, maps of names, durations, secrets. */
import { type Static, type TSchema, Type } from '@sinclair/typebox';

export const closed = { additionalProperties: false };

/** No control characters: such strings reach files and argument lists. */
export const PLAIN = '^[^\\u0000-\\u001f\\u007f-\\u009f]+$';
/** Text of several lines: tabs and newlines, no other control characters. */
export const TEXT = '^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f]*$';
export const NAME = '^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$';

export const text = (description: string, examples: string[], pattern = PLAIN) =>
  Type.String({ pattern, description, examples });
export const list = <T extends TSchema>(items: T, description: string) => Type.Array(items, { description });
export const words = <const T extends string>(values: readonly T[], description: string) =>
  Type.Unsafe<T>({ type: 'string', enum: [...values], description, examples: values.slice(0, 2) });

/** A map whose keys are names given by the operator. */
export const named = <T extends TSchema>(
  values: T,
  names: { pattern: string; maxLength?: number; description: string },
) =>
  Type.Unsafe<Record<string, Static<T>>>({
    type: 'object',
    description: names.description,
    propertyNames: { type: 'string', ...names },
    additionalProperties: values,
  });

/** Seconds as a number, or text with a unit; `parseDuration` reads it. */
export const duration = (description: string, examples: (number | string)[]) =>
  Type.Union([Type.Number({ minimum: 0 }), Type.String({ pattern: '^[0-9]+(\\.[0-9]+)?(ms|s|m|h)$' })], {
    description: `${description} In seconds, or with a unit (500ms, 2m).`,
    examples,
  });

export const port = (description: string, examples = [80]) =>
  Type.Integer({ minimum: 1, maximum: 65535, description, examples });

export const hostList = (description: string, examples = ['rs1', 'rs2']) =>
  Type.Array(text('A host or a group.', examples, NAME), { minItems: 1, uniqueItems: true, description });

/** A value that never stands in the inventory itself. */
export const Secret = Type.Object(
  {
    env: Type.Optional(
      text('An environment variable where lvsctl runs.', ['LVS_VRRP_PASS'], '^[A-Za-z_][A-Za-z0-9_]*$'),
    ),
    file: Type.Optional(text('A file beside the inventory; its first line counts.', ['./vrrp.pass'])),
    command: Type.Optional(
      text(
        'A command of the shell, run in the inventory’s folder where lvsctl runs; its first line of output counts.',
        ['pass show lvs/vrrp'],
      ),
    ),
  },
  {
    ...closed,
    minProperties: 1,
    description: 'A secret: from an environment variable, a file or a command, never a literal.',
    examples: [{ env: 'LVS_VRRP_PASS' }],
  },
);
