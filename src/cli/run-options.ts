import type { SocketAddress } from '../host/node/listen.ts';
import { MEMORY_LIMITS, MOST_CPUS, SOUND_MODELS, type SoundModel, VGA_MODELS, type VgaModel } from '../vm/config.ts';
import type { BootMedium } from '../vm/index.ts';
import { type CdOption, type DiskOption, parseCd, parseDisk } from './drive-options.ts';
import { UsageError } from './errors.ts';
import { DEFAULT_NET, type NetOption, parseNet } from './net-options.ts';
import { parseShare, type ShareOption } from './share-options.ts';
import {
  type AudioTarget,
  type DisplayTarget,
  formatSize,
  type GdbOption,
  parseDisplay,
  parseGdb,
  parseInteger,
  parseName,
  parseSeconds,
  parseSerial,
  parseSize,
  parseSocketAddress,
  parseUuid,
  parseWord,
  quote,
  type SerialTarget,
} from './values.ts';
import { parseVsock, type VsockOption } from './vsock-options.ts';

/** The values of `vitrine run`'s options as they were typed. */
export interface RawRunOptions {
  readonly name?: string;
  readonly snapshot?: string;
  readonly copy?: boolean;
  readonly uuid?: string;
  /** default 512M */
  readonly memory?: string;
  /** default 1 */
  readonly cpus?: string;
  readonly kernel?: string;
  readonly initrd?: string;
  readonly append?: string;
  readonly firmware?: string;
  readonly firmwareVars?: string;
  readonly boot?: string;
  readonly optionRom?: readonly string[];
  readonly debugcon?: string;
  readonly serial?: readonly string[];
  readonly disk?: readonly string[];
  readonly cdrom?: string;
  readonly floppy?: readonly string[];
  readonly net?: readonly string[];
  readonly pcap?: string;
  readonly share?: readonly string[];
  readonly vsock?: string;
  readonly accel: string;
  /** default host */
  readonly clock?: string;
  readonly seed?: string;
  readonly reboot: boolean;
  readonly timeout?: string;
  readonly debugExit?: string;
  readonly qmp?: string;
  readonly gdb?: string;
  readonly display?: string;
  /** default std */
  readonly vga?: string;
  readonly parallel?: string;
  /** default none */
  readonly sound?: string;
  readonly audio?: string;
  readonly screenshotAtExit?: string;
  readonly dumpRegions?: string;
  readonly stats?: boolean;
  readonly verbose?: boolean;
}

/** What `vitrine run` is asked to do. */
export interface RunOptions {
  /** The name of the machine's control socket. */
  readonly name?: string;
  /** Whether the machine is a copy of the saved one that it goes on from. */
  readonly copy: boolean;
  /** The system's UUID; absent: the saved one, or one that is made up. */
  readonly uuid?: Uint8Array;
  readonly memoryBytes: number;
  readonly cpuCount: number;
  readonly accel: 'jit' | 'interp';
  /** Without one the default guest is booted. */
  readonly kernel?: FileOption;
  readonly initrd?: FileOption;
  readonly append?: string;
  /** Firmware to start from, the machine's own or a file; without it a kernel is booted. */
  readonly firmware?: FileOption | 'builtin';
  /** The content of the flash chip in which the firmware keeps its variables. */
  readonly firmwareVariables?: FileOption;
  /** What the firmware boots from, best first; its own order where absent. */
  readonly bootOrder?: readonly BootMedium[];
  /** Whether the firmware waits for the key of its boot menu. */
  readonly bootMenu: boolean;
  readonly optionRoms: readonly FileOption[];
  /** Where messages on the debug ports go. */
  readonly debugConsole?: SerialTarget;
  readonly serial: readonly SerialTarget[];
  readonly disks: readonly DiskOption[];
  readonly cdrom?: CdOption;
  readonly floppies: readonly FileOption[];
  readonly networks: readonly NetOption[];
  /** The same as they were typed; undefined for the default. */
  readonly networkTexts?: readonly string[];
  /** The capture file of the first card's frames. */
  readonly pcap?: string;
  readonly shares: readonly ShareOption[];
  /** Sockets between programs of the guest and of the host. */
  readonly vsock?: VsockOption;
  readonly clock: 'host' | 'virtual';
  readonly seed?: bigint;
  readonly noReboot: boolean;
  readonly timeoutMillis?: number;
  readonly debugExitPort?: number;
  readonly qmp?: SocketAddress;
  readonly gdb?: GdbOption;
  readonly display: DisplayTarget;
  readonly vga: VgaModel;
  /** Where what is printed goes. */
  readonly parallel?: SerialTarget;
  readonly sound?: SoundModel;
  readonly audio?: AudioTarget;
  /** The PNG file that gets the screen's last picture. */
  readonly screenshotAtExit?: string;
  /** Folder that texts of translated regions are written to. */
  readonly dumpRegions?: string;
  readonly stats: boolean;
  readonly verbose: boolean;
}

