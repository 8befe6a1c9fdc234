import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';

/**
 * Whole runs of the built lvsctl with a secret: whatever it says, saves or leaves behind, and whatever can be seen
 * while it runs, is searched for it. The host is a folder in place of `/` with stand-ins for its programs, in
 * namespaces of its own; stand-ins for chmod and chown take their time, so that a file's first moments can be seen.
 */

const PROGRAM = new URL('../../dist/lvsctl.js', import.meta.url).pathname;
const CONFIG = 'etc/keepalived/keepalived.conf';

let folder: string;
let root: string;
let home: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lvsctl-secret-'));
  chmodSync(folder, 0o755);
  root = join(folder, 'root');
  home = join(folder, 'home');
  mkdirSync(home);
  put('etc/os-release', 'ID=debian\nVERSION_ID="12"\n');
  for (const name of ['osrelease', 'arch', 'hostname', 'random/boot_id']) put(`proc/sys/kernel/${name}`, 'x\n');
  symlinkSync('/proc/uptime', join(root, 'proc/uptime'));
  for (const path of ['etc/systemd/system', 'run/systemd/system', 'sys/module/ip_vs', 'sys/module/ip_vs_rr'])
    mkdirSync(join(root, path), { recursive: true });
  for (const name of ['sync', 'apt-get', 'ipvsadm', 'modprobe', 'nft', 'iptables', 'iptables-save', 'arptables'])
    stub(name, ':');
  stub('nmcli', 'exit 1');
  stub('chown', 'sleep 0.1');
  stub('chmod', `sleep 0.1; exec ${existsSync('/bin/chmod') ? '/bin' : '/usr/bin'}/chmod "$@"`);
  stub('dpkg-query', 'printf "%s installed 1\\n" keepalived ipvsadm');
  const addresses = [{ family: 'inet', local: '192.0.2.10', prefixlen: 24, dynamic: false }];
  stub('ip', `echo '${JSON.stringify([{ ifname: 'ens32', operstate: 'UP', addr_info: addresses }])}'`);
  // Says no, with all of the configuration, where the test wants that.
  stub('keepalived', '[ ! -e "$LVSCTL_ROOT/refuse" ] || { cat "$3"; echo "(Line 21) Unknown keyword"; exit 1; }');
  stub('systemctl', SYSTEMCTL);
  stub(
    'systemd-run',
    'while case $1 in -*) true ;; *) false ;; esac; do shift; done; setsid "$@" >/dev/null 2>&1 3>&- &',
  );
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Knows what is enabled and runs, and notes what was loaded as lvsctl's drop-in does. */
const SYSTEMCTL = `
units=$LVSCTL_ROOT/run/units
mkdir -p "$units"
while case $1 in --quiet | --no-block) true ;; *) false ;; esac; do shift; done
case $1 in
  show)
    [ "$2" != --value ] || exit 0
    shift 3
    for unit; do
      [ -e "$units/$unit.on" ] && active=active || active=inactive
      [ -e "$units/$unit.enabled" ] && enabled=enabled || enabled=disabled
      printf 'Id=%s\\nLoadState=loaded\\nActiveState=%s\\nUnitFileState=%s\\nNeedDaemonReload=no\\n\\n' "$unit" $active $enabled
    done ;;
  start | restart | reload)
    : >"$units/$2.on"
    umask 077
    mkdir -p "$LVSCTL_ROOT/run/lvsctl/loaded"
    cd "$LVSCTL_ROOT" && sha256sum ${CONFIG} | sed 's,  ,  /,' >"run/lvsctl/loaded/$2" ;;
  stop) rm -f "$units/$2.on" ;;
  enable) : >"$units/$2.enabled" ;;
  disable) rm -f "$units/$2.enabled" ;;
  is-active) [ -e "$units/$2.on" ] ;;
esac`;

function put(path: string, content: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
}

function stub(name: string, script: string): void {
  put(`bin/${name}`, `#!/bin/sh\n${script}\n`);
  chmodSync(join(root, 'bin', name), 0o755);
}

