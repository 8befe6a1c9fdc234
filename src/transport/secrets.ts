import type { Prompt } from './options.ts';

/** What only the operator knows; each asked for once a run and kept in memory only. */
export interface Secrets {
  /** The SSH password of a user, for all hosts; undefined where there is none to be had. */
  login(user: string): Promise<string | undefined>;
  /** Whether `login` answers without asking anybody. */
  loginIsGiven: boolean;
  /** The password sudo asks for. */
  sudo(user: string): Promise<string | undefined>;
  /** The passphrase of a key file; `attempt` from 0. Undefined: nobody to ask, or asked often enough. */
  passphrase(file: string, attempt: number): Promise<string | undefined>;
  /** Whether there is somebody to ask. */
  canAsk: boolean;
  /** Any other hidden answer (a one-time code); undefined where nobody can be asked. */
  ask(question: string): Promise<string | undefined>;
}

/** Tries at a passphrase, as many as ssh-add gives. */
const PASSPHRASE_TRIES = 3;

/** From the environment first, else from the prompt; one question at a time. */
export function secretsOf(environment: NodeJS.ProcessEnv, prompt: Prompt | undefined): Secrets {
  const answers = new Map<string, Promise<string | undefined>>();
  let asking: Promise<unknown> = Promise.resolve();

  const ask = (question: string): Promise<string | undefined> => {
    if (!prompt) return Promise.resolve(undefined);
    const answer = asking.then(() => prompt(question, { hidden: true }));
    asking = answer.catch(() => {});
    return answer;
  };
  const once = (key: string, question: string): Promise<string | undefined> => {
    let answer = answers.get(key);
    if (!answer) {
      answer = ask(question);
      answers.set(key, answer);
    }
    return answer;
  };

  const login = environment.LVSCTL_SSH_PASSWORD;
  const sudo = environment.LVSCTL_SUDO_PASSWORD;
  const passphrase = environment.LVSCTL_KEY_PASSPHRASE;
  return {
    login: (user) =>
      login === undefined ? once(`login ${user}`, `SSH password of ${user} (for all hosts): `) : Promise.resolve(login),
    loginIsGiven: login !== undefined,
    sudo: (user) =>
      sudo === undefined ? once(`sudo ${user}`, `sudo password of ${user} (for all hosts): `) : Promise.resolve(sudo),
    passphrase: (file, attempt) => {
      if (passphrase !== undefined) return Promise.resolve(attempt === 0 ? passphrase : undefined);
      return attempt < PASSPHRASE_TRIES ? ask(`Passphrase for ${file}: `) : Promise.resolve(undefined);
    },
    canAsk: prompt !== undefined,
    ask,
  };
}
