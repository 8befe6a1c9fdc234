import { randomBytes } from 'node:crypto';
import { failure } from '../errors/index.ts';
import type { Connection } from '../transport/types.ts';

/** One request's answer as the asking host saw it. */
export interface Answer {
  ok: boolean;
  /** The body when it went well, else what the asking tool said. */
  text: string;
}

/** What to ask: an address and port, how often at most, each time over a new connection. */
export interface Question {
  address: string;
  port: number;
  count: number;
  /** Seconds for one request. */
  timeout: number;
  /** http: the page at /. connect: whether a TCP connection opens. */
  how: 'http' | 'connect';
}

/** At most this much of all answers together is read. */
const MAX_BYTES = 4 * 1024 * 1024;

/**
 * The program that asks from a host; its arguments come beside it. For pages curl where the host has it, else bash's
 * own /dev/tcp. The mark is random, so that no answer can look like the end of one. After five failures it stops asking:
 * each may have cost the whole time limit.
 */
const PROGRAM = String.raw`
address=$1 port=$2 count=$3 seconds=$4 mark=$5 how=$6
case $address in *:*) site="[$address]" ;; *) site=$address ;; esac
n=0
failed=0
while [ "$n" -lt "$count" ] && [ "$failed" -lt 5 ]; do
  n=$((n + 1))
  if [ "$how" = connect ] && command -v bash >/dev/null 2>&1; then
    timeout "$seconds" bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$address" "$port" 2>&1
  elif [ "$how" = connect ]; then
    echo 'bash is not here'; false
  elif command -v curl >/dev/null 2>&1; then
    curl -sS --globoff --noproxy '*' --max-time "$seconds" -H 'Connection: close' "http://$site:$port/" 2>&1
  elif command -v bash >/dev/null 2>&1; then
    timeout "$seconds" bash -c 'exec 3<>"/dev/tcp/$0/$1" && printf "GET / HTTP/1.0\r\nHost: %s\r\n\r\n" "$0" >&3 &&
      while IFS= read -r line <&3 && [ "$line" != "$(printf "\r")" ]; do :; done; cat <&3' "$address" "$port" 2>&1
  else
    echo 'neither curl nor bash is here'; false
  fi
  status=$?
  [ "$status" -eq 0 ] || failed=$((failed + 1))
  printf '\n%s %s\n' "$mark" "$status"
done
`;

/**
 * Asks a TCP port from a host, over HTTP or by connecting alone.
 * @throws the transport's errors; VERIFY-TOO-MUCH when the answers are larger than 4 MiB together
 */
export async function ask(connection: Connection, question: Question): Promise<Answer[]> {
  const mark = randomBytes(16).toString('hex');
  const words = [question.address, question.port, question.count, question.timeout, mark, question.how].map(String);
  const text = await capture(
    connection,
    ['sh', '-c', PROGRAM, 'lvsctl-ask', ...words],
    question.count * question.timeout + 30,
  );
  return parseAnswers(text, mark);
}

/** Splits the program's output at its marks. Pure. */
export function parseAnswers(text: string, mark: string): Answer[] {
  const answers: Answer[] = [];
  let rest = text;
  for (;;) {
    const at = rest.indexOf(`\n${mark} `);
    if (at < 0) return answers;
    const end = rest.indexOf('\n', at + 1);
    const code = rest.slice(at + mark.length + 2, end < 0 ? undefined : end);
    answers.push({ ok: code === '0', text: rest.slice(0, at).trim() });
    rest = end < 0 ? '' : rest.slice(end + 1);
  }
}

/** The link-layer address that a host holds for an address, or undefined. */
export async function neighbour(connection: Connection, address: string): Promise<string | undefined> {
  const text = await capture(connection, ['ip', 'neigh', 'show', 'to', address], 30);
  return /lladdr ([0-9a-f:]{17})/u.exec(text)?.[1];
}

/** All that a program says. @throws the transport’s errors, VERIFY-TOO-MUCH */
export async function capture(connection: Connection, argv: readonly string[], timeout: number): Promise<string> {
  const session = await connection.open(argv, { phase: 'verify', timeout });
  session.end();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of session.stdout) {
    size += chunk.length;
    if (size > MAX_BYTES) {
      session.kill();
      throw failure({
        code: 'VERIFY-TOO-MUCH',
        place: { kind: 'host', host: connection.host, phase: 'verify' },
        what: 'the answers are larger than 4 MiB together',
        next: 'Ask fewer times (--requests), or serve a smaller page at /.',
      });
    }
    chunks.push(chunk);
  }
  await session.exit;
  return Buffer.concat(chunks).toString('utf8');
}
