import type { HostForward, OpenForward } from '../host/node/forwards.ts';
import type { CableOptions } from '../net/cable.ts';
import type { UserNetwork } from '../net/user-network.ts';
import type { PcNetwork } from '../vm/index.ts';
import { CliError, STATUS, UsageError } from './errors.ts';
import { formatForward, type NetOption, type SwitchNetOption, type UserNetOption } from './net-options.ts';
import { quote } from './values.ts';

/** The address of the first card; QEMU's, so that guests made there find theirs. The last byte counts up. */
const FIRST_MAC = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56] as const;
const NANOS_PER_MILLI = 1e6;

/** Networks of a machine that runs. */
export interface OpenNetworks {
  readonly cards: readonly PcNetwork[];
  close(): void;
}

/** What a card is plugged into. */
interface Plug {
  readonly port: PcNetwork['port'];
  close(): void;
}

/**
 * Makes the network cards that options ask for, and what they are plugged into: a network of its own for each, or a switch.
 * @param seed of what is random in the networks: 64 bits
 * @param pcap the file that gets the frames of the first card
 * @throws {UsageError} there are more than a machine can have  @throws {CliError} a forward, switch or file cannot be opened
 */
export async function openNetworks(options: readonly NetOption[], seed: bigint, pcap?: string): Promise<OpenNetworks> {
  const wanted = options.flatMap((option) => (option.kind === 'none' ? [] : [option]));
  if (wanted.length === 0) return { cards: [], close: () => {} };
  const { MOST_CARDS } = await import('../vm/index.ts');
  if (wanted.length > MOST_CARDS.networks) {
    throw new UsageError('--net', `${wanted.length} of them`, `at most ${MOST_CARDS.networks}`);
  }
  const plugs: Plug[] = [];
  const close = () => {
    for (const plug of plugs) plug.close();
  };
  try {
    for (const [index, option] of wanted.entries()) {
      const cardSeed = seed + BigInt(index);
      const plug = option.kind === 'user' ? await openUser(option, cardSeed) : await openSwitch(option);
      plugs.push(option.cable ? await lengthen(plug, option.cable, cardSeed) : plug);
    }
    if (pcap !== undefined) plugs[0] = await openCapture(plugs[0], pcap);
  } catch (error) {
    close();
    throw error;
  }
  return { cards: wanted.map((option, index) => cardOf(option, index, plugs[index])), close };
}

function cardOf(option: UserNetOption | SwitchNetOption, index: number, { port }: Plug): PcNetwork {
  const mac = option.mac ?? Uint8Array.from(FIRST_MAC);
  if (!option.mac && option.kind === 'user') mac[5] += index;
  else if (!option.mac) mac.set(crypto.getRandomValues(new Uint8Array(3)), 3); // others on the switch have theirs
  return { model: option.model, mac, port };
}

async function openUser({ restrict, rules, forwards, tftp, bootFile }: UserNetOption, seed: bigint): Promise<Plug> {
  const [{ UserNetwork }, { nodeNetHost }, boot] = await Promise.all([
    import('../net/user-network.ts'),
    import('../host/node/net-host.ts'),
    tftp === undefined ? undefined : openBootFolder(tftp, bootFile),
  ]);
  const opened = await openForwards(forwards);
  let network: UserNetwork | undefined;
  return {
    port(clock) {
      network = new UserNetwork({ host: nodeNetHost, clock, seed, restrict, rules, boot });
      for (const forward of opened) forward.leadTo(network);
      return network.port;
    },
    close() {
      for (const forward of opened) forward.close();
      network?.close();
    },
  };
}

async function openBootFolder(folder: string, fileName: string | undefined) {
  const { bootFolder } = await import('../host/node/boot-folder.ts');
  return { readFile: bootFolder(folder), fileName };
}

async function openForwards(forwards: readonly HostForward[]): Promise<OpenForward[]> {
  const opened: OpenForward[] = [];
  try {
    for (const forward of forwards) opened.push(await openForward(forward));
  } catch (error) {
    for (const forward of opened) forward.close();
    throw error;
  }
  return opened;
}

async function openForward(forward: HostForward): Promise<OpenForward> {
  const forwards = await import('../host/node/forwards.ts');
  try {
    return await forwards.openForward(forward);
  } catch (error) {
    const found = `hostfwd=${formatForward(forward)}, ${(error as Error).message}`;
    throw new CliError(STATUS.failed, `--net: found ${found}, expected an address to listen on`);
  }
}

async function openSwitch({ name, nat }: SwitchNetOption): Promise<Plug> {
  const { SwitchMember, switchPath } = await import('./switch-member.ts');
  try {
    const member = await SwitchMember.join(switchPath(name), nat);
    return { port: () => member, close: () => member.close() };
  } catch (error) {
    const found = `switch:${name}, ${(error as Error).message}`;
    throw new CliError(STATUS.failed, `--net: found ${found}, expected a switch that can be joined or made`);
  }
}

/** Puts a bad cable in front of a plug. */
async function lengthen(plug: Plug, options: CableOptions, seed: bigint): Promise<Plug> {
  const { badCable } = await import('../net/cable.ts');
  return { port: (clock) => badCable(plug.port(clock), clock, options, seed), close: () => plug.close() };
}

/** Has the frames of a plug written down. */
async function openCapture(plug: Plug, path: string): Promise<Plug> {
  const [{ captured, pcapHeader }, { CaptureFile }] = await Promise.all([
    import('../net/pcap.ts'),
    import('../host/node/capture-file.ts'),
  ]);
  let file: InstanceType<typeof CaptureFile>;
  try {
    file = new CaptureFile(path);
  } catch (error) {
    const found = `${quote(path)}, ${(error as Error).message}`;
    throw new CliError(STATUS.failed, `--pcap: found ${found}, expected a file to write`);
  }
  file.write(pcapHeader());
  return {
    port(clock) {
      const startNanos = BigInt(Math.round(Date.now() * NANOS_PER_MILLI)) - clock.nowNanos();
      return captured(plug.port(clock), clock, startNanos, (bytes) => file.write(bytes));
    },
    close() {
      plug.close();
      file.close();
    },
  };
}
