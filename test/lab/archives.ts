import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A .tar.gz of a shape like the one that its project publishes. */
export interface TestArchive {
  file: string;
  sha256: string;
}

const PACKAGES = [
  'tomcat10',
  'tomcat10-common',
  'libtomcat10-java',
  'libeclipse-jdt-core-java',
  'openjdk-17-jre-headless',
];

/**
 * Makes archives of Tomcat and of a Java runtime out of the files of Debian 12's own packages: the projects' archives
 * can't be had everywhere that tests run. So what is tried is the way of an archive, not these projects' archives.
 * @param folder where they are put
 */
export function makeArchives(folder: string): { tomcat: TestArchive; java: TestArchive } {
  const work = mkdtempSync(join(tmpdir(), 'lvsctl-archives-'));
  const files = join(work, 'files');
  try {
    execFileSync('apt-get', ['download', ...PACKAGES], { cwd: work, stdio: 'ignore' });
    for (const name of readdirSync(work).filter((each) => each.endsWith('.deb')))
      execFileSync('dpkg-deb', ['-x', join(work, name), files]);
    const tomcat = join(work, 'apache-tomcat-10.1');
    copy(files, '/usr/share/tomcat10/bin', join(tomcat, 'bin'));
    copy(files, '/usr/share/tomcat10/lib', join(tomcat, 'lib'));
    copy(files, '/usr/share/tomcat10/etc', join(tomcat, 'conf'));
    copy(files, '/usr/share/tomcat10-root/default_root', join(tomcat, 'webapps/ROOT'));
    // Compiles pages; Tomcat's library names it by its file.
    for (const jar of readdirSync(join(files, 'usr/share/java')).filter((name) => !name.startsWith('tomcat10')))
      copy(files, `/usr/share/java/${jar}`, join(tomcat, 'lib', jar));
    // As closed as the project's own archive is.
    execFileSync('chmod', ['-R', 'o-rwx', tomcat]);
    const java = join(work, 'jdk-17');
    for (const part of ['bin', 'conf', 'lib', 'release'])
      copy(files, `/usr/lib/jvm/java-17-openjdk-amd64/${part}`, join(java, part));
    return { tomcat: pack(tomcat, folder), java: pack(java, folder) };
  } finally {
    rmSync(work, { recursive: true });
  }
}

/** Copies what stands at a path among a package's files; links become what they lead to, or nothing. */
function copy(files: string, path: string, to: string): void {
  const from = join(files, path);
  if (!existsSync(from) && !isLink(from)) return;
  if (isLink(from)) {
    const target = readlinkSync(from);
    copy(files, target.startsWith('/') ? target : join(path, '..', target), to);
  } else if (lstatSync(from).isDirectory()) {
    mkdirSync(to, { recursive: true });
    for (const name of readdirSync(from)) copy(files, join(path, name), join(to, name));
  } else {
    cpSync(from, to);
  }
}

function isLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
}

function pack(tree: string, folder: string): TestArchive {
  const name = tree.slice(tree.lastIndexOf('/') + 1);
  const file = join(folder, `${name}.tar.gz`);
  execFileSync('tar', ['-czf', file, '-C', join(tree, '..'), name]);
  return { file, sha256: createHash('sha256').update(readFileSync(file)).digest('hex') };
}
