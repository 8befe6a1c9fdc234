import { NAT_TWO_NIC } from './nat-two-nic.ts';
import { clusterStory } from './story.ts';

clusterStory(NAT_TWO_NIC);