/** A file and the option that names it. */
export interface FileOption {
  readonly option: string;
  readonly path: string;
}

const BOOT_MEDIA: readonly BootMedium[] = ['cd', 'disk', 'floppy', 'net'];
const SERIAL_LINES = 2;
const FLOPPY_DRIVES = 2;
const PAGE_BYTES = 4096;
const MAX_SEED = 2n ** 64n - 1n;
const MAX_PORT = 0xffffn;

/** Reads the values of all options.
 * @param hostMemoryBytes what this host has
 * @throws {UsageError} a value is wrong, or two options contradict each other */
export function readRunOptions(image: string | undefined, raw: RawRunOptions, hostMemoryBytes: number): RunOptions {
  const kernel = readKernel(image, raw);
  const firmware = readFirmware(kernel, raw);
  return {
    name: optional(raw.name, parseName),
    copy: readCopy(raw),
    uuid: optional(raw.uuid, (text) => parseUuid('--uuid', text)),
    memoryBytes: readMemory(raw.memory ?? '512M', hostMemoryBytes),
    cpuCount: readCpuCount(raw.cpus ?? '1'),
    accel: parseWord('--accel', raw.accel, ['jit', 'interp']),
    kernel,
    initrd: readInitrd(kernel, raw.initrd),
    append: raw.append,
    firmware,
    firmwareVariables: readVariables(firmware, raw.firmwareVars),
    ...readBoot(raw.boot),
    optionRoms: (raw.optionRom ?? []).map((path) => ({ option: '--option-rom', path })),
    debugConsole: optional(raw.debugcon, (text) => parseSerial('--debugcon', text)),
    serial: readSerial(raw.serial, raw.display),
    disks: (raw.disk ?? []).map(parseDisk),
    cdrom: optional(raw.cdrom, parseCd),
    floppies: readFloppies(raw.floppy ?? []),
    networkTexts: raw.net,
    networks: raw.net?.map(parseNet) ?? [DEFAULT_NET],
    pcap: raw.pcap,
    shares: (raw.share ?? []).map(parseShare),
    vsock: optional(raw.vsock, parseVsock),
    clock: parseWord('--clock', raw.clock ?? 'host', ['host', 'virtual']),
    seed: optional(raw.seed, (text) => parseInteger('--seed', text, MAX_SEED)),
    noReboot: !raw.reboot,
    timeoutMillis: optional(raw.timeout, (text) => parseSeconds('--timeout', text)),
    debugExitPort: optional(raw.debugExit, (text) => Number(parseInteger('--debug-exit', text, MAX_PORT))),
    gdb: optional(raw.gdb, (text) => parseGdb('--gdb', text)),
    qmp: optional(raw.qmp, (text) => parseSocketAddress('--qmp', text)),
    display: parseDisplay('--display', raw.display ?? 'none'),
    vga: parseWord('--vga', raw.vga ?? 'std', VGA_MODELS),
    parallel: optional(raw.parallel, (text) => parseSerial('--parallel', text)),
    sound: readSound(raw.sound),
    audio: readAudio(raw.audio, raw.display),
    screenshotAtExit: raw.screenshotAtExit,
    dumpRegions: raw.dumpRegions,
    stats: raw.stats ?? false,
    verbose: raw.verbose ?? false,
  };
}

function optional<Value>(text: string | undefined, read: (text: string) => Value): Value | undefined {
  return text === undefined ? undefined : read(text);
}

function readCopy({ copy = false, snapshot }: RawRunOptions): boolean {
  if (copy && snapshot === undefined) throw new UsageError('--copy', 'it alone', '--snapshot FILE beside it');
  return copy;
}

function readKernel(image: string | undefined, raw: RawRunOptions): FileOption | undefined {
  if (image !== undefined && raw.kernel !== undefined) {
    throw new UsageError('--kernel', quote(raw.kernel), `no --kernel beside the image ${quote(image)}`);
  }
  if (image !== undefined) return { option: 'IMAGE', path: image };
  return optional(raw.kernel, (path) => ({ option: '--kernel', path }));
}

function readInitrd(kernel: FileOption | undefined, path: string | undefined): FileOption | undefined {
  if (path === undefined) return undefined;
  if (kernel === undefined) throw new UsageError('--initrd', quote(path), '--kernel FILE beside it');
  return { option: '--initrd', path };
}

