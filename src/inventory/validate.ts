import type { ErrorObject } from 'ajv';
import type { Problem } from '../errors/index.ts';
import type { Path, SourceDocument } from './document.ts';
import { validate } from './generated/validate.js';
import type { Inventory } from './schema.ts';
import { suggest, suggestion } from './suggest.ts';
import { typeHint } from './yaml-surprises.ts';

/** What a document is: an inventory, or one but for the problems; `inventory` then is what is left without them. */
export interface Validated {
  inventory: Inventory | undefined;
  problems: Problem[];
  /** Paths (joined by NUL) of what was left out. */
  pruned: ReadonlySet<string>;
}

/**
 * Checks a document against the schema: one problem for one mistake, all of them at once. What is wrong is left out
 * of `inventory`, so that the rest can be checked further. Pure.
 */
export function validateDocument(document: SourceDocument): Validated {
  if (validate(document.value)) return { inventory: document.value, problems: [], pruned: new Set() };
  const mistakes = mistakesOf(validate.errors ?? []);
  const problems = mistakes.map(({ error, choice }) => problemOf(document, error, choice));
  const pruned = new Set<string>();
  let rest: unknown = structuredClone(document.value);
  // Leaving something out can make something else incomplete, which is then left out too.
  for (let round = 0; round < 8 && !validate(rest); round += 1) {
    for (const { error } of mistakesOf(validate.errors ?? [])) {
      const path = culprit(error);
      if (path.length === 0) {
        const filler = FILLERS[String(error.params.missingProperty)];
        if (filler === undefined) return { inventory: undefined, problems, pruned };
        pruned.add(Object.keys(filler).join());
        rest = { ...Object(rest), ...filler };
        continue;
      }
      pruned.add(path.join('\0'));
      rest = without(rest, path);
    }
  }
  return { inventory: validate(rest) ? rest : undefined, problems, pruned };
}

/** What stands in for what a file lacks at its top, so that the rest of it can be checked. */
const FILLERS: Readonly<Record<string, object>> = { version: { version: 1 }, name: { name: 'unnamed' } };

/** An error, and the choice whose branch it is about. */
interface Mistake {
  error: ErrorObject;
  choice?: ErrorObject;
}

/** One error for each mistake: of a choice's branches the one that was meant, of several at a place the first that tells. */
function mistakesOf(errors: readonly ErrorObject[]): Mistake[] {
  const choices = errors.filter((error) => error.keyword === 'anyOf');
  const inBranch = (error: ErrorObject) =>
    choices.find(
      (choice) =>
        error !== choice &&
        error.schemaPath.startsWith(`${choice.schemaPath}/`) &&
        error.instancePath.startsWith(choice.instancePath),
    );
  const chosen = new Map<ErrorObject, ErrorObject>();
  const open = new Set<ErrorObject>();
  for (const choice of choices) {
    const branches = new Map<string, ErrorObject[]>();
    for (const error of errors.filter((error) => inBranch(error) === choice)) {
      const branch = error.schemaPath.slice(choice.schemaPath.length + 1).split('/', 1)[0] ?? '';
      branches.set(branch, [...(branches.get(branch) ?? []), error]);
    }
    const fitting = [...branches.values()].filter(
      (branch) => !branch.some((error) => error.keyword === 'type' && error.instancePath === choice.instancePath),
    );
    const [meant = []] = fitting;
    const tells = fitting.length === 1 && !meant.some(({ keyword }) => keyword === 'const');
    if (tells) open.add(choice);
    for (const error of tells ? meant : [choice]) if (!chosen.has(error)) chosen.set(error, choice);
  }
  // A choice within a choice: told by its branch, and only where the outer one is told by the branch that it is in.
  const hiddenBy = (choice: ErrorObject): boolean => {
    const outer = inBranch(choice);
    return outer !== undefined && (!open.has(outer) || hiddenBy(outer));
  };
  for (const [error, choice] of chosen) if (open.has(error) || hiddenBy(choice)) chosen.delete(error);
  const candidates = errors.filter(
    (error) => chosen.has(error) || (error.keyword !== 'anyOf' && inBranch(error) === undefined),
  );
  const wrongType = new Set(candidates.filter((error) => error.keyword === 'type').map((error) => error.instancePath));
  const unknown = candidates.filter((error) => error.keyword === 'additionalProperties');
  const told = candidates.filter((error) => {
    // The detail of a name that is none; the `propertyNames` error tells it.
    if (error.propertyName !== undefined) return false;
    if (wrongType.has(error.instancePath)) return error.keyword === 'type';
    // A required key that is there, only misspelt.
    if (error.keyword === 'required') {
      return !unknown.some(
        (other) =>
          other.instancePath === error.instancePath &&
          suggest(String(other.params.additionalProperty), keysOf(other)) === error.params.missingProperty,
      );
    }
    return true;
  });
  return told.map((error) => {
    const choice = chosen.get(error);
    return { error, ...(choice === undefined || choice === error ? {} : { choice }) };
  });
}