function inventory(authPass: object): string {
  const file = join(folder, 'lvs.yaml');
  const content = {
    version: 1,
    name: 'secret',
    hosts: {
      lvs1: {
        manage: ['ipvs', 'vrrp', 'packages', 'files', 'services'],
        interfaces: { ens32: { addresses: ['192.0.2.10/24'] } },
      },
      web1: { manage: 'none', interfaces: { ens32: { addresses: ['192.0.2.20/24'] } } },
    },
    vrrp: {
      edge: {
        nodes: { lvs1: { priority: 100 } },
        auth_pass: authPass,
        instances: { outside: { virtual_router_id: 51, interface: 'ens32' } },
      },
    },
    vips: { shop: { addresses: ['192.0.2.100'], vrrp: 'edge.outside' } },
    services: {
      web: { mode: 'nat', vip: 'shop', protocol: 'tcp', port: 80, scheduler: 'rr', real_servers: { web1: {} } },
    },
  };
  writeFileSync(file, JSON.stringify(content));
  return file;
}

/** Every form in which a secret could show, by name. */
function formsOf(secret: string): Map<string, string> {
  const forms = new Map([
    ['plain', secret],
    ['hex', Buffer.from(secret).toString('hex')],
    ['JSON', JSON.stringify(secret).slice(1, -1)],
    ['JSON in JSON', JSON.stringify(JSON.stringify(secret)).slice(3, -3)],
    ['in a URL', encodeURIComponent(secret)],
  ]);
  // Base64 depends on where in a text it stands; its first and last characters on the neighbours.
  for (const before of [0, 1, 2]) {
    const text = Buffer.from(`${'x'.repeat(before)}${secret}`)
      .toString('base64')
      .replace(/=+$/, '');
    forms.set(`Base64 after ${before}`, text.slice(before === 0 ? 0 : before + 1, -1));
  }
  const config = existsSync(join(root, CONFIG)) ? [readFileSync(join(root, CONFIG), 'utf8')] : [];
  for (const text of [secret, `${secret}\n`, `auth_pass ${secret}`, ...config]) {
    for (const algorithm of ['md5', 'sha1', 'sha256', 'sha512']) {
      const digest = createHash(algorithm).update(text).digest();
      const of = `${algorithm} of ${text.length} characters`;
      forms.set(of, digest.toString('hex')).set(`${of}, Base64`, digest.toString('base64').slice(0, -2));
    }
  }
  return forms;
}

/** The names of the forms in which the secret stands in a text. */
function found(text: string, secret: string): string[] {
  const low = text.toLowerCase();
  return [...formsOf(secret)].flatMap(([name, form]) =>
    text.includes(form) || (name.startsWith('hex') && low.includes(form)) ? [name] : [],
  );
}

interface Seen {
  code: number | null;
  out: string;
  err: string;
  /** Command lines of all processes of this machine that were seen meanwhile. */
  commands: Set<string>;
  /** Files of the host that held the secret and could be read by others, if only for a moment. */
  exposed: Set<string>;
}

/** Runs lvsctl, and looks around while it runs. */
async function lvsctl(args: readonly string[], secret: string, env: NodeJS.ProcessEnv = {}): Promise<Seen> {
  const child = spawn('unshare', ['-Urnm', process.execPath, PROGRAM, ...args], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...env,
      NO_COLOR: '1',
      HOME: home,
      HISTFILE: join(home, '.history'),
      LVSCTL_STATE: join(home, 'state'),
      LVSCTL_ROOT: root,
      PATH: `${join(root, 'bin')}:${process.env.PATH}`,
    },
  });
  const seen: Seen = { code: null, out: '', err: '', commands: new Set(), exposed: new Set() };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    seen.out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    seen.err += text;
  });
  let over = false;
  const closed = new Promise<void>((resolve) =>
    child.once('close', (code) => {
      over = true;
      seen.code = code;
      resolve();
    }),
  );
  while (!over) {
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name)))
      seen.commands.add(readIf(`/proc/${pid}/cmdline`).replaceAll('\0', ' '));
    for (const path of openFiles(root)) {
      if (!path.endsWith(CONFIG) && found(readIf(path), secret).length === 0) continue;
      if (readIf(path).includes(secret)) seen.exposed.add(path.slice(root.length));
    }
    await sleep(5);
  }
  await closed;
  return seen;
}

