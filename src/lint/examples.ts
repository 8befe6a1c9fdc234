/** Small inventories for the rules' examples: what a rule is about is put into them. */

const HEAD = 'version: 1\nname: c\n';

const HOSTS = `hosts:
  lvs:  { interfaces: { eth0: { addresses: [192.0.2.10/24] } } }
  web1: { interfaces: { eth0: { addresses: [192.0.2.11/24] } } }
  web2: { interfaces: { eth0: { addresses: [192.0.2.12/24] } } }
`;

const indented = (text: string, by: number): string =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => ' '.repeat(by) + line)
    .join('\n');

/** An inventory of which everything is said. */
export function whole(text: string): string {
  return `${HEAD}${text.trimEnd()}\n`;
}

/** A director and two real servers in one network; `said` is the service's, `more` stands below. */
export function service(said: string, more = ''): string {
  const keys: [string, string][] = [
    ['mode', 'dr'],
    ['vip', '192.0.2.100'],
    ['port', '80'],
    ['directors', '[lvs]'],
    ['real_servers', '{ web1: {}, web2: {} }'],
  ];
  const own = keys.filter(([key]) => !new RegExp(`^${key === 'port' ? 'ports?' : key}:`, 'mu').test(said));
  const lines = own.map(([key, value]) => `${key}: ${value}`);
  return whole(`${HOSTS}services:\n  web:\n${indented([...lines, said].join('\n'), 4)}\n${more}`);
}

/** The same hosts, with what else is said of the inventory. */
export function around(said: string): string {
  return whole(`${HOSTS}${said}`);
}

/** A director and a host, of which all is said that one of them can say. */
export function host(said: string, of: 'lvs' | 'web1' = 'web1'): string {
  const at = (name: string, address: string) =>
    `  ${name}:\n    interfaces: { eth0: { addresses: [${address}/24] } }\n${name === of && said !== '' ? `${indented(said, 4)}\n` : ''}`;
  return whole(
    `hosts:\n${at('lvs', '192.0.2.10')}${at('web1', '192.0.2.11')}services:\n  web: { mode: dr, vip: 192.0.2.100, port: 80, directors: [lvs], real_servers: { web1: {} } }\n`,
  );
}

/** A pair of directors; `group` is the VRRP group's, `said` the service's, `more` stands below. */
export function pair(group: string, said = '', more = ''): string {
  const keys: [string, string][] = [
    ['nodes', '{ lvs1: { priority: 100 }, lvs2: { priority: 90 } }'],
    ['instances', '{ outside: { virtual_router_id: 51, interface: eth0 } }'],
  ];
  const own = keys
    .filter(([key]) => !new RegExp(`^${key}:`, 'mu').test(group))
    .map(([key, value]) => `${key}: ${value}`);
  return whole(`hosts:
  lvs1: { interfaces: { eth0: { addresses: [192.0.2.10/24] } } }
  lvs2: { interfaces: { eth0: { addresses: [192.0.2.20/24] } } }
  web1: { interfaces: { eth0: { addresses: [192.0.2.11/24] } } }
vrrp:
  edge:
${indented([...own, ...(group === '' ? [] : [group])].join('\n'), 4)}
vips: { site: { addresses: [192.0.2.100], vrrp: edge.outside } }
services:
  web:
${indented(['mode: dr', 'vip: site', 'port: 80', 'real_servers: { web1: {} }', ...(said === '' ? [] : [said])].join('\n'), 4)}
${more}`);
}
