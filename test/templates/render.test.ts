import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { LvsctlError, placeText } from '../../src/errors/index.ts';
import { makeOverrideRenderer, makeRenderer, renderText } from '../../src/templates/render.ts';
import { packageRoot } from '../../src/templates/root.ts';

const variables = { host: { name: 'rs1' }, port: 80, none: null, servers: ['a', 'b'] };
const line = { file: 'lvs.yaml', line: 10, column: 20 };
const block = { file: 'lvs.yaml', line: 10, column: 5, block: true };

test('what is known is put in', () => {
  expect(renderText('{{ host.name }}:{{ port }} {{ servers | join: "," }}\n', variables, line)).toBe('rs1:80 a,b\n');
  expect(renderText('{% if none %}x{% else %}y{% endif %}', variables, line)).toBe('y');
});

describe('errors tell the place in the inventory or in the template', () => {
  test.each<[string, string, typeof line, string]>([
    [
      'unknown variable',
      'ab {{ hots }}',
      line,
      'lvs.yaml:10:26 TPL-UNKNOWN-VARIABLE the template names “hots”, which does not exist here',
    ],
    ['unknown part', '{{ host.nmae }}', line, 'lvs.yaml:10:23 TPL-UNKNOWN-VARIABLE the template names “host.nmae”'],
    ['in a condition', '{% if hots %}{% endif %}', line, 'TPL-UNKNOWN-VARIABLE the template names “hots”'],
    ['in a loop', '{% for x in hots %}{% endfor %}', line, 'TPL-UNKNOWN-VARIABLE the template names “hots”'],
    [
      'inherited names are none',
      '{{ host.constructor }}',
      line,
      'TPL-UNKNOWN-VARIABLE the template names “host.constructor”',
    ],
    ['second line of a quoted text', 'a\n{{ hots }}', line, 'lvs.yaml:10:20 TPL-UNKNOWN-VARIABLE'],
    ['second line of a block', 'a\nb {{ hots }}', block, 'lvs.yaml:11:10 TPL-UNKNOWN-VARIABLE'],
    [
      'unknown filter',
      '{{ port | shout }}',
      line,
      'lvs.yaml:10:20 TPL-SYNTAX the template can’t be rendered: undefined filter: shout',
    ],
    ['not closed', 'a {{ port', line, 'lvs.yaml:10:22 TPL-SYNTAX'],
    ['unknown tag', '{% nope %}', line, 'lvs.yaml:10:20 TPL-SYNTAX'],
    ['loop not closed', '{% for x in servers %}', line, 'lvs.yaml:10:20 TPL-SYNTAX'],
  ])('%s', (_name, text, place, expected) => {
    expect(problemOf(() => renderText(text, variables, place))).toContain(expected);
  });

  test('what there is, is said', () => {
    expect(problemOf(() => renderText('{{ hots }}', variables, line))).toContain(
      '→ There are: host.name, port, none, servers.',
    );
  });
});

describe('an operator’s own template', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lvsctl-test-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'modules-load'));
  const own = join(folder, 'modules-load/lvsctl.conf');
  const render = () => makeRenderer(folder)('modules-load/lvsctl.conf', { modules: ['ip_vs'] });

  test('takes the place of lvsctl’s', () => {
    expect(render()).toBe('# lvsctl manages this file: change the inventory, not this.\nip_vs\n');
    writeFileSync(own, '# mine\n{{ modules | first }}\n');
    expect(render()).toBe('# mine\nip_vs\n');
  });
  test('alone is rendered by whoever looks for mistakes in templates', () => {
    const overriding = makeOverrideRenderer(folder);
    expect(overriding('modules-load/lvsctl.conf', { modules: ['ip_vs'] })).toBe('# mine\nip_vs\n');
    expect(overriding('sysctl/99-zz-lvsctl.conf', {})).toBe('# sysctl/99-zz-lvsctl.conf\n');
  });
  test('has its errors told with file, line and column', () => {
    writeFileSync(own, '# mine\n\n  {{ moduls }}\n');
    expect(problemOf(render)).toContain(`${own}:3:6 TPL-UNKNOWN-VARIABLE the template names “moduls”`);
  });
});

test('every template that is a file for a host says who manages it, but where the format has no comments', () => {
  const names = readdirSync(join(packageRoot(), 'templates'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  expect(names.length).toBeGreaterThan(5);
  const without = names.filter(
    (name) => !/^(#!\/bin\/sh\n)?(# |<\?xml .*\?>\n<!-- )lvsctl manages /.test(readFileSync(name, 'utf8')),
  );
  expect(without.map((name) => name.slice(packageRoot().length))).toEqual(['/templates/ipvsadm/ipvsadm.rules']);
});

function problemOf(act: () => unknown): string {
  try {
    return `no error: ${act()}`;
  } catch (error) {
    if (!(error instanceof LvsctlError)) throw error;
    return error.problems
      .map(({ place, code, what, next }) => `${placeText(place)} ${code} ${what} → ${next}`)
      .join('\n');
  }
}
