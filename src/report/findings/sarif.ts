import { isAbsolute } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { FilePlace, Severity } from '../../errors/index.ts';
import { entryOf } from '../../lint/catalogue.ts';
import type { Told } from './index.ts';

const LEVELS: Readonly<Record<Severity, string>> = { error: 'error', warning: 'warning', info: 'note' };

/** SARIF 2.1.0 (OASIS), as code scanning and editors read it. Pure. */
export function sarifText(problems: readonly Told[]): string {
  const codes = [...new Set(problems.map(({ code }) => code))].sort();
  const run = {
    tool: { driver: { name: 'lvsctl', rules: codes.map(ruleOf) } },
    columnKind: 'utf16CodeUnits',
    results: problems.map(({ code, severity, what, next, place, also }) => ({
      ruleId: code,
      ruleIndex: codes.indexOf(code),
      level: LEVELS[severity],
      message: { text: `${place.kind === 'host' ? `${place.host}, ${place.phase}: ` : ''}${what}\n${next}` },
      ...(place.kind === 'file' ? { locations: [{ physicalLocation: locationOf(place) }] } : {}),
      ...(also.length === 0
        ? {}
        : {
            relatedLocations: also.map((other, id) => ({
              id,
              physicalLocation: locationOf(other.place),
              message: { text: other.says },
            })),
          }),
    })),
  };
  const schema = 'https://json.schemastore.org/sarif-2.1.0.json';
  return JSON.stringify({ $schema: schema, version: '2.1.0', runs: [run] }, null, 2);
}

function ruleOf(id: string) {
  const entry = entryOf(id);
  if (entry === undefined) return { id };
  const { title, why, remedy, severity } = entry;
  return {
    id,
    shortDescription: { text: title },
    fullDescription: { text: why },
    help: { text: `${why}\n\n${remedy}` },
    defaultConfiguration: { level: LEVELS[severity] },
  };
}

function locationOf({ file, line, column }: FilePlace) {
  const uri = isAbsolute(file)
    ? pathToFileURL(file).href
    : file
        .replace(/\p{Surrogate}/gu, '\ufffd')
        .split('/')
        .map(encodeURIComponent)
        .join('/');
  return {
    artifactLocation: { uri },
    ...(line === undefined
      ? {}
      : { region: { startLine: line, ...(column === undefined ? {} : { startColumn: column }) } }),
  };
}
