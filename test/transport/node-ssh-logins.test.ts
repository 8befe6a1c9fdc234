import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nodeSshTransport } from '../../src/transport/node-ssh.ts';
import type { TransportOptions } from '../../src/transport/options.ts';
import type { Target } from '../../src/transport/types.ts';
import { codeOf, failureOf, run } from './io.ts';
import { keygen, knownLine, type Sshd, startSshd, tempDir } from './sshd.ts';

const base: TransportOptions = { sshConfig: 'none', environment: {}, retry: { attempts: 2, seconds: 5 } };
let sshd: Sshd;
beforeAll(async () => {
  sshd = await startSshd({ hostKeys: ['ed25519', 'ecdsa', 'rsa'] });
});
afterAll(() => sshd.stop());

/** Connects, runs `echo in`, closes; gives what it said. */
async function login(target: Target, options: TransportOptions = {}): Promise<string> {
  const transport = nodeSshTransport({ ...base, ...options });
  try {
    const connection = await transport.connect(target, { phase: 'observe' });
    const { stdout } = await run(connection, ['echo', 'in']);
    await connection.close();
    return stdout.trim();
  } finally {
    await transport.close();
  }
}

let files = 0;
const knownHosts = (text: string) => {
  const file = join(sshd.dir, `known-${files++}`);
  writeFileSync(file, text);
  return file;
};
const line = (type: 'ed25519' | 'ecdsa' | 'rsa') => knownLine(sshd.dir, type, sshd.port);

describe('the host key', () => {
  test.each(['ed25519', 'ecdsa', 'rsa'] as const)('known by its %s key alone: that one is asked for', async (type) => {
    expect(await login(sshd.target({ knownHosts: knownHosts(line(type)) }))).toBe('in');
  });

  test.each(['ed25519', 'ecdsa', 'rsa'] as const)('hashed, known by its %s key alone', async (type) => {
    const file = knownHosts(line(type));
    execFileSync('ssh-keygen', ['-q', '-H', '-f', file], { stdio: 'ignore' });
    expect(await login(sshd.target({ knownHosts: file }))).toBe('in');
  });

  test('unknown: refused, with its fingerprint', async () => {
    const error = await failureOf(login(sshd.target({ knownHosts: knownHosts('') })));
    const [, fingerprint] = execFileSync('ssh-keygen', ['-lf', join(sshd.dir, 'host_ed25519.pub')], {
      encoding: 'utf8',
    }).split(' ');
    expect(error.problems[0]).toMatchObject({
      code: 'SSH-HOST-KEY-UNKNOWN',
      place: { kind: 'host', host: 'host', phase: 'observe' },
    });
    expect(error.problems[0]?.what).toContain(fingerprint);
    expect(error.problems[0]?.next).toContain('--accept-new-host-keys');
  });

  test('unknown, to be accepted: written down, and verified from then on', async () => {
    const file = join(sshd.dir, 'fresh', 'known_hosts');
    expect(await login(sshd.target({ knownHosts: file }), { acceptNewHostKeys: true })).toBe('in');
    expect(readFileSync(file, 'utf8')).toBe(line('ed25519'));
    expect(await login(sshd.target({ knownHosts: file }))).toBe('in');
  });

  const other = (type: 'ed25519' | 'ecdsa') => {
    const dir = tempDir();
    keygen(join(dir, `host_${type}`), type);
    return knownLine(dir, type, sshd.port);
  };

  test('changed: refused, even where new keys are accepted; the file stays as it is', async () => {
    const text = other('ed25519');
    const file = knownHosts(text);
    const error = await failureOf(login(sshd.target({ knownHosts: file }), { acceptNewHostKeys: true }));
    expect(error.problems[0]?.code).toBe('SSH-HOST-KEY-CHANGED');
    expect(error.problems[0]?.what).toContain(`${file}:1`);
    expect(readFileSync(file, 'utf8')).toBe(text);
  });

  test('the known type is gone from the server: that is a change too', async () => {
    const single = await startSshd({ hostKeys: ['ed25519'] });
    const dir = tempDir();
    keygen(join(dir, 'host_ecdsa'), 'ecdsa');
    const file = knownHosts(knownLine(dir, 'ecdsa', single.port));
    const result = codeOf(login(single.target({ knownHosts: file }), { acceptNewHostKeys: true }));
    expect(await result).toBe('SSH-HOST-KEY-CHANGED');
    await single.stop();
  });

  test('revoked: refused although it is known', async () => {
    const file = knownHosts(line('ed25519'));
    appendFileSync(file, `@revoked * ${line('ed25519').split(' ').slice(1).join(' ')}`);
    expect(await codeOf(login(sshd.target({ knownHosts: file }), { acceptNewHostKeys: true }))).toBe(
      'SSH-HOST-KEY-REVOKED',
    );
  });

  test('known by a certificate authority only: says which transport can', async () => {
    const file = knownHosts(`@cert-authority * ${line('ecdsa').split(' ').slice(1).join(' ')}`);
    const error = await failureOf(login(sshd.target({ knownHosts: file })));
    expect(error.problems[0]?.code).toBe('SSH-HOST-KEY-UNKNOWN');
    expect(error.problems[0]?.next).toContain('--transport openssh');
  });

  test('ssh_config: an alias is looked up without a port; a hashed line is written where it says so', async () => {
    const file = join(sshd.dir, 'aliased');
    const config = join(sshd.dir, 'config');
    writeFileSync(
      config,
      `Host 127.0.0.1\n HostKeyAlias web\n HashKnownHosts yes\n StrictHostKeyChecking accept-new\n UserKnownHostsFile ${file}\n`,
    );
    const { knownHosts: _, ...ssh } = sshd.target().ssh;
    expect(await login({ name: 'host', ssh }, { sshConfig: config })).toBe('in');
    expect(readFileSync(file, 'utf8')).toMatch(/^\|1\|/);
    expect(execFileSync('ssh-keygen', ['-F', 'web', '-f', file], { encoding: 'utf8' })).toContain('ssh-ed25519');
  });
});

