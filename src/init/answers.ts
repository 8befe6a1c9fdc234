/** What `lvsctl init` has to know, and how each answer is read. */
import { parseAddress, parseCidr } from '../inventory/addresses.ts';
import { MODES } from '../inventory/words.ts';

export type Mode = (typeof MODES)[number];

/** A host with one address, and the way out where it has one. */
export interface HostAnswer {
  name: string;
  /** `192.0.2.10/24`. */
  address: string;
  gateway?: string;
  /** nat: its address towards the real servers. */
  inside?: string;
}

export interface Answers {
  name: string;
  mode: Mode;
  /** The virtual IP. */
  vip: string;
  port: number;
  /** One, or two that share the VIP by VRRP. */
  directors: HostAnswer[];
  realServers: HostAnswer[];
  /** The interface's name on all hosts; nat's inside is `insideInterface`. */
  interface: string;
  insideInterface: string;
  /** A pair in nat mode: the floating address that is the real servers' gateway, with prefix length. */
  insideVip?: string;
  /** The page that is asked for; undefined: a connection is opened. */
  checkPath?: string;
}

/** A value, or what is wrong with the text. */
export type Read<T> = { value: T } | { wrong: string };

const NAME = /^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$/;

/** A cluster's or host's name. */
export function readName(text: string): Read<string> {
  return NAME.test(text) && text.length <= 63
    ? { value: text }
    : { wrong: 'a name has letters, digits, dots, dashes and underscores, and begins and ends with a letter or digit' };
}

export function readMode(text: string): Read<Mode> {
  const found = MODES.find((mode) => mode === text.toLowerCase());
  return found === undefined ? { wrong: `a mode is one of ${MODES.join(', ')}` } : { value: found };
}

/** A VIP, also with a prefix length that isn't needed. */
export function readVip(text: string): Read<string> {
  const found = parseAddress(text.replace(/\/(32|128)$/, ''));
  return found === undefined
    ? { wrong: 'a VIP is an IPv4 or IPv6 address, for example 192.0.2.100' }
    : { value: found.address };
}

export function readPort(text: string): Read<number> {
  const port = Number(text);
  return /^\d+$/.test(text) && port >= 1 && port <= 65535
    ? { value: port }
    : { wrong: 'a port is a number from 1 to 65535' };
}

export function readInterface(text: string): Read<string> {
  return /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$/.test(text)
    ? { value: text }
    : { wrong: 'an interface’s name has at most 15 letters, digits, dots, dashes and underscores' };
}

/** `192.0.2.10/24`. */
export function readCidr(text: string): Read<string> {
  const found = parseCidr(text);
  return found === undefined
    ? { wrong: 'write it as ADDRESS/PREFIX, for example 192.0.2.10/24' }
    : { value: `${found.address}/${found.prefix}` };
}

export function readPath(text: string): Read<string> {
  return /^\/[!#%&(-[\]-~]{0,800}$/.test(text)
    ? { value: text }
    : { wrong: 'a path begins with /, for example /health' };
}

/** `NAME=ADDRESS/PREFIX`, and `,GATEWAY` where it has one. */
export function readHost(text: string): Read<HostAnswer> {
  const [, name = '', address = '', gateway] = /^([^=]+)=([^,]+)(?:,(.+))?$/.exec(text.trim()) ?? [];
  const named = readName(name);
  const cidr = readCidr(address);
  const way = gateway === undefined ? undefined : parseAddress(gateway);
  if ('wrong' in named || 'wrong' in cidr || (gateway !== undefined && way === undefined))
    return {
      wrong:
        'write a host as NAME=ADDRESS/PREFIX, with ,GATEWAY behind it where it has one: web1=192.0.2.11/24,192.0.2.1',
    };
  return { value: { name: named.value, address: cidr.value, ...(way === undefined ? {} : { gateway: way.address }) } };
}
