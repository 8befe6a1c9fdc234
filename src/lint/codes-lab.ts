import { errors } from './loading.ts';
import type { Entry } from './rule.ts';

/** What keeps the lab from starting or answering. */
export const LAB_CODES: readonly Entry[] = errors([
  {
    code: 'LAB-PLATFORM',
    title: 'a machine that can’t run the lab',
    why: 'The lab’s kernels run on Linux on x86-64.',
    remedy: 'Run the lab on such a machine; everything else of lvsctl works here.',
  },
  {
    code: 'LAB-NO-NAMESPACES',
    title: 'no user namespaces',
    why: 'The lab needs no root because it makes a user namespace of its own, and this machine doesn’t let ordinary programs do that.',
    remedy: 'Have an administrator allow it, as the error says.',
    source: 'user_namespaces(7)',
  },
  {
    code: 'LAB-NO-VETH',
    title: 'no virtual Ethernet',
    why: 'Segments of the lab are bridges with pairs of virtual Ethernet devices, which this kernel doesn’t give.',
    remedy: 'Have an administrator load the modules: modprobe -a veth bridge af_packet',
    source: 'veth(4)',
  },
  {
    code: 'LAB-NO-MOUNT',
    title: 'nothing can be mounted in a namespace',
    why: 'The lab mounts a tmpfs of its own; a container often forbids that.',
    remedy: 'Run outside the container, or let it mount file systems in user namespaces.',
  },
  {
    code: 'LAB-NO-MEMORY',
    title: 'too little memory for the lab',
    why: 'Each of its hosts is a kernel of its own with memory of its own.',
    remedy: 'Free some, or rehearse a part of the inventory in a file of its own.',
  },
  {
    code: 'LAB-NO-ROOM',
    title: 'too little room for the lab’s image',
    why: 'The image is built once and kept in the user’s cache folder.',
    remedy: 'Free some room, or set LVSCTL_CACHE (while it is built: TMPDIR) to a folder that has it.',
  },
  {
    code: 'LAB-NO-APT',
    title: 'no apt on this machine',
    why: 'The lab builds its machines from Debian’s packages, which apt-get and dpkg fetch and unpack.',
    remedy: 'Run the lab on Debian or Ubuntu.',
  },
  {
    code: 'LAB-NO-SOURCES',
    title: 'apt reaches no package source',
    why: 'The packages that the lab’s image is built of come from where this machine’s own come from.',
    remedy: 'See to the network, or add the distribution’s sources to /etc/apt/sources.list.d.',
  },
  {
    code: 'LAB-FETCH-FAILED',
    title: 'a tool of the lab can’t be fetched',
    why: 'It isn’t installed here, and the package sources didn’t give it.',
    remedy: 'Install it by hand, as the error says.',
  },
  {
    code: 'LAB-NO-UIDMAP',
    title: 'newuidmap is missing',
    why: 'The image holds files of several users, and an ordinary user needs newuidmap and newgidmap to make them.',
    remedy: 'Have an administrator run once: apt-get install uidmap',
    source: 'newuidmap(1)',
  },
  {
    code: 'LAB-NO-SUBUID',
    title: 'no subordinate ids',
    why: 'The image holds files of several users, and yours has no range of ids to make them with.',
    remedy: 'Have an administrator add one, as the error says.',
    source: 'subuid(5)',
  },
  {
    code: 'LAB-NOT-BUILT',
    title: 'lvsctl isn’t built',
    why: 'The lab runs dist/lvsctl.js in the background.',
    remedy: 'Run npm run build.',
  },
  {
    code: 'LAB-PATH-TOO-LONG',
    title: 'a cache folder with too long a path',
    why: 'The lab’s sockets stand there, and a Unix socket’s path has 107 bytes at most.',
    remedy: 'Set LVSCTL_CACHE to a folder with a shorter path.',
    source: 'unix(7)',
  },
  {
    code: 'LAB-TOO-MANY-HOSTS',
    title: 'more hosts than the lab takes',
    why: 'Each one is a kernel of its own on this machine.',
    remedy: 'Rehearse a part of the inventory in a file of its own.',
  },
  {
    code: 'LAB-INTERFACE-NAME',
    title: 'an interface with the name of the lab’s own',
    why: 'The lab reaches its machines by a link of its own, which has that name.',
    remedy: 'Give the interface another name.',
  },
  {
    code: 'LAB-CHANGED',
    title: 'the lab that runs is of another inventory',
    why: 'Hosts, interfaces or segments differ from those that it was made with.',
    remedy: 'Start it anew: lvsctl lab down, then lvsctl lab up.',
  },
  {
    code: 'LAB-BOOT-FAILED',
    title: 'a machine of the lab did not start',
    why: 'Its kernel ended, or didn’t come up in time; why stands beside its name.',
    remedy:
      'Try again with less other work on this machine; an image that is damaged is built anew once its folder is deleted.',
  },
  {
    code: 'LAB-SUPERVISOR',
    title: 'the lab’s background process ended',
    why: 'It holds the machines, and ended as it began; its last words stand in the error.',
    remedy: 'Mend what they say.',
  },
  {
    code: 'LAB-TOOL-FAILED',
    title: 'a tool of the lab failed',
    why: 'A program that builds or runs the lab ended with an error, which stands there.',
    remedy: 'Run the same program by hand to learn more.',
  },
  {
    code: 'LAB-INTERRUPTED',
    title: 'the lab was interrupted',
    why: 'It was stopped on request while it started; nothing of it is left running.',
    remedy: 'Run the command again: what was built is kept.',
  },
  {
    code: 'LAB-NOT-UP',
    title: 'the inventory’s lab isn’t up',
    why: 'With --lab, machines of the lab take the place of the real hosts, and none run.',
    remedy: 'Start it: lvsctl lab up -i FILE',
  },
  {
    code: 'LAB-GONE',
    title: 'the lab doesn’t answer any more',
    why: 'Its background process ended, or hangs.',
    remedy: 'Start it anew: lvsctl lab down, then lvsctl lab up.',
  },
  {
    code: 'LAB-REFUSED',
    title: 'the lab couldn’t do that',
    why: 'What was asked doesn’t fit the machine’s state; the reason stands in the error.',
    remedy: 'lvsctl lab status shows how its hosts are.',
  },
  {
    code: 'LAB-UNKNOWN-HOST',
    title: 'no machine of that name in the lab',
    why: 'The lab’s machines have the names of the inventory’s hosts.',
    remedy: 'Correct the name.',
  },
  {
    code: 'LAB-POWER',
    title: 'a word that power doesn’t have',
    why: 'Power of a machine is given, cut, or cut and given again.',
    remedy: 'Say off, on or cycle.',
  },
  {
    code: 'LAB-NO-SSH',
    title: 'no ssh program here',
    why: 'lvsctl lab ssh runs the system’s own ssh.',
    remedy: 'Install openssh-client, or use lvsctl lab run.',
  },
  {
    code: 'LAB-SSH',
    title: 'a machine of the lab can’t be reached',
    why: 'No shell or command could be started on it; the reason stands in the error.',
    remedy: 'lvsctl lab status shows whether it is up.',
  },
]);
