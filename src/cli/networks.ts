import type { HostForward, OpenForward } from '../host/node/forwards.ts';
import type { UserNetwork } from '../net/user-network.ts';
import type { PcNetwork } from '../vm/index.ts';
import { CliError, STATUS, UsageError } from './errors.ts';
import { formatForward, type NetOption, type UserNetOption } from './net-options.ts';

/** The address of the first card; QEMU's, so that guests made there find theirs. The last byte counts up. */
const FIRST_MAC = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56] as const;

/** Networks of a machine that runs. */
export interface OpenNetworks {
  readonly cards: readonly PcNetwork[];
  close(): void;
}

/**
 * Makes the network cards that options ask for, each on a network of its own, and opens their forwards.
 * @param seed of what is random in the networks: 64 bits
 * @throws {UsageError} there are more than a machine can have  @throws {CliError} a forward cannot be opened
 */
export async function openNetworks(options: readonly NetOption[], seed: bigint): Promise<OpenNetworks> {
  const wanted = options.flatMap((option) => (option.kind === 'none' ? [] : [option]));
  if (wanted.length === 0) return { cards: [], close: () => {} };
  const [{ MOST_CARDS }, { UserNetwork }, { nodeNetHost }] = await Promise.all([
    import('../vm/index.ts'),
    import('../net/user-network.ts'),
    import('../host/node/net-host.ts'),
  ]);
  if (wanted.length > MOST_CARDS.networks) {
    throw new UsageError('--net', `${wanted.length} of them`, `at most ${MOST_CARDS.networks}`);
  }
  const forwards = await openForwards(wanted);
  const networks: UserNetwork[] = [];
  const cards = wanted.map(({ model, restrict, rules }, index) => {
    const mac = Uint8Array.from(FIRST_MAC);
    mac[5] += index;
    const port: PcNetwork['port'] = (clock) => {
      const network = new UserNetwork({ host: nodeNetHost, clock, seed: seed + BigInt(index), restrict, rules });
      networks.push(network);
      for (const forward of forwards[index]) forward.leadTo(network);
      return network.port;
    };
    return { model, mac, port };
  });
  const close = () => {
    for (const forward of forwards.flat()) forward.close();
    for (const network of networks) network.close();
  };
  return { cards, close };
}

/** @returns those of each network */
async function openForwards(networks: readonly UserNetOption[]): Promise<OpenForward[][]> {
  const opened: OpenForward[][] = [];
  try {
    for (const { forwards } of networks) {
      const own: OpenForward[] = [];
      opened.push(own);
      for (const forward of forwards) own.push(await open(forward));
    }
  } catch (error) {
    for (const forward of opened.flat()) forward.close();
    throw error;
  }
  return opened;
}

async function open(forward: HostForward): Promise<OpenForward> {
  const { openForward } = await import('../host/node/forwards.ts');
  try {
    return await openForward(forward);
  } catch (error) {
    const found = `hostfwd=${formatForward(forward)}, ${(error as Error).message}`;
    throw new CliError(STATUS.failed, `--net: found ${found}, expected an address to listen on`);
  }
}
