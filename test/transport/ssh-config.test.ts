import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { configFiles } from '../../src/transport/config-files.ts';
import { parseJumps } from '../../src/transport/jumps.ts';
import { matchPattern, matchPatternList } from '../../src/transport/patterns.ts';
import { fromAnswer, parseAnswer, sshConfigs } from '../../src/transport/ssh-config.ts';
import type { Target } from '../../src/transport/types.ts';
import { codeOf } from './io.ts';
import { tempDir } from './sshd.ts';

let dir: string;
let count = 0;
beforeAll(() => {
  dir = tempDir();
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const file = (text: string) => {
  const path = join(dir, `config-${count++}`);
  writeFileSync(path, text);
  return path;
};
const at = (address: string, ssh: Partial<Target['ssh']> = {}): Target => ({ name: address, ssh: { address, ...ssh } });
const account = { home: '/home/op', user: 'op', agent: undefined };
const whom = { host: 'h', phase: 'test' };

const { homedir, username } = userInfo();
const askSsh = (...args: string[]) =>
  parseAnswer(execFileSync('ssh', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));

describe('patterns', () => {
  test.each([
    ['web1', 'web1', true],
    ['web1', 'web?', true],
    ['web', 'web?', false],
    ['web1.example.com', '*.example.com', true],
    ['example.com', '*.example.com', false],
    ['abcbc', '*bc', true],
    ['abcbd', '*bc', false],
    ['', '*', true],
    ['a', '', false],
    ['aXbXc', 'a*b*c', true],
  ])('%s against %s: %s', (name, pattern, matches) => {
    expect(matchPattern(name, pattern)).toBe(matches);
  });

  test('agrees with a regular expression', () => {
    const letters = fc.array(fc.constantFrom('a', 'b', '.'), { maxLength: 8 }).map((parts) => parts.join(''));
    const glob = fc.array(fc.constantFrom('a', 'b', '.', '*', '?'), { maxLength: 8 }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(letters, glob, (name, pattern) => {
        const source = [...pattern].map((c) => (c === '*' ? '.*' : c === '?' ? '.' : c.replace('.', '\\.'))).join('');
        expect(matchPattern(name, pattern)).toBe(new RegExp(`^${source}$`).test(name));
      }),
    );
  });

  test('a negated pattern wins wherever it stands, and alone matches nothing', () => {
    expect(matchPatternList('web1', ['web*', '!web1'])).toBe(false);
    expect(matchPatternList('web1', ['!web1', 'web*'])).toBe(false);
    expect(matchPatternList('web2', ['!web1'])).toBe(false);
  });

  test('a pattern full of stars costs no exponential time', () => {
    expect(matchPattern('a'.repeat(5000), `${'*a'.repeat(200)}b`)).toBe(false);
  });
});

describe('what ssh -G says, and what the inventory says over it', () => {
  test('nothing said: the defaults of ssh_config(5)', () => {
    expect(fromAnswer(at('10.0.0.1'), new Map(), account)).toEqual({
      hostname: '10.0.0.1',
      user: 'op',
      port: 22,
      identityFiles: ['rsa', 'ecdsa', 'ecdsa_sk', 'ed25519', 'ed25519_sk', 'xmss', 'dsa'].map(
        (name) => `/home/op/.ssh/id_${name}`,
      ),
      identitiesOnly: false,
      knownHosts: [
        '/home/op/.ssh/known_hosts',
        '/home/op/.ssh/known_hosts2',
        '/etc/ssh/ssh_known_hosts',
        '/etc/ssh/ssh_known_hosts2',
      ],
      hashKnownHosts: false,
      acceptNew: false,
      family: 0,
      publicKey: true,
      password: true,
      keyboardInteractive: true,
    });
  });

  test('the defaults are what the ssh of this machine has', () => {
    const here = { home: homedir, user: username, agent: undefined };
    const answer = askSsh('-F', 'none', '-G', '10.0.0.1');
    expect(fromAnswer(at('10.0.0.1'), new Map(), here)).toEqual(fromAnswer(at('10.0.0.1'), answer, here));
  });

  test('every word that is heeded', () => {
    const text = [
      'hostname web.example.com',
      'user deploy',
      'port 2222',
      'identityfile ~/.ssh/k_%h_%r',
      'identityfile /keys/%%',
      'identitiesonly yes',
      'identityagent ~/agent.sock',
      'userknownhostsfile /a ~/b',
      'globalknownhostsfile none',
      'hostkeyalias web',
      'hashknownhosts yes',
      'stricthostkeychecking accept-new',
      'proxycommand nc -X 5 %h %p',
      'addressfamily inet6',
      'connecttimeout 3',
      'serveraliveinterval 5',
      'serveralivecountmax 2',
      'pubkeyauthentication true',
      'passwordauthentication no',
      'kbdinteractiveauthentication no',
    ].join('\n');
    expect(fromAnswer(at('web'), parseAnswer(text), { ...account, agent: '/tmp/agent' })).toEqual({
      hostname: 'web.example.com',
      user: 'deploy',
      port: 2222,
      identityFiles: ['/home/op/.ssh/k_web.example.com_deploy', '/keys/%'],
      identitiesOnly: true,
      identityAgent: '/home/op/agent.sock',
      knownHosts: ['/a', '/home/op/b'],
      hostKeyAlias: 'web',
      hashKnownHosts: true,
      acceptNew: true,
      proxyCommand: 'nc -X 5 web.example.com 2222',
      family: 6,
      connectTimeout: 3,
      keepalive: { interval: 5, count: 2 },
      publicKey: true,
      password: false,
      keyboardInteractive: false,
    });
  });

  test("the inventory's words win, and its jump takes the place of a ProxyCommand", () => {
    const answer = parseAnswer('user a\nport 1\nproxycommand nc\nidentityfile ~/x\nuserknownhostsfile /k\n');
    const target = at('web', { user: 'b', port: 2, identityFile: '~/y', knownHosts: '~/known', jump: 'bastion' });
    const config = fromAnswer(target, answer, { ...account, agent: '/agent' });
    expect(config).toMatchObject({
      user: 'b',
      port: 2,
      identityFiles: ['/home/op/y'],
      identitiesOnly: true,
      knownHosts: ['/home/op/known'],
      proxyJump: 'bastion',
    });
    expect(config.proxyCommand).toBeUndefined();
  });

  test.each([
    ['none', undefined],
    ['SSH_AUTH_SOCK', '/env'],
    ['/sock', '/sock'],
  ])('IdentityAgent %s', (said, socket) => {
    const answer = new Map([['identityagent', [said]]]);
    expect(fromAnswer(at('h'), answer, { ...account, agent: '/env' }).identityAgent).toBe(socket);
  });
});

describe('which hosts ask ssh -G together', () => {
  const sharing = async (text: string, host: string) => (await configFiles(file(text), dir)).sharing(host);

  test("a distribution's own file asks nobody", async () => {
    const debian =
      'Include /nonexistent/*.conf\nHost *\n    SendEnv LANG LC_*\n    HashKnownHosts yes\n    GSSAPIAuthentication yes\n';
    expect(await sharing(debian, 'h1')).toEqual({ known: new Map([['hashknownhosts', ['yes']]]) });
  });

  test.each([
    ['no file at all', '', true],
    ['a word without effect', 'Host *\nForwardAgent yes\n', true],
    ['another host’s block', 'Host other\nUser x\n', true],
  ])('%s: nothing to ask', async (_, text, known) => {
    expect((await sharing(text, 'h1')).known !== undefined).toBe(known);
  });

  test.each([
    ['Match', 'Match host h1\nUser x\n'],
    ['HostName', 'Host h1\nHostName 10.0.0.1\n'],
    ['a token', 'Host *\nIdentityFile ~/.ssh/%h\n'],
    ['canonical names', 'CanonicalizeHostname yes\n'],
    ['quoting', 'Host "h1"\nUser x\n'],
    ['an unreadable line', 'Host *\n= x\n'],
  ])('%s: each host alone', async (_, text) => {
    expect(await sharing(text, 'h1')).toEqual({});
  });

  test('hosts under the same lines share, others do not', async () => {
    const text = 'Port 2222\nHost web*\n  User web\nHost *1\n  User one\n';
    const groups = await Promise.all(['web2', 'web3', 'web1', 'db1', 'db2'].map((host) => sharing(text, host)));
    const [web2, web3, web1, db1, db2] = groups.map(({ group }) => group);
    expect(web2).toBe(web3);
    expect(new Set([web2, web1, db1, db2]).size).toBe(4);
  });

  test('what is included counts', async () => {
    mkdirSync(join(dir, 'conf.d'), { recursive: true });
    writeFileSync(join(dir, 'conf.d', 'one.conf'), 'Host h*\nUser x\n');
    expect((await sharing(`Include ${dir}/conf.d/*.conf\n`, 'h1')).group).toBeDefined();
    expect((await sharing(`Include ${dir}/conf.d/*.conf\n`, 'x1')).known).toBeDefined();
    expect((await sharing(`Include ${dir}/conf.d/*.txt\n`, 'h1')).known).toBeDefined();
  });

  test('gives what ssh -G gives, whatever the file', async () => {
    const line = fc.constantFrom(
      'User u1',
      'Port 2201',
      'IdentityFile ~/.ssh/a',
      'IdentityFile /k/b_%r',
      'ProxyJump j1,j2:22',
      'HostName other',
      'HashKnownHosts yes',
      'StrictHostKeyChecking accept-new',
      'UserKnownHostsFile /k1 /k2',
      'ForwardAgent yes',
      'HostKeyAlias al',
      'ServerAliveInterval 9',
      'IdentitiesOnly=yes',
    );
    const block = fc
      .tuple(
        fc.constantFrom('Host *', 'Host a*', 'Host *1', 'Host !a1 *', 'Host b2 a1', 'Match host a1'),
        fc.array(line, { maxLength: 3 }),
      )
      .map(([head, lines]) => [head, ...lines.map((text) => `  ${text}`)].join('\n'));
    const config = fc
      .tuple(fc.array(line, { maxLength: 2 }), fc.array(block, { maxLength: 4 }))
      .map(([head, blocks]) => `${[...head, ...blocks].join('\n')}\n`);
    await fc.assert(
      fc.asyncProperty(config, async (text) => {
        const path = file(text);
        const configs = sshConfigs({ sshConfig: path, environment: {} });
        for (const host of ['a1', 'a2', 'b1', 'b2', 'a1']) {
          const answer = askSsh('-F', path, '-G', host);
          const resolved = await configs.resolve(at(host), whom);
          expect(resolved).toEqual(fromAnswer(at(host), answer, { home: homedir, user: username, agent: undefined }));
        }
      }),
      { numRuns: 40 },
    );
  });
});

test('a file that ssh refuses is SSH-CONFIG', async () => {
  const configs = sshConfigs({ sshConfig: file('NoSuchWord yes\n'), environment: {} });
  expect(await codeOf(configs.resolve(at('h1'), whom))).toBe('SSH-CONFIG');
});

test('with a socket of its own a host is none of ssh_config’s', async () => {
  const configs = sshConfigs({
    sshConfig: file('User x\n'),
    environment: {},
    socket: () => Promise.reject(new Error('unused')),
  });
  expect((await configs.resolve(at('h1', { user: 'root' }), whom)).user).toBe('root');
});

test.each([
  ['bastion', [{ address: 'bastion' }]],
  ['me@a:2222,b', [{ address: 'a', user: 'me', port: 2222 }, { address: 'b' }]],
  ['ssh://me@a:22', [{ address: 'a', user: 'me', port: 22 }]],
  ['[2001:db8::1]:22', [{ address: '2001:db8::1', port: 22 }]],
  ['me@dom@a', undefined],
  ['', undefined],
  ['a,', undefined],
  ['-oProxyCommand=x', undefined],
  ['a:0', undefined],
])('ProxyJump %s', (text, hops) => {
  expect(parseJumps(text)?.map(({ ssh }) => ssh)).toEqual(hops);
});
