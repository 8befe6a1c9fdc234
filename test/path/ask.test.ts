import { describe, expect, it } from 'vitest';
import { makeOutput } from '../../src/cli/output.ts';
import { pathCommand } from '../../src/cli/path.ts';
import { LvsctlError } from '../../src/errors/index.ts';
import { type Asking, pathsOf } from '../../src/path/ask.ts';
import { pathFindings } from '../../src/path/findings.ts';
import { endText } from '../../src/path/judge.ts';
import { REASONS } from '../../src/path/way.ts';
import { inventory } from './cases.ts';
import { both, conf, gateway, on, set } from './change.ts';

const ask = (name: string, asking: Asking) => {
  const { cluster, net } = inventory(name);
  return pathsOf(cluster, net, asking).map(({ from, address, port, service, ways }) => {
    const real = ways.map((one) => one.real ?? '-');
    return `${from} ${address} ${port} ${service ?? '-'}: ${real.join(' ')}`;
  });
};

const codeOf = (name: string, asking: Asking): string => {
  try {
    return ask(name, asking).join();
  } catch (error) {
    if (error instanceof LvsctlError) return error.problems.map(({ code }) => code).join();
    throw error;
  }
};

describe('what is asked', () => {
  it.each<[string, Asking, string[]]>([
    ['dr-wrr', { to: 'web' }, ['client 20.20.20.20 80 web: rs1 rs2']],
    ['dr-wrr', { from: 'client', to: '20.20.20.20' }, ['client 20.20.20.20 80 web: rs1 rs2']],
    ['dr-wrr', { to: '20.20.20.20:80', via: 'rs2' }, ['client 20.20.20.20 80 web: rs2']],
    ['dr-wrr', { to: 'rs1' }, ['client 30.30.30.30 80 -: -']],
    ['dr-wrr', { to: 'director:22' }, ['client 30.30.30.20 22 -: -']],
    ['dr-wrr', { from: 'route', to: 'web' }, ['route 20.20.20.20 80 web: rs1 rs2']],
    ['dual-stack', { to: 'web' }, ['client 10.20.0.100 80 web: rs1 rs2', 'client 2001:db8:20::100 80 web: rs1 rs2']],
    ['dual-stack', { to: '[2001:db8:20:0::100]:53' }, ['client 2001:db8:20::100 53 dns: rs1 rs2']],
    ['fwmark-multiport', { to: 'shop:8080' }, ['client 10.30.0.100 8080 shop: rs1 rs2']],
    ['schedulers', { to: 'dh' }, [1, 2, 3, 4, 5, 6].map((at) => `client 10.10.0.12${at} 80 dh: rs1 rs2 rs3`)],
  ])('%s %j', (name, asking, expected) => {
    expect(ask(name, asking)).toEqual(expected);
  });

  it.each<[string, Asking, string]>([
    ['dr-wrr', { from: 'nobody', to: 'web' }, 'PATH-UNKNOWN-HOST'],
    ['dr-wrr', { to: 'wed' }, 'PATH-UNKNOWN-TARGET'],
    ['dr-wrr', { to: 'route' }, 'PATH-NO-PORT'],
    ['dr-wrr', { from: 'director', to: 'web' }, 'PATH-OWN-ADDRESS'],
    ['dr-wrr', { from: 'rs1', to: 'web' }, 'PATH-OWN-ADDRESS'],
    ['dr-wrr', { to: 'web', via: 'route' }, 'PATH-UNKNOWN-REAL-SERVER'],
  ])('%s %j: %s', (name, asking, code) => {
    expect(codeOf(name, asking)).toBe(code);
  });

  it('needs a client that is described, or which of several', () => {
    const { cluster, net } = inventory('dr-wrr');
    const without = { ...cluster, hosts: cluster.hosts.map((host) => ({ ...host, managed: true })) };
    expect(() => pathsOf(without, net, { to: 'web' })).toThrow(/PATH-NO-CLIENT/u);
    const two = {
      ...cluster,
      hosts: cluster.hosts.flatMap((host) => (host.managed ? [host] : [host, { ...host, name: 'other' }])),
    };
    expect(() => pathsOf(two, net, { to: 'web' })).toThrow(/PATH-WHICH-CLIENT/u);
  });
});

describe('what is found', () => {
  const { cluster, net } = inventory('dr-one-subnet');
  const real = ['lvs-real01', 'lvs-real02'];
  const loud = { arp_ignore: 0, arp_announce: 0 };

  it('nothing where all arrives', () => {
    expect(pathFindings(cluster, net)).toEqual([]);
  });

  it('chance, where real servers answer for the VIP', () => {
    const found = pathFindings(cluster, on(real, both(conf('all', loud), conf('lo', loud)))(net));
    expect(new Set(found.map(({ fault }) => fault.reason))).toEqual(new Set(['several-answers']));
  });

  it('nothing about a next hop that nobody described', () => {
    const { cluster: far, net: wide } = inventory('dr-wrr');
    expect(pathFindings(far, on('client', gateway('40.40.40.77'))(wide))).toEqual([]);
  });

  it('one finding for each real server', () => {
    const nat = inventory('nat-two-nic');
    const found = pathFindings(nat.cluster, on('lvs', set({ 'net.ipv4.ip_forward': 0 }))(nat.net));
    expect(
      found.map(({ client, service, real, fault }) => [client, service.name, real, fault.reason, fault.host]),
    ).toEqual([
      ['client', 'web', 'web1', 'no-forwarding', 'lvs'],
      ['client', 'web', 'web2', 'no-forwarding', 'lvs'],
    ]);
    expect(found[0]?.fault).toMatchObject({ leg: 'reply', given: true });
  });

  it('every reason has a sentence of its own', () => {
    const texts = REASONS.map((reason) =>
      endText({ answered: false, leg: 'reply', host: 'h', device: 'd', reason, about: 'a' }),
    );
    expect(new Set(texts).size).toBe(REASONS.length);
  });
});

describe('lvsctl path', () => {
  const root = new URL('../../inventories/', import.meta.url).pathname;
  const run = async (name: string, options: Asking) => {
    const lines: string[] = [];
    const events: object[] = [];
    const output = {
      ...makeOutput(false),
      print: (text: string) => void lines.push(text),
      emit: (event: string, data: object) => void events.push({ event, ...data }),
    };
    const asked = { inventory: [`${root}${name}.yaml`], transport: 'node-ssh', parallel: 1, timeout: 1 } as const;
    const code = await pathCommand(
      { ...asked, inventory: [...asked.inventory], ...options },
      output,
      new AbortController().signal,
    );
    return { code, printed: lines.join('\n'), events };
  };

  it('ends with 0 where all arrives, and tells each hop to machines', async () => {
    const { code, printed, events } = await run('nat-two-nic', { to: 'web', via: 'web2' });
    expect(code).toBe(0);
    expect(printed).toContain('via web2: answered');
    expect(events).toHaveLength(1);
    expect(JSON.parse(JSON.stringify(events[0]))).toMatchObject({
      event: 'path',
      from: 'client',
      service: 'web',
      ways: [
        {
          real: 'web2',
          way: {
            end: { answered: true, by: 'web2' },
            request: [
              { host: 'client' },
              { host: 'lvs', in: { device: 'ens33', from: 'client:ens33' } },
              { host: 'web2' },
            ],
          },
        },
      ],
    });
  });

  it('ends with 3 where a packet dies, and says why', async () => {
    const { code, printed } = await run('broken/one-network-on-two-wires', { to: 'web' });
    expect(code).toBe(3);
    expect(printed).toMatch(/✗ no-arp-answer: nobody on the wire of lvs-server/u);
  });
});
