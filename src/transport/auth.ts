import type { AnyAuthMethod, AuthenticationType, AuthHandlerMiddleware, ParsedKey } from 'ssh2';
import type { Deadline } from './deadline.ts';
import { agentWith, type KeyRing, sameKey } from './keys.ts';
import type { Secrets } from './secrets.ts';
import type { HostConfig } from './ssh-config.ts';

/** How the login goes, and afterwards what was tried, for the error when nothing helped. */
export interface Login {
  handler: AuthHandlerMiddleware;
  tried(): string[];
  /** Methods the server said it would take; undefined: it never said. */
  accepted(): string[] | undefined;
}

interface Attempt {
  method: 'publickey' | 'password' | 'keyboard-interactive';
  what: string;
  auth: AnyAuthMethod;
}

/**
 * The order of a login: agent keys, key files, then the password; never `none` first where there is anything better,
 * for that costs a round trip. A password is asked for only when the server says that it would take one.
 */
export function loginFor(config: HostConfig, ring: KeyRing, secrets: Secrets, deadline: () => Deadline): Login {
  const tried: string[] = [];
  let accepted: string[] | undefined;
  const attempts = attemptsOf(config, ring, secrets, tried, () => accepted);

  const advance = async (): Promise<AnyAuthMethod | false> => {
    for (;;) {
      const { value } = await attempts.next();
      if (!value) return false;
      if (value === 'ask') return { type: 'none', username: config.user };
      if (accepted && !accepted.includes(value.method)) continue;
      tried.push(value.what);
      return value.auth;
    }
  };

  return {
    handler: (left: AuthenticationType[] | null, _partial, next) => {
      if (left) accepted = [...left];
      // ssh2's types don't say so, but false is its word for "nothing more".
      const go = next as (auth: AnyAuthMethod | AuthenticationType | false) => void;
      deadline()
        .during(advance)
        .catch(() => false as const)
        .then(go)
        // The connection died while the operator was asked; whoever waits for it hears that from the connection.
        .catch(() => {});
    },
    tried: () => tried,
    accepted: () => accepted,
  };
}

async function* attemptsOf(
  config: HostConfig,
  ring: KeyRing,
  secrets: Secrets,
  notes: string[],
  accepted: () => string[] | undefined,
): AsyncGenerator<Attempt | 'ask', undefined> {
  const username = config.user;
  let offered = false;
  if (config.publicKey) {
    const held = await agentKeys(config, ring);
    if (config.identityAgent !== undefined && held.length > 0) {
      offered = true;
      const agent = agentWith(config.identityAgent, held);
      yield {
        method: 'publickey',
        what: `${held.length} agent ${held.length === 1 ? 'key' : 'keys'}`,
        auth: { type: 'agent', username, agent },
      };
    }
    for (const path of config.identityFiles) {
      const methods = accepted();
      if (methods && !methods.includes('publickey')) break;
      const half = held.length > 0 ? await ring.publicHalf(path) : undefined;
      if (half && held.some((key) => sameKey(key, half))) continue;
      const loaded = await ring.file(path);
      if (loaded === undefined) continue;
      if (typeof loaded === 'string') notes.push(loaded);
      else if (!held.some((key) => sameKey(key, loaded.key))) {
        offered = true;
        yield { method: 'publickey', what: loaded.name, auth: { type: 'publickey', username, key: loaded.key } };
      }
    }
  }
  if (!secrets.loginIsGiven && !secrets.canAsk && offered) return undefined;
  // Nothing to offer and nobody has said what the server takes: find out before asking anybody for a password.
  if (!offered && !(secrets.loginIsGiven && config.password)) yield 'ask';
  yield* passwordAttempts(config, secrets, accepted);
  return undefined;
}

async function* passwordAttempts(
  config: HostConfig,
  secrets: Secrets,
  accepted: () => string[] | undefined,
): AsyncGenerator<Attempt, undefined> {
  const username = config.user;
  const takes = (method: string) => accepted()?.includes(method) ?? true;
  let spent = false;
  if (config.password && takes('password')) {
    const password = await secrets.login(username);
    if (password === undefined) return undefined;
    yield { method: 'password', what: 'the password', auth: { type: 'password', username, password } };
    // Still on the server's list: it was the password that was wrong, and one try is enough for every host.
    spent = takes('password');
  }
  if (config.keyboardInteractive && !spent && takes('keyboard-interactive')) {
    const password = await secrets.login(username);
    if (password === undefined) return undefined;
    yield {
      method: 'keyboard-interactive',
      what: 'the password (keyboard-interactive)',
      auth: { type: 'keyboard-interactive', username, prompt: answer(password, secrets) },
    };
  }
  return undefined;
}

type KeyboardPrompt = Extract<AnyAuthMethod, { type: 'keyboard-interactive' }>['prompt'];

/** The first hidden question gets the password; any other (a one-time code) goes to the operator. */
function answer(password: string, secrets: Secrets): KeyboardPrompt {
  let given = false;
  return (_name, _instructions, _language, prompts, finish) => {
    const answers = prompts.map(({ prompt, echo }) => {
      if (given || echo) return secrets.ask(prompt);
      given = true;
      return Promise.resolve(password);
    });
    Promise.all(answers)
      .then((all) => finish(all.map((one) => one ?? '')))
      .catch(() => finish([]));
  };
}

/** The agent's keys in OpenSSH's order: those of configured files first; with IdentitiesOnly none but those. */
async function agentKeys(config: HostConfig, ring: KeyRing): Promise<ParsedKey[]> {
  if (config.identityAgent === undefined) return [];
  const held = await ring.agent(config.identityAgent);
  if (held.length === 0) return [];
  const halves = await Promise.all(config.identityFiles.map((path) => ring.publicHalf(path)));
  const configured = halves.filter((half) => half !== undefined);
  const isConfigured = (key: ParsedKey) => configured.some((half) => sameKey(half, key));
  const first = held.filter(isConfigured);
  return config.identitiesOnly ? first : [...first, ...held.filter((key) => !isConfigured(key))];
}
