/** Which hosts `ssh -G` would answer alike, read off the shape of the ssh_config files without resolving them. */
import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { matchPattern, matchPatternList } from './patterns.ts';

export interface ConfigFiles {
  /**
   * `known`: nothing that matters is set for this host; the map holds the little that is, as `ssh -G` prints it.
   * `group`: hosts with the same text get the same answer but for `hostname`, which is the host itself.
   * Neither: ask for this host alone.
   */
  sharing(host: string): { known?: Map<string, string[]>; group?: string };
}

/** A stretch of a file under one `Host` line; the stretch before the first one applies to every host. */
interface Block {
  patterns: readonly string[];
  /** Sets something that matters to a connection. */
  matters: boolean;
  /** Holds what differs from host to host: HostName, % tokens. */
  own: boolean;
  hashKnownHosts?: string;
}

interface Reading {
  blocks: Block[];
  /** Something whose effect can't be told from here (Match, canonical names, unusual quoting): ask for every host. */
  odd: boolean;
}

/** Keywords of ssh_config(5) that change nothing about how a host is reached, known or logged in to here. */
const WITHOUT_EFFECT =
  /^(addkeystoagent|casignaturealgorithms|checkhostip|ciphers|clearallforwardings|compression|control(master|path|persist)|dynamicforward|enableescapecommandline|enablesshkeysign|escapechar|exitonforwardfailure|fingerprinthash|forkafterauthentication|forward(agent|x11|x11timeout|x11trusted)|gatewayports|gssapi\w+|hostbased\w+|hostkeyalgorithms|ipqos|kexalgorithms|local(command|forward)|log(level|verbose)|macs|noHostAuthenticationForLocalhost|obscurekeystroketiming|permit(localcommand|remoteopen)|pubkeyaccepted\w+|rekeylimit|remote(command|forward)|requesttty|requiredrsasize|sendenv|sessiontype|setenv|stdinnull|streamlocal\w+|syslogfacility|tcpkeepalive|tunnel(device)?|updatehostkeys|verifyhostkeydns|visualhostkey|xauthlocation)$/i;

/** `override`: as `ssh -F`: only this file is read, `none` for no file. `home`: the account's home folder. */
export async function configFiles(override: string | undefined, home: string): Promise<ConfigFiles> {
  const reading: Reading = { blocks: [], odd: false };
  const user = join(home, '.ssh');
  const roots: [string, string][] =
    override === undefined
      ? [
          [join(user, 'config'), user],
          ['/etc/ssh/ssh_config', '/etc/ssh'],
        ]
      : override === 'none'
        ? []
        : [[override, user]];
  for (const [file, base] of roots) {
    await readConfig(file, { base, home, depth: 0 }, newBlock(reading, ['*']), reading);
  }
  return { sharing: (host) => sharing(reading, host) };
}

function sharing(reading: Reading, host: string): { known?: Map<string, string[]>; group?: string } {
  if (reading.odd) return {};
  const matched = reading.blocks.filter((block) => matchPatternList(host.toLowerCase(), block.patterns));
  if (matched.some((block) => block.own)) return {};
  if (matched.some((block) => block.matters)) {
    return { group: matched.map((block) => reading.blocks.indexOf(block)).join(' ') };
  }
  const hash = matched.find((block) => block.hashKnownHosts !== undefined)?.hashKnownHosts;
  return { known: new Map(hash === undefined ? [] : [['hashknownhosts', [hash]]]) };
}

function newBlock(reading: Reading, patterns: readonly string[]): Block {
  const block: Block = { patterns, matters: false, own: false };
  reading.blocks.push(block);
  return block;
}

interface Where {
  /** What relative Includes are relative to. */
  base: string;
  home: string;
  depth: number;
}

async function readConfig(file: string, where: Where, start: Block, reading: Reading): Promise<void> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    // What can't be read ssh -G judges better: it may be an error, or a file that it passes over.
    if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') reading.odd = true;
    return '';
  });
  let block = start;
  for (const raw of text.split('\n')) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const [, keyword = '', value = ''] = line.match(/^([A-Za-z0-9]+)(?:\s*=\s*|\s+)(.*)$/) ?? [];
    switch (keyword.toLowerCase()) {
      case 'host':
        if (/["'\\#]/.test(value)) reading.odd = true;
        block = newBlock(reading, value.toLowerCase().split(/\s+/));
        break;
      case 'include':
        await include(value, where, block, reading);
        break;
      case '':
      case 'match':
      case 'ignoreunknown':
        reading.odd = true;
        break;
      case 'canonicalizehostname':
        if (value !== 'no') reading.odd = true;
        break;
      case 'hashknownhosts':
        block.hashKnownHosts ??= value;
        break;
      case 'hostname':
        block.own = true;
        break;
      default:
        if (WITHOUT_EFFECT.test(keyword)) break;
        block.matters = true;
        if (/[%$]/.test(value)) block.own = true;
    }
  }
}

async function include(value: string, where: Where, block: Block, reading: Reading): Promise<void> {
  // 16 is READCONF_MAX_DEPTH in OpenSSH's readconf.c.
  if (/["'\\#$%{[]/.test(value) || where.depth >= 16) {
    reading.odd = true;
    return;
  }
  for (const word of value.split(/\s+/)) {
    const path = resolve(where.base, word.replace(/^~(?=\/)/, where.home));
    const folder = dirname(path);
    if (/[*?]/.test(folder)) {
      reading.odd = true;
      continue;
    }
    const names = /[*?]/.test(basename(path))
      ? (await readdir(folder).catch(() => [])).filter(
          (name) => !name.startsWith('.') && matchPattern(name, basename(path)),
        )
      : [basename(path)];
    for (const name of names.sort()) {
      await readConfig(join(folder, name), { ...where, depth: where.depth + 1 }, block, reading);
    }
  }
}
