import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadCluster } from '../../src/inventory/index.ts';
import { labUp } from '../../src/lab/index.ts';
import { lvsctl, type Run } from '../cli/lvsctl.ts';
import { type ClusterLab, type ClusterOptions, clusterUp, pending } from './cluster.ts';
import { differences, LEFT_BY_PACKAGES, type Snapshot } from './snapshot.ts';

export { eventsOf } from './cluster.ts';

/** The built program, aimed at one inventory and its lab. */
export interface Story {
  /** `lvsctl ARGS -i INVENTORY`. */
  run(...args: string[]): Promise<Run>;
  /** Runs a command on a machine; it must go well. Gives its output. */
  on(host: string, command: string): Promise<string>;
  /** What a plan would change, as `HOST: KEY`; the exit code must agree. */
  pending(): Promise<string[]>;
  /** Forty requests from the client, each over a new connection: how many each real server answered. */
  shares(): Promise<Record<string, number>>;
}

/** Starts the inventory's lab; it ends with this process, whatever happens to that. */
export async function upWithThisTest(inventory: string): Promise<void> {
  await labUp(loadCluster([inventory]), { tied: true });
}

/** Tells a story with an inventory whose lab is up. */
export function tell(inventory: string): Story {
  const run = (...args: string[]): Promise<Run> => lvsctl([...args, '-i', inventory]);
  const on = async (host: string, command: string): Promise<string> => {
    const result = await lvsctl(['lab', 'run', '-i', inventory, host, '--', 'sh', '-c', command]);
    expect(result, `${host}: ${command}`).toMatchObject({ code: 0 });
    return result.out;
  };
  return {
    run,
    on,
    pending: () => pending(run),
    shares: async () => {
      const ask = 'n=0; while [ $n -lt 40 ]; do n=$((n+1)); curl -sS --max-time 3 http://20.20.20.20/ || exit 1; done';
      const counts: Record<string, number> = {};
      for (const line of (await on('client', ask)).trim().split('\n')) counts[line] = (counts[line] ?? 0) + 1;
      return counts;
    },
  };
}

/** One measure that the traffic needs: taken away on a host by hand, the traffic must fail. */
export interface Twin {
  /** What is taken away, e.g. `ARP suppression`. */
  without: string;
  host: string;
  /** Shell that takes it away. */
  take: string;
  /** Shell that puts it back where an apply wouldn't. */
  back?: string;
  /** What must fail then; the story's traffic where nothing else is said. */
  fails?: (cluster: ClusterLab) => Promise<void>;
}

export interface ClusterStory extends ClusterOptions {
  /** Asks for traffic and checks who answers whom; throws where it isn't as the inventory says. */
  traffic: (cluster: ClusterLab) => Promise<void>;
  twins?: readonly Twin[];
  /** Whether it ends with `lvsctl destroy` and every host as it was. */
  destroy?: boolean;
  /** What `destroy` may leave besides what packages leave: patterns of `differences`' lines. */
  leaves?: readonly RegExp[];
  /** Further tests, after the apply and its traffic, before the power is cut. */
  more?: (cluster: () => ClusterLab) => void;
}

// A JDK takes minutes to install where several labs share the cores.
const LONG = 1_800_000;

/**
 * The story of an inventory on real kernels: a plan with changes, apply, traffic, a plan without changes, each measure
 * taken away and missed, a power cut of everything, traffic without a controller, and every host given back.
 */
export function clusterStory(story: ClusterStory): void {
  const family = story.platform === undefined ? '' : ` (${story.platform})`;
  describe(`${story.inventory}${family} on real kernels`, { timeout: LONG }, () => {
    let cluster: ClusterLab;
    let before: Record<string, Snapshot>;

    beforeAll(async () => {
      cluster = await clusterUp(story);
      before = story.destroy === true ? await cluster.snapshots() : {};
    }, 900_000);

    afterAll(async () => {
      await cluster?.down();
    }, 120_000);

    it('has changes at first, applies them, and then has none', async () => {
      expect(await cluster.pending()).not.toEqual([]);
      await cluster.apply();
      expect(await cluster.pending()).toEqual([]);
    });

    it('answers as described', async () => {
      await story.traffic(cluster);
    });

    story.more?.(() => cluster);

    for (const twin of story.twins ?? []) {
      it(`fails without ${twin.without}`, async () => {
        await cluster.on(twin.host, twin.take);
        const asked = (twin.fails ?? story.traffic)(cluster);
        await expect(asked, `without ${twin.without} the traffic should have failed`).rejects.toThrow();
        if (twin.back !== undefined) await cluster.on(twin.host, twin.back);
        await cluster.apply();
        await story.traffic(cluster);
      });
    }

    it('comes back by itself after the power of all machines was cut', async () => {
      await cluster.powerCut();
      await story.traffic(cluster);
      expect(await cluster.pending()).toEqual([]);
    });

    if (story.destroy === true) {
      it('gives every host back', async () => {
        const destroyed = await cluster.run('destroy', '--lab', '--yes');
        expect(destroyed, `${destroyed.out}\n${destroyed.err}`).toMatchObject({ code: 0 });
        const after = await cluster.snapshots();
        // What it says that it leaves.
        const told = [...destroyed.out.matchAll(/left: (\/\S+), which the installation made/g)].map(
          ([, path]) => new RegExp(`^files ${path}(/|:| )`),
        );
        const left = cluster.managed.flatMap((host) => {
          const [was, is] = [before[host], after[host]];
          if (was === undefined || is === undefined) throw new Error(`no snapshot of ${host}`);
          const known = [...LEFT_BY_PACKAGES, ...told, ...(story.leaves ?? [])];
          return differences(was, is, known).map((line) => `${host}: ${line}`);
        });
        expect(left).toEqual([]);
      });
    }
  });
}
