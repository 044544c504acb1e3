import { CliError } from '../errors.ts';
import { runInGuest } from './agent-verbs.ts';
import { CollectedText } from './collected-text.ts';

/**
 * Gives the cards of a Linux guest their new addresses: $1 becomes $2, $3 becomes $4 and so on. Most drivers take one while
 * the link is up, which keeps its routes. What looks after addresses is asked to get new ones.
 */
const SET_ADDRESSES = `
while [ $# -gt 0 ]; do
  for card in /sys/class/net/*; do
    [ -e "$card/device" ] && [ "$(cat "$card/address")" = "$1" ] || continue
    name=\${card##*/}
    ip link set dev "$name" address "$2" 2>/dev/null || {
      ip link set dev "$name" down && ip link set dev "$name" address "$2" && ip link set dev "$name" up || exit 1
    }
    if networkctl reconfigure "$name" 2>/dev/null; then continue; fi
    if ifquery "$name" >/dev/null 2>&1; then ifdown --force "$name"; ifup "$name" || exit 1; fi
  done
  shift 2
done`;

/**
 * Has the guest's agent give the cards of a copy the addresses that they have now.
 * @param before the original's, in order  @param now the copy's
 * @returns why that could not be done, if so: there is no agent, or it failed
 */
export async function tellAddresses(
  name: string,
  before: readonly string[],
  now: readonly string[],
): Promise<string | undefined> {
  const pairs = before.flatMap((mac, index) => [mac, now[index]]);
  if (pairs.length === 0) return undefined;
  const said = new CollectedText();
  try {
    const words = ['sh', '-c', SET_ADDRESSES, 'sh', ...pairs];
    const status = await runInGuest(name, { words, output: said, messages: said });
    return status === 0 ? undefined : said.text.trim().split('\n').at(-1) || `the guest's side ended with ${status}`;
  } catch (error) {
    if (error instanceof CliError) return error.message;
    throw error;
  }
}