/** What to do where the schema says nothing of a value beyond its keys. */
function undescribed(error: ErrorObject): string {
  const keys = keysOf(error);
  return keys.length === 0 ? 'lvsctl schema tells what can stand there.' : `It has these keys: ${keys.join(', ')}.`;
}

function keysOf(error: ErrorObject): string[] {
  const properties: unknown = error.parentSchema?.properties;
  return typeof properties === 'object' && properties !== null ? Object.keys(properties) : [];
}

function pathOf(error: ErrorObject): string[] {
  return error.instancePath
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** What has to go for the error to go. */
function culprit(error: ErrorObject): string[] {
  const path = pathOf(error);
  if (error.keyword === 'additionalProperties') return [...path, String(error.params.additionalProperty)];
  if (error.keyword === 'propertyNames') return [...path, String(error.params.propertyName)];
  return path;
}

function without(value: unknown, path: Path): unknown {
  const [head, ...rest] = path;
  if (head === undefined || typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    if (rest.length === 0) return value.filter((_item, index) => index !== Number(head));
    return value.map((item, index) => (index === Number(head) ? without(item, rest) : item));
  }
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, item]) =>
      key !== head ? [[key, item]] : rest.length === 0 ? [] : [[key, without(item, rest)]],
    ),
  );
}

function problemOf(document: SourceDocument, error: ErrorObject, choice: ErrorObject | undefined): Problem {
  const path = pathOf(error);
  const last = path.at(-1) ?? 'the file';
  const name = /^\d+$/.test(last) ? (path.at(-2) ?? last) : last;
  const about = descriptionOf(error) ?? (choice && descriptionOf(choice)) ?? undescribed(error);
  const value = (code: string, what: string, next: string): Problem => ({
    code,
    place: document.place(path),
    what,
    next,
  });
  switch (error.keyword) {
    case 'additionalProperties':
      return unknownKey(document, path, String(error.params.additionalProperty), keysOf(error));
    case 'propertyNames': {
      const key = String(error.params.propertyName);
      const place = document.place([...path, key], 'key');
      return {
        code: 'INV-BAD-NAME',
        place,
        what: `“${printable(key)}” can’t be a name here: ${about}`,
        next: 'Give it another name.',
      };
    }
    case 'required': {
      const key = String(error.params.missingProperty);
      const place = document.place(path, 'key');
      return {
        code: 'INV-MISSING-KEY',
        place,
        what: `“${key}” is missing in ${whose(path)}`,
        next: `Add it: ${described(error, key)}`,
      };
    }
    case 'type':
    case 'anyOf': {
      const consts = constsOf(error);
      if (typeof error.data === 'string' && consts.length > 0 && !typesOf(error).includes('string')) {
        const next = suggest(error.data, consts);
        return value(
          'INV-BAD-VALUE',
          `“${name}” can’t be “${printable(error.data)}”`,
          next === undefined ? about : `Did you mean “${next}”?`,
        );
      }
      const quote = typeof error.data === 'number' && wants(error).includes('text') ? ' Put the value in quotes.' : '';
      return value(
        'INV-WRONG-TYPE',
        `${last === name ? '' : 'each of '}“${name}” must be ${wants(error)}; this is ${about.startsWith('A secret') ? nameless(error.data) : kindOf(error.data)}`,
        typeHint(error.data, wants(error)) ?? `${about}${quote}`.trim(),
      );
    }
    case 'enum': {
      const allowed: string[] = (error.params.allowedValues as unknown[]).map(String);
      return value(
        'INV-BAD-VALUE',
        `“${name}” can’t be “${printable(String(error.data))}”`,
        suggestion(String(error.data), allowed),
      );
    }
    case 'const':
      return value('INV-BAD-VALUE', `“${name}” must be ${JSON.stringify(error.params.allowedValue)}`, about);
    case 'pattern':
      return value('INV-BAD-VALUE', `“${printable(String(error.data))}” can’t stand in “${name}”`, about);
    default:
      return value('INV-BAD-VALUE', `“${name}” ${limitWords(error)}`, about);
  }
}

