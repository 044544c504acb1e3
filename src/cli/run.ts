import { writeFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import type { HostCharPort } from '../host/node/char-ports.ts';
import type { FlashFile } from '../host/node/flash-file.ts';
import { HandlerFiles } from '../host/node/handler-files.ts';
import { collectWhenIdle } from '../host/node/idle-collection.ts';
import { randomSeed } from '../host/node/random.ts';
import { SharedLine } from '../host/node/shared-line.ts';
import { nodeTime } from '../host/node/time.ts';
import { UnpackedFiles, unpackZstd } from '../host/node/unpacked-files.ts';
import { setMachineFlags } from '../host/node/v8-flags.ts';
import type { CharPort, VmConfig, VmStats } from '../vm/index.ts';
import type { SnapshotFile } from '../vm/snapshot/reader.ts';
import type { AgentChannels } from './agent.ts';
import type { HostAudio } from './audio.ts';
import { BootProgress } from './boot-progress.ts';
import { type Ending, endingOf, OutsideEnding } from './endings.ts';
import { CliError, STATUS } from './errors.ts';
import { type Guest, loadGuest } from './guest.ts';
import { loadMachine, type Machine, type MakeMachine } from './machine.ts';
import { type OpenNetworks, openNetworks } from './networks.ts';
import { openRegionDump } from './region-dump.ts';
import { type RawRunOptions, type RunOptions, readRunOptions } from './run-options.ts';
import { openSerialLine } from './serial-lines.ts';
import type { openSavedRun, SavedRun } from './snapshots.ts';
import { millisSinceStart } from './start-time.ts';
import { type AudioTarget, type DisplayTarget, type GdbOption, parseUuid, quote, type SerialTarget } from './values.ts';
import type { OpenVsock } from './vsock.ts';

/** `vitrine run`: boots a machine in the foreground and resolves to the exit status once it ended.
 * @throws {CliError} it cannot be started */
export async function run(
  image: string | undefined,
  raw: RawRunOptions,
  load: () => Promise<MakeMachine> = loadMachine,
): Promise<number> {
  const saved = raw.snapshot === undefined ? undefined : await openSaved(raw.snapshot, image, raw);
  const given = readRunOptions(image, saved?.raw ?? raw, hostMemoryBytes());
  const options = saved?.withAddresses(given) ?? given;
  const progress = new BootProgress((line) => tellProgress(line, options), millisSinceStart);
  const restored = saved && { commandLine: '', snapshot: saved.snapshot };
  const [guest, makeMachine] = await Promise.all([restored ?? loadGuest(options), load()]);
  const finished = await runGuest(options, guest, progress, makeMachine);
  if (options.stats) await printStats(finished);
  const { message, status } = finished.ending;
  if (message !== undefined) process.stderr.write(`vitrine: ${message}\n`);
  return status;
}

/** Loads what reads snapshots where one is named. */
async function openSaved(...asked: Parameters<typeof openSavedRun>): Promise<SavedRun> {
  return (await import('./snapshots.ts')).openSavedRun(...asked);
}

/** A machine that came to its end. */
interface Finished {
  readonly ending: Ending;
  readonly stats: VmStats;
  /** How long it took from the start of the process to the guest's first instruction. */
  readonly startMillis: number;
  /** How long it ran. */
  readonly hostMillis: number;
  /** What was sampled of this process, as lines for people. */
  readonly hostLines: readonly string[];
}

async function runGuest(
  options: RunOptions,
  guest: Guest,
  progress: BootProgress,
  makeMachine: MakeMachine,
): Promise<Finished> {
  const outside = new OutsideEnding();
  const lines = await openLines(options, outside);
  const audio = options.audio && (await openAudio(options.audio, outside));
  const drives = await openMedia(options, guest);
  const variables = await openFirmwareVariables(options);
  let networks: OpenNetworks | undefined;
  let vsock: OpenVsock | undefined;
  let stopCollecting: (() => void) | undefined;
  try {
    const serial = lines.serial.map((line, index) => (line && index === 0 ? progress.watch(line) : line));
    const debugOutput = lines.debugConsole && ((byte: number) => lines.debugConsole?.send(byte));
    const parallel = options.parallel && ((byte: number) => lines.printer?.send(byte));
    const config = configOf(options, withVariables(guest, variables), serial);
    networks = await openNetworks(options.networks, config.seed, options.pcap);
    const shares = await openSharedFolders(options);
    vsock = await openSockets(options, guest);
    const agent = await openAgent(options, guest);
    const machine = await makeMachine({
      ...config,
      debugOutput,
      parallel,
      drives: drives?.media,
      networks: networks.cards,
      shares,
      channels: agent?.channels,
      vsock: vsock?.card,
      audio,
    });
    progress.reached('machine ready');
    setMachineFlags();
    stopCollecting = collectWhenIdle();
    const sampling = options.stats ? await sampleHost() : undefined;
    const startMillis = millisSinceStart();
    const ending = await runToEnd(machine, options, outside, { ...lines, audio }, agent);
    const hostMillis = millisSinceStart() - startMillis;
    return { ending, stats: machine.stats, startMillis, hostMillis, hostLines: (await sampling?.finish()) ?? [] };
  } finally {
    stopCollecting?.();
    for (const line of [...lines.serial, lines.debugConsole, lines.printer]) line?.close();
    audio?.close();
    networks?.close();
    vsock?.close();
    await drives?.close();
    await variables?.close();
  }
}

/** What this process may use of the host's memory: a container may allow less than there is. */
function hostMemoryBytes(): number {
  return Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY);
}

