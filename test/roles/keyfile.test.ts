import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Keyfile, type Owned, overlay, parseKeyfile, printKeyfile } from '../../src/roles/keyfile.ts';

const SECTIONS = ['connection', 'ethernet', 'ipv4', 'ipv6', 'proxy', 'user'];
const KEYS = ['id', 'uuid', 'method', 'address1', 'address2', 'route1', 'gateway', 'dns', 'dns-search', 'may-fail'];
const OWNED_KEYS = ['method', 'address1', 'address2', 'route1', 'gateway', 'dns'];
const owned: Owned = {
  connection: (key) => key === 'id',
  ipv4: (key) => OWNED_KEYS.includes(key),
  ipv6: (key) => OWNED_KEYS.includes(key),
};

const value = fc.stringMatching(/^[a-z0-9.:;/,-]{0,12}$/);
const pair = fc.record({ key: fc.constantFrom(...KEYS), value });
const verbatim = fc.constantFrom({ verbatim: '' }, { verbatim: '# a comment' }, { verbatim: 'no assignment' });
const section = (lines: fc.Arbitrary<Keyfile['sections'][number]['lines'][number]>) =>
  fc.record({ name: fc.constantFrom(...SECTIONS), lines: fc.array(lines, { maxLength: 8 }) });
const keyfile = (lines = fc.oneof({ weight: 3, arbitrary: pair }, verbatim)) =>
  fc.record({
    head: fc.constantFrom<string[]>([], ['# mark'], ['# theirs', '']),
    sections: fc.uniqueArray(section(lines), { selector: ({ name }) => name, maxLength: 5 }),
  });
const wanted = keyfile(pair).map((file) => ({ ...file, head: ['# mark'] }));

const assignments = (file: Keyfile, keep: (section: string, key: string) => boolean) =>
  file.sections.flatMap(({ name, lines }) =>
    lines.flatMap((line) => ('key' in line && keep(name, line.key) ? [`${name}.${line.key}=${line.value}`] : [])),
  );
const isOwned = (section: string, key: string) => owned[section]?.(key) === true;

describe('properties', () => {
  test('printing what was parsed gives the text again', () => {
    fc.assert(
      fc.property(keyfile(), (file) => {
        const text = printKeyfile(file);
        expect(printKeyfile(parseKeyfile(text))).toBe(text);
      }),
    );
  });

  test('any text survives: parsing never fails, and the second round changes nothing', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('[', ']', '=', '#', ' ', '\n', 'a', 'ipv4', ';', '\t') }),
        (text) => {
          const once = printKeyfile(parseKeyfile(text));
          expect(printKeyfile(parseKeyfile(once))).toBe(once);
        },
      ),
    );
  });

  test('laying the same over again changes nothing', () => {
    fc.assert(
      fc.property(keyfile(), wanted, (existing, over) => {
        const once = printKeyfile(overlay(existing, over, owned));
        expect(printKeyfile(overlay(parseKeyfile(once), over, owned))).toBe(once);
      }),
    );
  });

  test('where both have a section, its owned keys are exactly the wanted ones', () => {
    fc.assert(
      fc.property(keyfile(), wanted, (existing, over) => {
        const both = (name: string, key: string) =>
          isOwned(name, key) && over.sections.some((one) => one.name === name);
        expect(assignments(overlay(existing, over, owned), both).sort()).toEqual(assignments(over, both).sort());
      }),
    );
  });

  test('what is not owned stays, in its order', () => {
    fc.assert(
      fc.property(keyfile(), wanted, (existing, over) => {
        const result = overlay(existing, over, owned);
        const theirs = (name: string, key: string) =>
          !isOwned(name, key) && existing.sections.some((one) => one.name === name);
        expect(assignments(result, theirs)).toEqual(assignments(existing, theirs));
        const comments = (file: Keyfile) =>
          printKeyfile(file)
            .split('\n')
            .filter((line) => line === '# a comment').length;
        expect(comments(result)).toBe(comments(existing));
      }),
    );
  });
});

test('a keyfile as NetworkManager writes it comes back byte by byte', () => {
  const text = `[connection]
id=Wired connection 1
uuid=c1a6d1d2-9b0e-3f0a-8d51-7f3a7b2e4c90
type=ethernet
autoconnect-priority=-999

[ethernet]
mac-address=52:54:00:12:34:56

[802-1x]
# comment
password-raw=1;2;3;

[ipv4]
address1=10.0.0.2/24,10.0.0.1
method=manual

[proxy]
`;
  expect(printKeyfile(parseKeyfile(text))).toBe(text);
});
