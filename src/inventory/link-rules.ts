import type { Path } from './document.ts';
import type { Findings } from './findings.ts';
import type { Interface } from './model.ts';

/** Bonds and VLANs of one host: what can't stand on what. */
export function checkLinks(interfaces: readonly Interface[], path: Path, findings: Findings): void {
  const at = (name: string, ...key: (string | number)[]): Path => [...path, 'interfaces', name, ...key];
  const bondOf = new Map<string, string>();
  for (const { name, link } of interfaces) {
    if (link.type !== 'bond') continue;
    for (const [index, member] of link.members.entries()) {
      const place = at(name, 'bond', 'members', index);
      const other = bondOf.get(member);
      const described = interfaces.find((one) => one.name === member);
      if (member === name) findings.add(place, 'INV-BOND', `${name} can’t be its own member`, 'Name a network card.');
      else if (other !== undefined) {
        findings.add(place, 'INV-BOND', `${member} is a member of ${other} already`, 'Put it into one bond.');
      } else if (described !== undefined && described.link.type !== 'ethernet') {
        findings.add(
          place,
          'INV-BOND',
          `${member} is a ${described.link.type}, no network card`,
          'Name a network card.',
        );
      } else if (described !== undefined && hasAddressing(described)) {
        findings.add(
          at(member),
          'INV-BOND',
          `${member} is a member of ${name}, and a member has no addresses, gateway, routes or name servers`,
          `Move them to ${name}.`,
          'key',
        );
      }
      bondOf.set(member, name);
    }
  }
  const tags = new Map<string, string>();
  for (const { name, link, mtu } of interfaces) {
    if (link.type !== 'vlan') continue;
    const place = at(name, 'vlan', 'parent');
    const parent = interfaces.find((one) => one.name === link.parent);
    const bond = bondOf.get(link.parent);
    const tag = `${link.parent} ${link.id}`;
    const twin = tags.get(tag);
    if (link.parent === name)
      findings.add(place, 'INV-VLAN', `${name} can’t be its own parent`, 'Name what carries it.');
    else if (bond !== undefined) {
      findings.add(place, 'INV-VLAN', `${link.parent} is a member of ${bond}`, `Put the VLAN on ${bond}.`);
    } else if (twin !== undefined) {
      findings.add(
        at(name, 'vlan', 'id'),
        'INV-VLAN',
        `VLAN ${link.id} on ${link.parent} is ${twin} already`,
        'Give one of them another number or parent.',
      );
    } else if (mtu !== undefined && parent?.mtu !== undefined && mtu > parent.mtu) {
      findings.add(
        at(name, 'mtu'),
        'INV-VLAN',
        `${name} can’t carry packets of ${mtu} bytes: its parent ${link.parent} has an MTU of ${parent.mtu}`,
        'Raise the parent’s, or lower this one.',
      );
    }
    tags.set(tag, name);
  }
}

function hasAddressing({ addresses, gateways, routes, dns }: Interface): boolean {
  return addresses.length + routes.length + dns.length > 0 || gateways.v4 !== undefined || gateways.v6 !== undefined;
}
