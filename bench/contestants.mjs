/** The programs that are compared: each makes ready what it reads, and says how it is started. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { FARM, KEY, KNOWN_HOSTS } from './farm.mjs';
import { allFiles, FILES, ROOT, SYSCTLS, sha256, sysctlPath, UNITS } from './work.mjs';

export const PARALLEL = 50;

/** @returns {Promise<{ argv: string[] }>} the floor's job for these addresses */
export async function floor(name, addresses) {
  const files = await allFiles();
  const paths = Object.keys(files).join(' ');
  const properties = 'Id,LoadState,ActiveState,SubState,UnitFileState,NeedDaemonReload';
  const command = [
    `sha256sum ${paths}`,
    `stat -c '%a %U %G' ${paths}`,
    `cat ${Object.keys(SYSCTLS).map(sysctlPath).join(' ')}`,
    `systemctl show -p ${properties} ${UNITS.join(' ')}`,
  ].join('; ');
  const expected = [
    ...Object.entries(files).map(([path, text]) => `${sha256(text)}  ${path}\n`),
    ...Object.keys(files).map(() => '644 root root\n'),
    ...Object.values(SYSCTLS).map((value) => `${value}\n`),
    ...UNITS.map(
      (unit) =>
        `Id=${unit}\nLoadState=loaded\nActiveState=active\nSubState=running\nUnitFileState=enabled\nNeedDaemonReload=no\n\n`,
    ),
  ].join('');
  const job = { key: KEY, knownHosts: KNOWN_HOSTS, addresses, command, expected, parallel: PARALLEL };
  const file = `${FARM}/${name}.json`;
  writeFileSync(file, JSON.stringify(job));
  return { argv: [process.execPath, join(ROOT, 'bench/floor.mjs'), file] };
}

/** `lvsctl plan` of an inventory that says the common things once. */
export function lvsctl(name, addresses) {
  const inventory = {
    version: 1,
    name: 'bench',
    defaults: {
      host: {
        ssh: { user: 'root', identity_file: KEY, known_hosts: KNOWN_HOSTS },
        sysctls: SYSCTLS,
        files: Object.fromEntries(Object.entries(FILES).map(([path, content]) => [path, { content }])),
        units: Object.fromEntries(UNITS.map((unit) => [unit, { enabled: true, running: true }])),
      },
    },
    hosts: Object.fromEntries(addresses.map((address, index) => [`host${index}`, { ssh: { address } }])),
  };
  const file = `${FARM}/${name}.yaml`;
  writeFileSync(file, stringify(inventory));
  const program = join(ROOT, 'dist/lvsctl.js');
  return { argv: [process.execPath, program, 'plan', '-i', file, '--detailed-exitcode'] };
}

/** Whether `ansible-playbook` is there. */
export function hasAnsible() {
  try {
    execFileSync('ansible-playbook', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** `ansible-playbook --check` with the same files, sysctls and services; facts aren't gathered, connections are kept. */
export function ansible(name, addresses) {
  const folder = `${FARM}/ansible-${name}`;
  mkdirSync(folder, { recursive: true });
  const tasks = [
    {
      copy: { dest: '{{ item.key }}', content: '{{ item.value }}', owner: 'root', group: 'root', mode: '0644' },
      loop: '{{ files | dict2items }}',
    },
    {
      'ansible.posix.sysctl': { name: '{{ item.key }}', value: '{{ item.value }}' },
      loop: '{{ sysctls | dict2items }}',
    },
    { systemd: { name: '{{ item }}', state: 'started', enabled: true }, loop: UNITS },
  ];
  const play = { hosts: 'all', gather_facts: false, vars: { files: FILES, sysctls: SYSCTLS }, tasks };
  writeFileSync(`${folder}/play.yml`, stringify([play]));
  const login = `ansible_user=root ansible_ssh_private_key_file=${KEY}`;
  const common = `-o UserKnownHostsFile=${KNOWN_HOSTS} -o ControlMaster=auto -o ControlPersist=60s`;
  writeFileSync(
    `${folder}/hosts`,
    addresses.map((address) => `${address} ${login} ansible_ssh_common_args='${common}'\n`).join(''),
  );
  return {
    argv: ['ansible-playbook', '--check', '-f', String(PARALLEL), '-i', `${folder}/hosts`, `${folder}/play.yml`],
  };
}