describe('keys', () => {
  const locked = (passphrase: string) => {
    const file = join(sshd.dir, `locked-${files++}`);
    keygen(file, 'ed25519', passphrase);
    appendFileSync(join(sshd.dir, 'authorized_keys'), readFileSync(`${file}.pub`));
    return file;
  };

  test('a key that the host does not know: SSH-AUTH, saying what was tried', async () => {
    const file = join(sshd.dir, 'stranger');
    keygen(file);
    const error = await failureOf(login(sshd.target({ identityFile: file })));
    expect(error.problems[0]?.code).toBe('SSH-AUTH');
    expect(error.problems[0]?.what).toContain(file);
    expect(error.problems[0]?.what).toContain('publickey');
  });

  test('no key at all: SSH-AUTH says that nothing was found', async () => {
    const error = await failureOf(login(sshd.target({ identityFile: '/nonexistent/key' })));
    expect(error.problems[0]?.code).toBe('SSH-AUTH');
    expect(error.problems[0]?.what).toContain('no key file, agent or password');
  });

  test.each(['ecdsa', 'rsa'] as const)('an %s key', async (type) => {
    const file = join(sshd.dir, `id_${type}`);
    keygen(file, type);
    appendFileSync(join(sshd.dir, 'authorized_keys'), readFileSync(`${file}.pub`));
    expect(await login(sshd.target({ identityFile: file }))).toBe('in');
  });

  test('a passphrase from the environment', async () => {
    const target = sshd.target({ identityFile: locked('open sesame') });
    expect(await login(target, { environment: { LVSCTL_KEY_PASSPHRASE: 'open sesame' } })).toBe('in');
  });

  test.each([
    ['none', {}, 'needs a passphrase'],
    ['a wrong one', { LVSCTL_KEY_PASSPHRASE: 'wrong' }, 'is wrong'],
  ])('a passphrase is needed and there is %s: the error says so, without it', async (_, environment, words) => {
    const file = locked('open sesame');
    const error = await failureOf(login(sshd.target({ identityFile: file }), { environment }));
    expect(error.problems[0]?.code).toBe('SSH-AUTH');
    expect(error.problems[0]?.what).toContain(file);
    expect(error.problems[0]?.what).toContain(words);
    expect(JSON.stringify(error.problems)).not.toContain('sesame');
  });

  test('a passphrase is asked for once, however many hosts there are, and again when mistyped', async () => {
    const answers = ['typo', 'open sesame'];
    const questions: string[] = [];
    const prompt = async (question: string) => {
      questions.push(question);
      return answers.shift() ?? '';
    };
    const file = locked('open sesame');
    const transport = nodeSshTransport({ ...base, prompt });
    const targets = Array.from({ length: 5 }, (_, index) => sshd.target({ identityFile: file }, `h${index}`));
    const connections = await Promise.all(targets.map((target) => transport.connect(target, { phase: 'test' })));
    expect(questions).toEqual([`Passphrase for ${file}: `, `Passphrase for ${file}: `]);
    await Promise.all(connections.map((connection) => connection.close()));
  });

  test('time for an answer does not count against the limit', async () => {
    const prompt = () => new Promise<string>((resolve) => setTimeout(resolve, 1500, 'open sesame'));
    expect(await login(sshd.target({ identityFile: locked('open sesame') }), { prompt, connectTimeout: 1 })).toBe('in');
  });
});

