/** IPVS's table as `ipvsadm -Sn` prints it (ipvsadm(8), 1.31). */
import { parseAddress } from '../inventory/addresses.ts';
import type { Protocol } from '../inventory/model.ts';
import { SCHEDULER_FLAGS } from '../inventory/words.ts';
import { type IpvsDestination, type IpvsService, parseTable } from '../resources/ipvs-table.ts';
import type { FilePlace, Gaps } from './gaps.ts';
import { emptyHost, type ImportedHost, type ImportedMethod, type ImportedService } from './imported.ts';
import { prefixOf } from './ranges.ts';

const KNOWN =
  /^(-t|-u|--sctp-service|-f|-6|-s|-p|-M|--pe|-o|-b|-r|-g|-m|-i|-w|-x|-y|--tun-type|--tun-port|--tun-(no|rem)?csum)$/;

/** Whether a file looks like the output of `ipvsadm -S`. */
export function isTable(text: string): boolean {
  return /^-A\s+(-t|-u|-f|--sctp-service)\s/m.test(text);
}

export function importTable(name: string, file: string, text: string, gaps: Gaps): ImportedHost {
  const host = emptyHost(name);
  const lines = new Map<string, number>();
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    const place: FilePlace = { kind: 'file', file, line: index + 1, column: 1 };
    const words = line.split(/\s+/);
    if (line === '' || line.startsWith('#')) continue;
    const [command, option, value] = words;
    if (command !== '-A' && command !== '-a') {
      gaps.add(place, `“${line.slice(0, 60)}” is no line of ipvsadm -Sn`, 'It is left out.');
      continue;
    }
    if (command === '-A') lines.set(`${option} ${value}`, index + 1);
    for (const word of words.slice(1).filter((one) => /^-/.test(one) && !/^-\d/.test(one) && !KNOWN.test(one))) {
      gaps.add(place, `“${word}” is not in the inventory`, 'The rest of the line is.');
    }
    const names = words.filter((_word, at) => ['-t', '-u', '--sctp-service', '-r'].includes(words[at - 1] ?? ''));
    for (const one of names.filter((each) => placeOf(each) === undefined)) {
      gaps.add(place, `“${one}” is no address and port`, 'Print the table by ipvsadm -Sn: with numbers.');
    }
  }
  for (const [key, service] of parseTable(text)) {
    const [option = '', value = '', six] = key.split(' ');
    const place: FilePlace = { kind: 'file', file, line: lines.get(`${option} ${value}`) ?? 1, column: 1 };
    const match = matchOf(option, value, six === '-6' ? 6 : 4);
    if (match === undefined) continue;
    if (match.by === 'socket' && match.port === 0) {
      gaps.add(
        place,
        `${match.address} on all ports is not in the inventory`,
        'Write the ports, with fwmark: auto where they are many.',
      );
      continue;
    }
    host.services.push(serviceOf(match, service, place, gaps));
  }
  return host;
}

function matchOf(option: string, value: string, family: 4 | 6): ImportedService['match'] | undefined {
  if (option === '-f') return { by: 'fwmark', mark: Number(value), family };
  const at = placeOf(value);
  const protocol: Protocol = option === '-t' ? 'tcp' : option === '-u' ? 'udp' : 'sctp';
  return at && { by: 'socket', protocol, ...at };
}

function placeOf(text: string): { address: string; port: number } | undefined {
  const [, address = '', port = ''] = /^\[?(.*?)\]?:(\d+)$/.exec(text) ?? [];
  const parsed = parseAddress(address);
  return parsed && { address: parsed.address, port: Number(port) };
}

function serviceOf(
  match: ImportedService['match'],
  { scheduler, flags, destinations }: IpvsService,
  place: FilePlace,
  gaps: Gaps,
): ImportedService {
  const after = (flag: string): string | undefined =>
    flags.includes(flag) ? flags[flags.indexOf(flag) + 1] : undefined;
  const [timeout, mask, engine, named] = [after('-p'), after('-M'), after('--pe'), after('-b')];
  const prefix = mask === undefined ? undefined : prefixOf(mask);
  const known = named?.split(',') ?? [];
  for (const flag of known.filter((one) => !SCHEDULER_FLAGS.some((each) => each === one))) {
    gaps.add(place, `the scheduler’s ${flag} is not in the inventory`, 'Named flags are.');
  }
  const [first, ...others] = destinations.map(methodOf);
  if (others.some((one) => JSON.stringify(one) !== JSON.stringify(first))) {
    gaps.add(
      place,
      'its real servers are reached in several ways',
      'An inventory’s service has one mode: the first server’s is written.',
    );
  }
  return {
    place,
    match,
    scheduler,
    flags: known.filter((one) => SCHEDULER_FLAGS.some((each) => each === one)),
    method: first ?? { mode: 'dr' },
    ...(timeout === undefined
      ? {}
      : {
          persistence: {
            timeout: Number(timeout),
            ...(prefix === undefined ? {} : { prefix }),
            ...(engine === undefined ? {} : { engine }),
          },
        }),
    onePacket: flags.includes('-o'),
    reals: destinations.map(({ address, port, weight, upper, lower }) => ({
      address: parseAddress(address)?.address ?? address,
      port,
      weight,
      upper,
      lower,
    })),
    notes: [],
  };
}

function methodOf(destination: IpvsDestination): ImportedMethod {
  switch (destination.method) {
    case 'gate':
      return { mode: 'dr' };
    case 'masq':
      return { mode: 'nat' };
    case 'tunnel':
      return { mode: 'tun', tunnel: destination.tunnel };
  }
}