function readIf(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

/** Files that others than their owner may read, with all folders on their way. */
function* openFiles(path: string): Generator<string> {
  let mode: number;
  let entries: string[];
  try {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) return;
    mode = stat.mode;
    if (stat.isFile()) {
      if ((mode & 0o044) !== 0) yield path;
      return;
    }
    if (!stat.isDirectory() || (mode & 0o011) === 0) return;
    entries = readdirSync(path).filter((name) => name !== 'bin' && name !== 'proc' && name !== 'sys');
  } catch {
    return;
  }
  for (const name of entries) yield* openFiles(join(path, name));
}

function everyFile(path: string): string[] {
  return readdirSync(path, { recursive: true, encoding: 'utf8', withFileTypes: true })
    .filter((one) => one.isFile())
    .map((one) => join(one.parentPath, one.name));
}

/** What a run said, what was seen while it ran, and what it left: the secret is nowhere but where it belongs. */
function expectHidden(run: Seen, secrets: readonly string[], known: readonly string[] = []): void {
  for (const secret of secrets) {
    expect(found(run.out, secret)).toEqual([]);
    expect(found(run.err, secret)).toEqual([]);
    expect([...run.commands].filter((command) => found(command, secret).length > 0)).toEqual([]);
    const here = [...everyFile(home), ...everyFile(folder).filter((path) => dirname(path) === folder)];
    expect(here.filter((path) => !known.includes(path) && found(readIf(path), secret).length > 0)).toEqual([]);
    const there = everyFile(root).filter((path) => found(`${path}\n${readIf(path)}`, secret).length > 0);
    const open = new Set(openFiles(root));
    expect(there.filter((path) => open.has(path))).toEqual([]);
    // Not even for root: what lvsctl notes there is shown and copied. Copies of files that it replaced are the host's
    // own; the notes call them by their hashes, and so what a service had loaded, and nothing else.
    const copies = join(root, 'var/lib/lvsctl/before');
    const own = there.filter((path) => path.startsWith(join(root, 'var/lib/lvsctl')) && !path.startsWith(copies));
    const named = /("before":\{"type":"file","sha256":")[0-9a-f]{64}|("before":\{[^}]*"loaded":\[")[0-9a-f]{64}/g;
    const told = (path: string) => readIf(path).replaceAll(named, '$1');
    expect(own.filter((path) => found(told(path), secret).length > 0)).toEqual([]);
  }
  expect([...run.exposed]).toEqual([]);
}

const OPTIONS = ['--transport', 'local', '--limit', 'lvs1'];

test('from the environment: planned, saved, applied, read again and rotated, it shows nowhere', async () => {
  const file = inventory({ env: 'VRRP_PASS' });
  const [first, second] = ['Zq7+x@9k', 'Kw3~m=5T'];
  // A file that others may read holds another one: it is replaced by a private one, and its copy is private too.
  put(CONFIG, 'vrrp_instance x {\n  authentication {\n    auth_pass 0ld-Pa55\n  }\n}\n');
  const old = '0ld-Pa55';

  const env = { VRRP_PASS: first };
  const planned = await lvsctl(['plan', '-i', file, ...OPTIONS, '--out', 'saved.plan'], first, env);
  expect(planned).toMatchObject({ code: 0 });
  expect(planned.out).toContain('auth_pass <secret vrrp.edge.auth_pass>');
  expectHidden(planned, [first]);
  expect(found(planned.out + readIf(join(folder, 'saved.plan')), old)).toEqual([]);

  const json = await lvsctl(['plan', '--json', '-i', file, ...OPTIONS], first, env);
  expect(json).toMatchObject({ code: 0 });
  expectHidden(json, [first]);

  const applied = await lvsctl(['apply', 'saved.plan', '--transport', 'local', '--json'], first, env);
  expect({ code: applied.code, err: applied.err }).toEqual({ code: 0, err: '' });
  expect(readFileSync(join(root, CONFIG), 'utf8')).toContain(`auth_pass ${first}\n`);
  expect(statSync(join(root, CONFIG)).mode & 0o777).toBe(0o600);
  expectHidden(applied, [first, old]);

  const again = await lvsctl(['plan', '-i', file, ...OPTIONS, '--detailed-exitcode'], first, env);
  expect(again).toMatchObject({ code: 0 });

  // The plan was agreed to with another secret.
  const planned2 = await lvsctl(['plan', '-i', file, ...OPTIONS, '--out', 'later.plan'], first, env);
  expect(planned2).toMatchObject({ code: 0 });
  const rotated = await lvsctl(['plan', '-i', file, ...OPTIONS, '--detailed-exitcode'], second, { VRRP_PASS: second });
  expect(rotated).toMatchObject({ code: 2 });
  expectHidden(rotated, [first, second]);

  // The program says no, and says all of its configuration with it.
  put('refuse', '');
  const refused = await lvsctl(['apply', '--yes', '-i', file, ...OPTIONS], second, { VRRP_PASS: second });
  expect(refused).toMatchObject({ code: 1 });
  expect(refused.err).toContain('APPLY-REFUSED');
  expect(refused.err).toContain('auth_pass <secret vrrp.edge.auth_pass>');
  expectHidden(refused, [first, second]);
  rmSync(join(root, 'refuse'));

  const changed = await lvsctl(['apply', '--yes', '-i', file, ...OPTIONS], second, { VRRP_PASS: second });
  expect({ code: changed.code, err: changed.err }).toMatchObject({ code: 0 });
  expect(readFileSync(join(root, CONFIG), 'utf8')).toContain(`auth_pass ${second}\n`);
  expectHidden(changed, [first, second, old]);

  // What was done is told, and is taken back.
  const history = await lvsctl(['history', '--json', '-i', file, ...OPTIONS], second, { VRRP_PASS: second });
  expectHidden(history, [first, second, old]);
  const [, id = ''] = /"id":"([0-9a-f]+)"/.exec(history.out) ?? [];
  const shown = await lvsctl(['show', id, '--json', '-i', file, ...OPTIONS], second, { VRRP_PASS: second });
  expect(shown).toMatchObject({ code: 0 });
  expect(shown.out).toContain('keepalived.conf');
  expectHidden(shown, [first, second, old]);
  const back = await lvsctl(['rollback', '--yes', '--json', '-i', file, ...OPTIONS], second, { VRRP_PASS: second });
  expect(back.out).toContain('"rolled-back"');
  expectHidden(back, [first, second, old]);
}, 300_000);

test.each([
  ['a file', (secret: string) => ({ file: put2('pass', secret) }), ['pass']],
  ['a command', () => ({ command: 'cat hidden/pass' }), []],
])(
  'from %s: it shows nowhere',
  async (_, source, known) => {
    const secret = 'Zq7+x@9k';
    put2('hidden/pass', secret);
    const file = inventory(source(secret));
    const applied = await lvsctl(['apply', '--yes', '--json', '-i', file, ...OPTIONS], secret);
    expect({ code: applied.code, err: applied.err }).toMatchObject({ code: 0 });
    expect(readFileSync(join(root, CONFIG), 'utf8')).toContain(`auth_pass ${secret}\n`);
    expectHidden(
      applied,
      [secret],
      known.map((name) => join(folder, name)),
    );
  },
  60_000,
);

function put2(name: string, secret: string): string {
  mkdirSync(dirname(join(folder, name)), { recursive: true });
  writeFileSync(join(folder, name), `${secret}\n`, { mode: 0o600 });
  return name;
}