describe('an agent', () => {
  let stop: () => Promise<void>;
  let socket: string;
  beforeAll(async () => {
    socket = join(tempDir(), 'agent');
    const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' });
    while (!existsSync(socket)) await new Promise((resolve) => setTimeout(resolve, 10));
    const add = (file: string) =>
      execFileSync('ssh-add', ['-q', file], { env: { ...process.env, SSH_AUTH_SOCK: socket }, stdio: 'ignore' });
    for (let index = 0; index < 7; index++) {
      const file = join(sshd.dir, `unrelated-${index}`);
      keygen(file);
      add(file);
    }
    add(sshd.identityFile);
    stop = async () => {
      agent.kill();
      await once(agent, 'exit');
    };
  });
  afterAll(() => stop());

  test('holds the key: no file is needed, and the configured key comes first', async () => {
    // sshd gives up after six tries: with eight keys in the agent the order decides.
    const config = join(sshd.dir, 'agent-config');
    const half = join(sshd.dir, 'half');
    writeFileSync(`${half}.pub`, readFileSync(`${sshd.identityFile}.pub`));
    writeFileSync(config, `IdentityFile ${half}\nUserKnownHostsFile ${sshd.knownHosts}\n`);
    const { address, port, user } = sshd.target().ssh;
    const target: Target = { name: 'host', ssh: { address, ...(port ? { port } : {}), ...(user ? { user } : {}) } };
    expect(await login(target, { sshConfig: config, environment: { SSH_AUTH_SOCK: socket } })).toBe('in');
  });

  test('too many of its keys fail: SSH-AUTH with the server’s words', async () => {
    const { identityFile: _, ...ssh } = sshd.target().ssh;
    const error = await failureOf(
      login({ name: 'host', ssh }, { environment: { SSH_AUTH_SOCK: socket }, home: '/nonexistent' }),
    );
    expect(error.problems[0]?.code).toBe('SSH-AUTH');
    expect(error.problems[0]?.what).toMatch(/8 agent keys.*Too many authentication failures/);
  });

  test('a key that the inventory names keeps the agent’s other keys out', async () => {
    expect(await login(sshd.target(), { environment: { SSH_AUTH_SOCK: socket } })).toBe('in');
  });

  test('no agent behind the socket: the key file does', async () => {
    expect(await login(sshd.target(), { environment: { SSH_AUTH_SOCK: '/nonexistent/agent' } })).toBe('in');
  });
});
