import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type GraphOptions, graphCommand } from '../../src/cli/graph.ts';
import { makeOutput } from '../../src/cli/output.ts';
import { LvsctlError } from '../../src/errors/index.ts';

const inventories = new URL('../../inventories/', import.meta.url).pathname;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lvsctl-graph-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function run(name: string, options: Partial<GraphOptions> = {}) {
  const lines: string[] = [];
  const events: object[] = [];
  const output = {
    ...makeOutput(false),
    print: (text: string) => void lines.push(text),
    emit: (event: string, data: object) => void events.push({ event, ...data }),
  };
  const code = graphCommand({ inventory: [`${inventories}${name}.yaml`], ways: true, ...options }, output);
  return { code, printed: lines.join('\n'), events };
}

const codeOf = (name: string, options: Partial<GraphOptions>): string => {
  try {
    return String(run(name, options).code);
  } catch (error) {
    if (error instanceof LvsctlError) return error.problems.map(({ code }) => code).join();
    throw error;
  }
};

describe('lvsctl graph', () => {
  it('draws Mermaid on stdout, with the ways to the first service', () => {
    const { code, printed, events } = run('dual-stack');
    expect(code).toBe(0);
    expect(printed).toMatch(/^%%\{init: .*\nflowchart TB\n/u);
    expect(printed).toContain('Ways from client to service web, 10.20.0.100:80');
    expect(events).toEqual([{ event: 'graph', format: 'mermaid', drawing: `${printed}\n` }]);
  });

  it('draws the ways that are asked for, from whom is asked for, or none', () => {
    expect(run('dual-stack', { to: 'dns' }).printed).toContain('Ways from client to service dns, 10.20.0.100:53');
    expect(run('dr-wrr', { from: 'route' }).printed).toContain('Ways from route to service web');
    expect(run('dr-wrr', { to: 'rs1' }).printed).toContain('Ways from client to 30.30.30.30:80/tcp');
    const none = run('dr-wrr', { ways: false }).printed;
    expect(none).toContain('No ways are drawn');
    expect(none).not.toMatch(/==>|-\.->/u);
    expect(run('minimal-nat').printed).toContain('No ways are drawn: no client is described');
    expect(run('proxies-tomcat').printed).toContain('No ways are drawn: there is no service');
  });

  it.each<[string, Partial<GraphOptions>, string]>([
    ['dr-wrr', { to: 'wed' }, 'PATH-UNKNOWN-TARGET'],
    ['dr-wrr', { from: 'nobody' }, 'PATH-UNKNOWN-HOST'],
    ['minimal-nat', { to: 'web' }, 'PATH-NO-CLIENT'],
    ['dr-wrr', { cluster: 'other' }, 'INV-UNKNOWN-CLUSTER'],
  ])('%s %j: %s', (name, options, code) => {
    expect(codeOf(name, options)).toBe(code);
  });

  it('says where a packet comes to nothing, on the host and below', () => {
    const { printed, code } = run('broken/gateway-is-not-the-director');
    expect(code).toBe(0);
    expect(printed).toMatch(/h\d+\["client<br\/>[^"]*✗ reply: other-source/u);
    expect(printed).toMatch(/✗ via web2: other-source: client gets a reply from/u);
    expect(run('broken/gateway-is-not-the-director', { format: 'svg' }).printed).toContain('✗ reply: other-source');
    // The director's reply and the router's are two steps: only one of them had its VIP put back.
    expect(printed).toMatch(/4 reply: lvs → client, IPVS put the VIP back<br/u);
    expect(printed).toMatch(/4 reply: route → client<br/u);
  });

  it('takes the form from the file’s name, and writes over no file', () => {
    const file = join(folder, 'a.svg');
    expect(run('dr-wrr', { out: file }).printed).toBe(`Written: ${file}.`);
    expect(readFileSync(file, 'utf8')).toBe(`${run('dr-wrr', { format: 'svg' }).printed}\n`);
    expect(codeOf('dr-wrr', { out: file })).toBe('CLI-FILE-EXISTS');
    const mermaid = join(folder, 'a.mmd');
    expect(run('dr-wrr', { out: mermaid }).events).toEqual([
      { event: 'graph', format: 'mermaid', drawing: readFileSync(mermaid, 'utf8'), file: mermaid },
    ]);
    expect(codeOf('dr-wrr', { out: join(folder, 'a.png') })).toBe('CLI-USAGE');
    const odd = join(folder, 'b.svg');
    run('dr-wrr', { out: odd, format: 'mermaid' });
    expect(readFileSync(odd, 'utf8')).toMatch(/^flowchart TB$/mu);
  });

  it('draws a host that is in bonds and VLANs by what they are made of', () => {
    const file = join(folder, 'bond.yaml');
    writeFileSync(
      file,
      JSON.stringify({
        version: 1,
        name: 'bond',
        hosts: {
          a: {
            interfaces: {
              bond0: { bond: { mode: '802.3ad', members: ['eno1', 'eno2'] } },
              'bond0.30': { vlan: { parent: 'bond0', id: 30 }, addresses: ['10.0.30.2/24'], gateway: '10.0.30.1' },
            },
          },
        },
      }),
    );
    const { printed } = run('', { inventory: [file] });
    expect(printed).toContain(
      'bond0.30<br/>VLAN 30 of bond0<br/>10.0.30.2/24<br/>gateway 10.0.30.1<br/>bond0, bond of eno1, eno2, 802.3ad',
    );
    expect(printed.match(/---/gu)).toHaveLength(1);
  });
});