function tellProgress(line: string, { verbose }: RunOptions): void {
  if (verbose || process.stderr.isTTY) process.stderr.write(`vitrine: ${line}\n`);
}

/** The outside ends of the machine's lines. */
interface Lines {
  readonly serial: readonly (HostCharPort | undefined)[];
  readonly debugConsole: HostCharPort | undefined;
  readonly printer: HostCharPort | undefined;
}

async function openLines(options: RunOptions, outside: OutsideEnding): Promise<Lines> {
  const { serial, debugConsole, parallel, name } = options;
  outside.onSignals();
  outside.onClosedOutput();
  outside.onLostLauncher();
  const open = (option: string, target: SerialTarget) =>
    openSerialLine(option, target, () => outside.end({ status: STATUS.ok }));
  const lines: (HostCharPort | undefined)[] = [];
  for (const target of serial) lines.push(await open('--serial', target));
  if (name !== undefined) lines[0] = new SharedLine(lines[0]);
  return {
    serial: lines,
    debugConsole: debugConsole && (await open('--debugcon', debugConsole)),
    printer: parallel && (await open('--parallel', parallel)),
  };
}

/** Opens the media that options name. What opens them is loaded only where there are any. */
async function openMedia(options: RunOptions, { snapshot }: Guest) {
  if (snapshot) return openMediaOf(snapshot);
  if (options.disks.length + options.floppies.length === 0 && !options.cdrom) return undefined;
  const { closeDrives, openDrives } = await import('./drives.ts');
  const media = await openDrives(options);
  return { media, close: () => closeDrives(media) };
}

/** As {@link openMedia}, for a machine that goes on from a snapshot. */
async function openMediaOf(snapshot: SnapshotFile) {
  const { configurationIn } = await import('../vm/snapshot/saved-machine.ts');
  if (configurationIn(snapshot).drives.length === 0) return undefined;
  const [{ openSavedDrives }, { closeDrives }] = await Promise.all([
    import('./saved-drives.ts'),
    import('./drives.ts'),
  ]);
  const media = await openSavedDrives(snapshot);
  return { media, close: () => closeDrives(media) };
}

/** As {@link openMedia}, for the flash chip with the firmware's variables. */
async function openFirmwareVariables({ firmwareVariables }: RunOptions) {
  return firmwareVariables && (await import('./firmware.ts')).openVariables(firmwareVariables);
}

function withVariables(guest: Guest, variables: FlashFile | undefined): Guest {
  return guest.firmware && variables ? { ...guest, firmware: { ...guest.firmware, variables } } : guest;
}

/** As {@link openMedia}, for the channels to agents in the guest. */
async function openAgent({ name }: RunOptions, { snapshot }: Guest): Promise<AgentChannels | undefined> {
  return name === undefined && !snapshot ? undefined : (await import('./agent.ts')).makeAgentChannels(name, snapshot);
}

/** As {@link openMedia}, for sound. */
async function openAudio(target: AudioTarget, outside: OutsideEnding): Promise<HostAudio> {
  return (await import('./audio.ts')).openAudioTarget(target, outside);
}

/** As {@link openMedia}, for folders. */
async function openSharedFolders({ shares }: RunOptions) {
  return shares.length === 0 ? [] : (await import('./shares.ts')).openShares(shares);
}

/** As {@link openMedia}, for the guest's sockets. */
async function openSockets({ vsock }: RunOptions, { snapshot }: Guest): Promise<OpenVsock | undefined> {
  return vsock && (await import('./vsock.ts')).openVsock(vsock, snapshot);
}