function limitWords({ keyword, params, message }: ErrorObject): string {
  switch (keyword) {
    case 'minimum':
      return `must be at least ${params.limit}`;
    case 'maximum':
      return `must be at most ${params.limit}`;
    case 'minItems':
    case 'minProperties':
      return 'must not be empty';
    case 'maxItems':
      return `can have at most ${params.limit} items`;
    case 'maxLength':
      return `can have at most ${params.limit} characters`;
    case 'uniqueItems':
      return 'names one thing twice';
    default:
      return message ?? 'is not as it must be';
  }
}

function unknownKey(document: SourceDocument, path: readonly string[], key: string, known: string[]): Problem {
  const place = document.place([...path, key], 'key');
  return {
    code: 'INV-UNKNOWN-KEY',
    place,
    what: `“${printable(key)}” is not a key of ${whose(path)}`,
    next:
      key === '<<' ? 'YAML 1.2 has no merge keys: say what is shared in defaults or groups.' : suggestion(key, known),
  };
}

function whose(path: readonly string[]): string {
  return path.length === 0 ? 'an inventory' : path.join('.');
}

function described(error: ErrorObject, key: string): string {
  const property: unknown = error.parentSchema?.properties?.[key];
  if (typeof property !== 'object' || property === null || !('description' in property)) return `${key}.`;
  return String(property.description);
}

function descriptionOf({ parentSchema }: ErrorObject): string | undefined {
  return typeof parentSchema?.description === 'string' ? parentSchema.description : undefined;
}

interface Branch {
  type?: unknown;
  const?: unknown;
}

function branchesOf(error: ErrorObject): Branch[] {
  const branches: unknown = error.keyword === 'anyOf' ? error.schema : [error.parentSchema];
  return Array.isArray(branches) ? branches : [];
}

/** The words that a choice can be. */
function constsOf(error: ErrorObject): string[] {
  return branchesOf(error).flatMap((branch) => (typeof branch.const === 'string' ? [branch.const] : []));
}

/** The types that a choice can be besides its words. */
function typesOf(error: ErrorObject): string[] {
  const types = branchesOf(error).flatMap((branch) => (branch.const === undefined ? (branch.type ?? []) : []));
  return [...new Set(types.map(String))];
}

function wants(error: ErrorObject): string {
  const said = branchesOf(error).flatMap((one) => (one.const === undefined ? [] : [JSON.stringify(one.const)]));
  return [...said, ...typesOf(error).map((type) => TYPE_WORDS[type] ?? type)].join(' or ');
}

const TYPE_WORDS: Readonly<Record<string, string>> = {
  string: 'text',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  object: 'a map',
  array: 'a list',
};

/** What was written in the place of a secret is told without its words. */
function nameless(data: unknown): string {
  return typeof data === 'string' ? 'a text' : typeof data === 'number' ? 'a number' : kindOf(data);
}

function kindOf(data: unknown): string {
  if (data === null || data === undefined) return 'empty';
  if (Array.isArray(data)) return 'a list';
  switch (typeof data) {
    case 'object':
      return 'a map';
    case 'string':
      return `the text “${printable(data)}”`;
    default:
      return String(data);
  }
}

/** Text for a message: without control characters, and not endless. */
function printable(text: string): string {
  const clean = text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '�');
  return clean.length > 60 ? `${clean.slice(0, 57)}…` : clean;
}
