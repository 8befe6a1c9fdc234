import { DR_KEEPALIVED } from './dr-keepalived.ts';
import { clusterStory } from './story.ts';

/** The same on hosts of the other family: a firewall runs from the start, and dnf installs. */
clusterStory({ ...DR_KEEPALIVED, platform: 'rhel' });
