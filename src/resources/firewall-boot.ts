import { type FirewallResource, linesOf } from './firewall.ts';
import { iptablesScripts } from './firewall-iptables.ts';
import { nftScript } from './firewall-nftables.ts';

const MARK = '# lvsctl manages this file: change the inventory, not this.\n';

/** What a host loads at boot to have a resource's rules, for lvsctl's script there. */
export interface BootParts {
  files: { path: string; content: string }[];
  /** Files for `nft -f`. */
  nft: string[];
  nftJumps: { from: string; chain: string }[];
  /** Files for `iptables-restore --noflush`, and jumps that must be there once. */
  iptables: {
    program: 'iptables' | 'ip6tables';
    variant: 'legacy' | 'nft';
    path: string;
    jumps: { table: string; from: string; chain: string }[];
  }[];
}

/** @param folder the files' absolute folder. Empty for firewalld, which keeps its rules itself. Pure. */
export function bootParts(resource: FirewallResource, folder: string): BootParts {
  const { place, purpose } = resource;
  const parts: BootParts = { files: [], nft: [], nftJumps: [], iptables: [] };
  const lines = linesOf(resource);
  switch (place.backend) {
    case 'firewalld':
      return parts;
    case 'nftables': {
      const path = `${folder}/firewall-${purpose}.nft`;
      const inserted = lines.filter((line) => line.startsWith('insert rule '));
      const script = nftScript(
        lines.filter((line) => !inserted.includes(line)),
        { lines: [], jumps: [] },
      );
      const jumps = inserted.map((line) => / ?insert rule (.*) jump (\S+)$/.exec(line));
      return {
        ...parts,
        files: [{ path, content: MARK + script }],
        nft: [path],
        nftJumps: jumps.map((match) => ({ from: match?.[1] ?? '', chain: match?.[2] ?? '' })),
      };
    }
    case 'iptables': {
      const jump = /^ip6?tables -t (\S+) -I (\S+) -j (\S+)$/;
      const isJump = (line: string) => jump.test(line);
      const scripts = iptablesScripts(lines, [], false).map(({ family, script }) => {
        const program = family === 4 ? ('iptables' as const) : ('ip6tables' as const);
        const jumps = lines
          .filter((line) => isJump(line) && line.startsWith(`${program} `))
          .map((line) => jump.exec(line));
        return {
          content: MARK + script,
          program,
          variant: place.variant,
          path: `${folder}/firewall-${purpose}.${program}`,
          jumps: jumps.map((match) => ({ table: match?.[1] ?? '', from: match?.[2] ?? '', chain: match?.[3] ?? '' })),
        };
      });
      return {
        ...parts,
        files: scripts.map(({ path, content }) => ({ path, content })),
        iptables: scripts.map(({ program, variant, path, jumps }) => ({ program, variant, path, jumps })),
      };
    }
  }
}
