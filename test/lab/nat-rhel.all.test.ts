import { NAT_TWO_NIC } from './nat-two-nic.ts';
import { clusterStory } from './story.ts';

/** The same on hosts of the other family: a firewall runs from the start, and dnf installs. */
clusterStory({ ...NAT_TWO_NIC, platform: 'rhel' });
