import { DR_KEEPALIVED } from './dr-keepalived.ts';
import { clusterStory } from './story.ts';

/** The same on hosts of the other family: a firewall runs from the start, and dnf installs. */
clusterStory({
  ...DR_KEEPALIVED,
  platform: 'rhel',
  // firewalld's iptables loads them by itself.
  leaves: [...(DR_KEEPALIVED.leaves ?? []), /^modules xt_(CT|comment): new/u],
});
