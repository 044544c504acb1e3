import type { PcNetwork } from '../vm/index.ts';
import { UsageError } from './errors.ts';
import type { NetOption } from './net-options.ts';

/** The address of the first card; QEMU's, so that guests made there find theirs. The last byte counts up. */
const FIRST_MAC = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56] as const;

/** Makes the network cards that options ask for, with a link to nobody: there is no network behind it yet.
 * @throws {UsageError} there are more than a machine can have */
export async function makeNetworks(options: readonly NetOption[]): Promise<PcNetwork[]> {
  const { MOST_CARDS, nullPort } = await import('../vm/index.ts');
  const wanted = options.flatMap((option) => (option.kind === 'none' ? [] : [option]));
  if (wanted.length > MOST_CARDS.networks) {
    throw new UsageError('--net', `${wanted.length} of them`, `at most ${MOST_CARDS.networks}`);
  }
  const unserved = wanted.find(({ forwards, restrict }) => forwards.length > 0 || restrict);
  if (unserved) {
    const found = unserved.restrict ? 'restrict' : 'hostfwd';
    throw new UsageError('--net', found, 'no such word: this version has network cards, but no network behind them');
  }
  return wanted.map(({ model }, index) => {
    const mac = Uint8Array.from(FIRST_MAC);
    mac[5] += index;
    return { model, mac, port: nullPort() };
  });
}
