import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RPMS } from '../../src/lab/rhel-packages.ts';
import { startLab, type TestLab } from './harness.ts';
import { host, nic } from './hosts.ts';
import { differences, LEFT_BY_PACKAGES, snapshot } from './snapshot.ts';

/** The look-alike of the RHEL family: a host of it and one of Debian on a wire. */
let test: TestLab;
const A = host('a', [nic('ens3', 'wire', ['10.7.0.1/24'])], true, { platform: 'rhel' });
const B = host('b', [nic('ens3', 'wire', ['10.7.0.2/24'])]);

beforeAll(async () => {
  test = await startLab([A, B]);
}, 1_200_000);

afterAll(async () => {
  await test?.down();
}, 120_000);

const LIMIT = 300_000;
const names = RPMS.map(({ name }) => name).filter((name) => name !== 'firewalld');

describe('the look-alike', { timeout: LIMIT }, () => {
  it('is of the family, and says what it is', async () => {
    expect(await test.on('a', '. /etc/os-release; echo "$ID $VERSION_ID $ID_LIKE; $VARIANT"')).toBe(
      "rocky 9.3 rhel centos fedora; look-alike of lvsctl's lab, made of Debian's packages\n",
    );
    expect(await test.on('a', 'command -v apt-get dpkg dpkg-query; ls /var/lib/dpkg 2>&1; true')).toContain('No such');
    expect(await test.on('b', '. /etc/os-release; echo $ID')).toBe('debian\n');
  });

  it('has firewalld running, with its interface in the zone public', async () => {
    expect(await test.on('a', 'systemctl is-enabled firewalld; systemctl is-active firewalld')).toBe(
      'enabled\nactive\n',
    );
    expect(await test.on('a', 'firewall-cmd --get-active-zones')).toMatch(/^public\n {2}interfaces: ens3$/m);
    expect((await test.lab.run('b', ['ping', '-q', '-c', '1', '-W', '2', '10.7.0.1'])).code).toBe(0);
    // Somebody listens, and who comes from outside is refused.
    await test.on('a', 'systemd-run -q --unit=page python3 -m http.server 81');
    await expect
      .poll(() => test.lab.run('a', ['curl', '-s', 'http://10.7.0.1:81/']), { timeout: 30_000 })
      .toMatchObject({ code: 0 });
    expect((await test.lab.run('b', ['curl', '-s', '--max-time', '5', 'http://10.7.0.1:81/'])).code).toBe(7);
    await test.on('a', 'firewall-cmd -q --add-port=81/tcp');
    expect((await test.lab.run('b', ['curl', '-s', '--max-time', '5', 'http://10.7.0.1:81/'])).code).toBe(0);
    await test.on('a', 'firewall-cmd -q --remove-port=81/tcp; systemctl stop page');
  });

  it('installs packages that start nothing, and removes them without a trace', async () => {
    const before = await snapshot(test.lab, 'a');
    await test.on('a', `dnf -y -q install ${names.join(' ')}`);
    expect(await test.on('a', `rpm -q --qf '%{NAME}\\n' ${names.join(' ')}`)).toBe(`${names.join('\n')}\n`);
    const units = RPMS.flatMap((rpm) => (rpm.name === 'firewalld' ? [] : (rpm.units ?? [])));
    const states = await test.on(
      'a',
      `systemctl is-active ${units.join(' ')}; systemctl is-enabled ${units.join(' ')}; true`,
    );
    const expected = units.map((unit) => (unit === 'chronyd.service' ? 'enabled' : 'disabled'));
    expect(states.trim().split('\n')).toEqual([...units.map(() => 'inactive'), ...expected]);
    for (const [unit, says] of [
      ['nginx.service', 'curl -s -o /dev/null -w "%{http_code}" http://127.0.0.1/'],
      [
        'httpd.service',
        'echo page > /var/www/html/index.html; curl -s -o /dev/null -w "%{http_code}" http://127.0.0.1/',
      ],
    ] as const) {
      await test.on('a', `systemctl start ${unit}; sleep 1`);
      expect(await test.on('a', says), unit).toBe('200');
      await test.on('a', `systemctl reload ${unit}; sleep 1`);
      expect(await test.on('a', says), unit).toBe('200');
      await test.on('a', `systemctl stop ${unit}`);
    }
    await test.on('a', 'systemctl start chronyd dnsmasq; systemctl is-active chronyd dnsmasq; chronyc -n tracking');
    await test.on('a', `rm /var/www/html/index.html; dnf -y -q remove ${names.join(' ')}`);
    const after = await snapshot(test.lab, 'a');
    expect(differences(before, after, LEFT_BY_PACKAGES)).toEqual([]);
  });

  it('has an ipvsadm.service that writes the live table over the saved rules when it is restarted', async () => {
    await test.on('a', 'dnf -y -q install ipvsadm; ipvsadm -A -t 10.7.0.9:80 -s rr');
    await test.on('a', 'ipvsadm -Sn > /etc/sysconfig/ipvsadm; systemctl enable -q --now ipvsadm');
    await test.on('a', 'echo "-A -t 10.7.0.9:81 -s rr" >> /etc/sysconfig/ipvsadm; systemctl restart ipvsadm');
    expect(await test.on('a', 'cat /etc/sysconfig/ipvsadm')).toBe('-A -t 10.7.0.9:80 -s rr\n');
    // Nobody writes what the unit saved to the disk at once.
    await test.on('a', 'sync');
    await test.lab.power('a', 'cycle');
    // It says that it is up before its last unit has started.
    await expect.poll(() => test.on('a', 'ipvsadm -Sn'), { timeout: 60_000 }).toBe('-A -t 10.7.0.9:80 -s rr\n');
  });
});