/** Where there is something to boot from and no kernel, the machine starts as a PC does. */
function readFirmware(kernel: FileOption | undefined, raw: RawRunOptions): RunOptions['firmware'] {
  const path = raw.firmware;
  if (path !== undefined && path !== 'builtin') {
    if (kernel !== undefined) throw new UsageError('--firmware', quote(path), `no kernel beside it (${kernel.option})`);
    return { option: '--firmware', path };
  }
  const hasMedia = [raw.disk, raw.cdrom, raw.floppy, path].some((option) => option !== undefined);
  const isFromNet = raw.boot?.split(',').includes('net') ?? false;
  return kernel === undefined && (hasMedia || isFromNet) ? 'builtin' : undefined;
}

function readVariables(firmware: RunOptions['firmware'], path: string | undefined): FileOption | undefined {
  if (path === undefined) return undefined;
  if (firmware === undefined || firmware === 'builtin') {
    throw new UsageError('--firmware-vars', quote(path), '--firmware FILE beside it');
  }
  return { option: '--firmware-vars', path };
}

/** Media in their order; the word `menu` among them asks for the boot menu. */
function readBoot(text: string | undefined): Pick<RunOptions, 'bootOrder' | 'bootMenu'> {
  if (text === undefined) return { bootMenu: false };
  const words = text.split(',').map((word) => parseWord('--boot', word, [...BOOT_MEDIA, 'menu']));
  if (new Set(words).size < words.length) throw new UsageError('--boot', quote(text), 'each word once');
  const bootOrder = BOOT_MEDIA.filter((medium) => words.includes(medium)).sort(
    (a, b) => words.indexOf(a) - words.indexOf(b),
  );
  return { bootOrder: bootOrder.length > 0 ? bootOrder : undefined, bootMenu: words.includes('menu') };
}

function readMemory(text: string, hostMemoryBytes: number): number {
  const bytes = parseSize('--memory', text);
  const { minBytes, maxBytes } = MEMORY_LIMITS;
  const wrong = (expected: string) => new UsageError('--memory', quote(text), expected);
  if (bytes < minBytes) throw wrong(`at least ${formatSize(minBytes)}`);
  if (bytes > maxBytes) throw wrong(`at most ${formatSize(maxBytes)}, the most a machine can have`);
  if (bytes > hostMemoryBytes) throw wrong(`at most ${formatSize(hostMemoryBytes)}, the memory of this host`);
  if (bytes % PAGE_BYTES !== 0) throw wrong(`a multiple of ${formatSize(PAGE_BYTES)}`);
  return bytes;
}

function readCpuCount(text: string): number {
  const count = /^\d+$/.test(text) ? Number(text) : 0;
  if (count < 1 || count > MOST_CPUS) throw new UsageError('--cpus', quote(text), `a number from 1 to ${MOST_CPUS}`);
  return count;
}

/** Without --serial, the first line is where a person looks: on the terminal, or on the page that shows the screen. */
function readSerial(texts: readonly string[] | undefined, display = 'none'): SerialTarget[] {
  if (texts === undefined) {
    if (display === 'none') return [{ kind: 'stdio' }];
    return display === 'web' ? [{ kind: 'web' }, { kind: 'web' }] : [];
  }
  if (texts.length > SERIAL_LINES) {
    throw new UsageError('--serial', `${texts.length} of them`, `at most ${SERIAL_LINES}`);
  }
  const targets = texts.map((text) => parseSerial('--serial', text));
  const stdio = targets.filter(({ kind }) => kind === 'stdio');
  if (stdio.length > 1) throw new UsageError('--serial', 'stdio twice', 'stdio for one serial line only');
  return targets;
}

function readSound(text = 'none'): SoundModel | undefined {
  const word = parseWord('--sound', text, [...SOUND_MODELS, 'none']);
  return word === 'none' ? undefined : word;
}

/** Without --audio, sound goes to the page that shows the screen, where there is one. */
function readAudio(text: string | undefined, display = 'none'): AudioTarget | undefined {
  const word = text ?? (display === 'web' ? 'web' : 'none');
  const path = /^wav:(.+)$/.exec(word)?.[1];
  if (path !== undefined) return { kind: 'wav', path };
  if (word === 'web' && display !== 'web') throw new UsageError('--audio', quote(word), '--display web beside it');
  if (word !== 'web' && word !== 'none') throw new UsageError('--audio', quote(word), 'wav:FILE, web or none');
  return word === 'web' ? { kind: 'web' } : undefined;
}

function readFloppies(paths: readonly string[]): FileOption[] {
  if (paths.length > FLOPPY_DRIVES) {
    throw new UsageError('--floppy', `${paths.length} of them`, `at most ${FLOPPY_DRIVES}`);
  }
  return paths.map((path) => ({ option: '--floppy', path }));
}
