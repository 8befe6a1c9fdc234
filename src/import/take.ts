/** Reads a block by its keywords and remembers which were read, so that no other one is ever lost. */
import { heading, type Statement } from '../conf/keepalived.ts';
import type { Gaps } from './gaps.ts';

export interface Block {
  /** All statements with one of these keywords. */
  all(...keywords: string[]): Statement[];
  /** The last one, which is the one that counts in keepalived. */
  last(...keywords: string[]): Statement | undefined;
  /** The first word behind the keyword. */
  word(...keywords: string[]): string | undefined;
  number(...keywords: string[]): number | undefined;
  /** `keyword`, or `keyword on|true|yes`: true. undefined: it isn't there. */
  flag(...keywords: string[]): boolean | undefined;
  /** Statements that nobody asked for. */
  rest(): Statement[];
}

export function block(body: readonly Statement[]): Block {
  const taken = new Set<Statement>();
  const all = (...keywords: string[]): Statement[] => {
    const found = body.filter(({ words }) => keywords.includes(words[0]?.text ?? ''));
    for (const one of found) taken.add(one);
    return found;
  };
  const last = (...keywords: string[]) => all(...keywords).at(-1);
  const word = (...keywords: string[]) => last(...keywords)?.words[1]?.text;
  return {
    all,
    last,
    word,
    number: (...keywords) => {
      const text = word(...keywords);
      return text !== undefined && /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : undefined;
    },
    flag: (...keywords) => {
      const found = last(...keywords);
      if (found === undefined) return undefined;
      return !/^(off|false|no)$/i.test(found.words[1]?.text ?? 'on');
    },
    rest: () => body.filter((one) => !taken.has(one)),
  };
}

/** Why a keyword has no place in the inventory, where that can be said better than “there is no word for it”. */
const WHY: Readonly<Record<string, string>> = {
  notification_email: 'lvsctl’s keepalived sends no mail: use notify scripts.',
  notification_email_from: 'lvsctl’s keepalived sends no mail.',
  smtp_server: 'lvsctl’s keepalived sends no mail.',
  smtp_connect_timeout: 'lvsctl’s keepalived sends no mail.',
  smtp_alert: 'lvsctl’s keepalived sends no mail.',
  smtp_alert_vrrp: 'lvsctl’s keepalived sends no mail.',
  smtp_alert_checker: 'lvsctl’s keepalived sends no mail.',
  vrrp_strict: 'lvsctl never sets it: it blocks traffic to the VIP, and unicast peers.',
  vrrp_skip_check_adv_addr: 'Not needed: lvsctl’s adverts hold one address each.',
  script_user: 'lvsctl’s scripts run as root, from a folder that root alone can write.',
  use_vmac: 'lvsctl gives the VIP to the interface itself.',
  virtual_routes: 'Routes that move with the VIP have no word in the inventory; fixed ones are an interface’s routes.',
  virtual_rules: 'Policy routing has no word in the inventory.',
  static_routes: 'Write them as routes of the interface.',
  static_ipaddress: 'Write them as addresses of the interface.',
  static_rules: 'Policy routing has no word in the inventory.',
  quorum_up: 'Scripts of the quorum have no word in the inventory.',
  quorum_down: 'Scripts of the quorum have no word in the inventory.',
  omega: 'It matters to quorum_down alone.',
  warmup: 'lvsctl spreads the first checks over a second by itself.',
  net_namespace: 'lvsctl works in the host’s own network.',
};

/** A statement that is left over, as a gap. */
export function leftOver(statement: Statement, inside: string, gaps: Gaps): void {
  const [keyword] = statement.words;
  const what = `“${shortened(heading(statement))}” of ${inside} is not in the inventory`;
  gaps.add(statement.place, what, WHY[keyword?.text ?? ''] ?? 'The inventory has no word for it.');
}

function shortened(text: string): string {
  const clean = text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '�');
  return clean.length > 60 ? `${clean.slice(0, 57)}…` : clean;
}