function configOf(options: RunOptions, guest: Guest, serial: readonly (CharPort | undefined)[]): VmConfig {
  return {
    ...guest,
    memoryBytes: options.memoryBytes,
    cpuCount: options.cpuCount,
    accel: options.accel === 'interp' ? 'interp' : undefined,
    clock: options.clock,
    sound: options.sound,
    vga: options.vga,
    seed: options.seed ?? defaultSeed(options.clock),
    uuid: options.uuid ?? (options.copy ? parseUuid('--copy', crypto.randomUUID()) : undefined),
    noReboot: options.noReboot,
    debugExitPort: options.debugExitPort,
    serial,
    statistics: options.stats,
    onTranslated: options.dumpRegions === undefined ? undefined : openRegionDump(options.dumpRegions),
    handlers: new HandlerFiles(),
    unpacked: new UnpackedFiles(),
    zstd: unpackZstd,
    host: nodeTime,
  };
}

/** A machine on its own clock is the same every time; one on the host's clock is not, seed or no seed. */
function defaultSeed(clock: RunOptions['clock']): bigint {
  return clock === 'virtual' ? 0n : randomSeed();
}

async function runToEnd(
  machine: Machine,
  options: RunOptions,
  outside: OutsideEnding,
  outputs: Lines & { readonly audio: HostAudio | undefined },
  agent: AgentChannels | undefined,
): Promise<Ending> {
  const { serial } = outputs;
  if (options.timeoutMillis !== undefined) outside.onTimeout(options.timeoutMillis, () => machine.describe());
  const stopServing = await serve(machine, options, outside, serial[0], agent);
  const stopDebugging = options.gdb && (await serveDebuggers(options.gdb, machine));
  const stopShowing = await show(options.display, machine, outputs);
  const ended = machine.run().then(endingOf);
  try {
    return await Promise.race([ended, outside.first]);
  } finally {
    await stopServing?.();
    stopDebugging?.();
    stopShowing?.();
    await Promise.race([ended, machine.pause()]); // what it would still write is closed next
    if (options.screenshotAtExit !== undefined) await writeScreenshot(options.screenshotAtExit, machine);
  }
}

/** Loads what shows the screen where it is shown. */
async function show(
  display: DisplayTarget,
  machine: Machine,
  { serial, audio }: Pick<Lines, 'serial'> & { readonly audio: HostAudio | undefined },
): Promise<(() => void) | undefined> {
  if (display.kind === 'none') return undefined;
  if (display.kind === 'vnc') return (await import('./display.ts')).serveVnc(display, machine);
  const { serveWeb } = await import('./web-display.ts');
  return serveWeb(machine, { serial, audio }, (line) => process.stderr.write(`vitrine: ${line}\n`));
}

async function writeScreenshot(path: string, machine: Machine): Promise<void> {
  const console = await machine.console();
  const picture = await console.screenshot('png');
  try {
    writeFileSync(path, picture);
  } catch (error) {
    const found = `${quote(path)}, ${(error as Error).message}`;
    throw new CliError(STATUS.failed, `--screenshot-at-exit: found ${found}, expected a file to write`);
  }
}

/** Loads what serves debuggers. */
async function serveDebuggers(gdb: GdbOption, machine: Machine): Promise<() => void> {
  if (gdb.wait) await machine.pause();
  const { serveGdb } = await import('./gdb.ts');
  return serveGdb(gdb, machine);
}

/** Loads what serves QMP when it is asked for: Node's sockets take long to load. */
async function serve(
  machine: Machine,
  options: RunOptions,
  outside: OutsideEnding,
  line: HostCharPort | undefined,
  agent: AgentChannels | undefined,
): Promise<(() => Promise<void>) | undefined> {
  if (options.qmp === undefined && options.name === undefined) return undefined;
  const { serveMachine } = await import('./serve.ts');
  return serveMachine(machine, options, outside, line instanceof SharedLine ? line : undefined, agent);
}

/** As {@link openMedia}, for what samples this process. */
async function sampleHost() {
  const { HostStatistics } = await import('./stats.ts');
  const sampling = new HostStatistics();
  await sampling.start();
  return sampling;
}

async function printStats({ stats, startMillis, hostMillis, hostLines }: Finished): Promise<void> {
  const { instructions, guestNanos } = stats;
  const { machineLines } = await import('./stats.ts');
  const rows = [
    ['start-up seconds', (startMillis / 1000).toFixed(3)],
    ['instructions', `${instructions}`],
    ['guest seconds', (Number(guestNanos) / 1e9).toFixed(3)],
    ['host seconds', (hostMillis / 1000).toFixed(3)],
    ['MIPS', (Number(instructions) / (hostMillis * 1000)).toFixed(1)],
  ];
  const lines = [...rows.map(([name, value]) => `${name} ${value}`), ...machineLines(stats), ...hostLines];
  process.stderr.write(lines.map((line) => `vitrine: ${line}\n`).join(''));
}
