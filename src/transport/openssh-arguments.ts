import type { TransportOptions } from './options.ts';
import type { Target } from './types.ts';

/** Options of `ssh` for a target: what the inventory says, and the limits; the rest is the operator's ssh_config. Pure. */
export function opensshArguments(target: Target, options: TransportOptions): { options: string[]; host: string } {
  const { ssh } = target;
  const args: string[] = [];
  const set = (name: string, value: string | number) => args.push('-o', `${name}=${value}`);
  // A host of the lab is none of the operator's, whatever its address.
  const proxy = options.proxyCommand?.(target);
  if (proxy !== undefined) args.push('-F', 'none');
  else if (options.sshConfig !== undefined) args.push('-F', options.sshConfig);
  if (proxy !== undefined) set('ProxyCommand', proxy);
  else if (ssh.jump !== undefined) set('ProxyJump', jumpText(ssh.jump, options));
  if (ssh.user !== undefined) set('User', ssh.user);
  if (ssh.port !== undefined) set('Port', ssh.port);
  if (ssh.identityFile !== undefined) {
    args.push('-i', ssh.identityFile);
    set('IdentitiesOnly', 'yes');
  }
  if (ssh.knownHosts !== undefined) {
    set('UserKnownHostsFile', quoted(ssh.knownHosts));
    set('GlobalKnownHostsFile', 'none');
  }
  set('StrictHostKeyChecking', options.acceptNewHostKeys ? 'accept-new' : 'yes');
  set('BatchMode', options.interactive ? 'no' : 'yes');
  if (options.connectTimeout !== undefined || proxy === undefined)
    set('ConnectTimeout', Math.ceil(options.connectTimeout ?? 10));
  const keepalive = options.keepalive ?? { interval: 15, count: 3 };
  set('ServerAliveInterval', Math.ceil(keepalive.interval));
  set('ServerAliveCountMax', keepalive.count);
  return { options: args, host: ssh.address };
}

/** A jump that names hosts of the inventory, as ProxyJump wants it. */
function jumpText(jump: string, options: TransportOptions): string {
  return jump
    .split(',')
    .map((hop) => {
      const known = options.inventoryHost?.(hop.trim())?.ssh;
      if (!known) return hop.trim();
      const address = known.address.includes(':') ? `[${known.address}]` : known.address;
      return `${known.user ? `${known.user}@` : ''}${address}${known.port ? `:${known.port}` : ''}`;
    })
    .join(',');
}

/** A file name in ssh_config's own quoting (for -o). */
function quoted(file: string): string {
  return /[\s"]/.test(file) ? `"${file.replaceAll('"', '\\"')}"` : file;
}
