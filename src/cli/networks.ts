import type { HostForward, OpenForward } from '../host/node/forwards.ts';
import type { CableOptions } from '../net/cable.ts';
import type { NetworkBoot, UserNetwork } from '../net/user-network.ts';
import type { PcNetwork } from '../vm/index.ts';
import { CliError, STATUS, UsageError } from './errors.ts';
import { FIRST_MAC, randomMac } from './mac-address.ts';
import {
  type BootOption,
  type CardNetOption,
  formatForward,
  type NetOption,
  type RemoteNetOption,
  type SwitchNetOption,
  type UserNetOption,
} from './net-options.ts';
import { quote } from './values.ts';

const NANOS_PER_MILLI = 1e6;
const TAP_EXPECTED = 'an interface that this user may use: ip tuntap add dev NAME mode tap user USER';

/** Networks of a machine that runs. */
export interface OpenNetworks {
  readonly cards: readonly PcNetwork[];
  close(): void;
}

/** What a card is plugged into. */
interface Plug extends Pick<PcNetwork, 'port' | 'far'> {
  close(): void;
}

/**
 * Makes the network cards that options ask for, and what they are plugged into.
 * @param seed of what is random in the networks: 64 bits
 * @param pcap the file that gets the frames of the first card
 * @throws {UsageError} there are more than a machine can have  @throws {CliError} a forward, switch, interface or file cannot be opened
 */
export async function openNetworks(options: readonly NetOption[], seed: bigint, pcap?: string): Promise<OpenNetworks> {
  const wanted = options.flatMap((option) => (option.kind === 'none' ? [] : [option]));
  if (wanted.length === 0) return { cards: [], close: () => {} };
  const { MOST_CARDS } = await import('../vm/config.ts');
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
      plugs.push(await openPlug(option, cardSeed));
    }
    if (pcap !== undefined) plugs[0] = await openCapture(plugs[0], pcap);
  } catch (error) {
    close();
    throw error;
  }
  return { cards: wanted.map((option, index) => cardOf(option, index, plugs[index])), close };
}

function cardOf(option: CardNetOption, index: number, { port, far }: Plug): PcNetwork {
  const mac = option.mac ?? (option.kind === 'user' ? countedMac(index) : randomMac());
  return { model: option.model, mac, port, far };
}

/** The address of a card that has a network of its own. */
function countedMac(index: number): Uint8Array {
  const mac = Uint8Array.from(FIRST_MAC);
  mac[5] += index;
  return mac;
}

/** What a card is plugged into, with its cable. A switch's carries the tags of all VLANs, which the cable is to keep apart. */
async function openPlug(option: CardNetOption, seed: bigint): Promise<Plug> {
  const plug = option.kind === 'user' ? await openUser(option, seed) : await openShared(option);
  const { cable = option.kind === 'switch' ? {} : undefined } = option;
  return cable ? lengthen(plug, cable, seed) : plug;
}

async function openUser(option: UserNetOption, seed: bigint): Promise<Plug> {
  const { restrict, rules, forwards } = option;
  const [{ UserNetwork }, { nodeNetHost }, boot] = await Promise.all([
    import('../net/user-network.ts'),
    import('../host/node/net-host.ts'),
    openBoot(option),
  ]);
  const opened = await openForwards(forwards);
  let network: UserNetwork | undefined;
  return {
    far: () => network,
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

/** @throws {UsageError} there is a name, but no folder  @throws {CliError} the folder cannot be read */
async function openBoot({ tftp, bootFile }: BootOption): Promise<NetworkBoot | undefined> {
  if (tftp === undefined) {
    if (bootFile === undefined) return undefined;
    const { isUrl } = await import('../net/served-files.ts');
    if (isUrl(bootFile)) return { fileName: bootFile };
    throw new UsageError('--net', quote(`bootfile=${bootFile}`), 'tftp=FOLDER beside it, or a URL');
  }
  const [{ bootFolder }, { opendir }, { whyUnreadable }] = await Promise.all([
    import('../host/node/boot-folder.ts'),
    import('node:fs/promises'),
    import('./files.ts'),
  ]);
  try {
    await (await opendir(tftp)).close();
  } catch (error) {
    throw whyUnreadable({ option: '--net', path: tftp }, error, 'a folder of files to boot');
  }
  return { openFile: bootFolder(tftp), fileName: bootFile };
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
  return orComplain(`hostfwd=${formatForward(forward)}`, 'an address to listen on', forwards.openForward(forward));
}

/** A network that others are on, too. */
function openShared(option: Exclude<CardNetOption, UserNetOption>): Promise<Plug> {
  switch (option.kind) {
    case 'switch':
      return orComplain(`switch:${option.name}`, 'a switch that can be joined or made', openSwitch(option));
    case 'ws':
      return orComplain(option.url, 'a switch that lets others join', openRemote(option));
    case 'tap':
      return orComplain(`tap:${option.interfaceName}`, TAP_EXPECTED, openTap(option.interfaceName));
  }
}

async function orComplain<Opened>(found: string, expected: string, opened: Promise<Opened>): Promise<Opened> {
  try {
    return await opened;
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(STATUS.failed, `--net: found ${found}, ${(error as Error).message}, expected ${expected}`);
  }
}

async function openSwitch(option: SwitchNetOption): Promise<Plug> {
  const { joinSwitch, switchPath } = await import('./switch-member.ts');
  const { name, nat, web } = option;
  const member = await joinSwitch(switchPath(name), { nat, boot: await openBoot(option) });
  if (!web) return { port: () => member, close: () => member.close() };
  try {
    const stop = await admitOthers(option, web);
    return {
      port: () => member,
      close() {
        stop();
        member.close();
      },
    };
  } catch (error) {
    member.close();
    throw error;
  }
}

/** Lets others join a switch by WebSocket, and says how. @returns what ends it */
async function admitOthers(option: SwitchNetOption, address: Required<SwitchNetOption>['web']): Promise<() => void> {
  const { name, cable, tokenFile, origins } = option;
  const [{ serveSwitch }, { switchPath }] = await Promise.all([
    import('./remote-switch.ts'),
    import('./switch-member.ts'),
  ]);
  const token = tokenFile === undefined ? undefined : await readToken(tokenFile);
  const vlans = { vlan: cable?.vlan, tagged: cable?.tagged };
  const server = await serveSwitch(switchPath(name), vlans, { ...address, token, origins });
  const url = server.url.replace('http', 'ws');
  const shown = token === undefined ? url : url.replace(token, 'TOKEN');
  process.stderr.write(`vitrine: others join switch:${name} at ${shown}\n`);
  return () => server.close();
}

async function openRemote({ url, tokenFile }: RemoteNetOption): Promise<Plug> {
  const { joinRemoteSwitch } = await import('./remote-switch.ts');
  const address = new URL(url);
  if (tokenFile !== undefined) address.pathname = `/${await readToken(tokenFile)}/`;
  const member = await joinRemoteSwitch(address.href);
  return { port: () => member, close: () => member.close() };
}

/** The token that a file holds. @throws {Error} there is none in it */
async function readToken(path: string): Promise<string> {
  const { readFile } = await import('node:fs/promises');
  const token = (await readFile(path, 'latin1')).trim();
  if (!/^[\w-]{16,}$/.test(token)) throw new Error(`${quote(path)} holds no token of at least 16 letters and digits`);
  return token;
}

async function openTap(interfaceName: string): Promise<Plug> {
  const tap = await (await import('./tap.ts')).openTap(interfaceName);
  return { port: () => tap.port, close: () => tap.close() };
}

/** Puts a cable in front of a plug. */
async function lengthen(plug: Plug, options: CableOptions, seed: bigint): Promise<Plug> {
  const { cableTo } = await import('../net/cable.ts');
  return { ...plug, port: (clock) => cableTo(plug.port(clock), clock, options, seed) };
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
