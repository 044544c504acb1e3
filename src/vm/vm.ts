import type { PcDrive } from '../boards/drives.ts';
import { startsFromBuiltin } from '../boards/firmware-boot.ts';
import { unpackLinux } from '../boards/loaders/unpack.ts';
import { type KernelBoot, type MachineExit, PcMachine, type PcMachineOptions } from '../boards/pc-machine.ts';
import { CapturableDisk } from '../machine/disk-capture.ts';
import type { RunExit } from '../machine/interfaces.ts';
import { readBootFile } from './boot-file.ts';
import type { VmConfig } from './config.ts';
import type { VmConsole } from './console.ts';
import type { VmControl, VmEvent, VmStats, VmStatus } from './control.ts';
import type { VmDebugger } from './debugger.ts';
import { EventLoop } from './event-loop.ts';
import { HeldLine } from './held-line.ts';
import type { Peripherals } from './peripherals.ts';
import type { VmBalloon } from './qmp-balloon.ts';
import type { VmDrives } from './qmp-block.ts';
import { SLICE_MILLIS, SliceLength } from './slice-length.ts';
import { SliceStatistics } from './slice-statistics.ts';
import type { SnapshotSink } from './snapshot/format.ts';
import {
  bootIn,
  readEarlyPages,
  restoreMachine,
  type SnapshotOptions,
  uuidOf,
  writeMachine,
} from './snapshot/saved-machine.ts';

export { FirmwareInvalid } from '../boards/firmware-rom.ts';
export { BootImageInvalid } from '../boards/loaders/index.ts';

/** How a run ended: the guest shut down. */
export type Shutdown = Extract<RunExit, { kind: 'shutdown' }>;

/** Entries after which a block of guest code is translated. */
const HOT_AFTER = 4000;

/**
 * How long the guest waits for a batch of translation, but for the last region and for writing what is recorded: while V8 has not
 * compiled the translator itself yet, an instruction takes ten times as long.
 */
const BATCH_MILLIS = 4;

function jitOptionsOf({ statistics, onTranslated }: VmConfig) {
  return { hotAfter: HOT_AFTER, batchMillis: BATCH_MILLIS, countExits: statistics, onTranslated };
}

/** How much shorter slices are while the host has work whose result should be seen soon. */
const PENDING_WORK_DIVISOR = 16;
/** When machines under the virtual clock are switched on: their run must not depend on the host's date. */
const VIRTUAL_START_EPOCH_MS = Date.UTC(2026, 0, 1);
/** The longest an idle machine sleeps without looking at its clock. */
const LONGEST_SLEEP_MILLIS = 1_000;

/** @throws {TypeError} there is neither a kernel nor firmware nor a snapshot */
function bootOf(config: VmConfig): PcMachineOptions['boot'] {
  const { kernel, firmware, snapshot } = config;
  if (snapshot) return bootIn(snapshot);
  if (kernel) return { load: () => loadKernel(kernel, config) };
  if (firmware) return firmware;
  throw new TypeError('a machine needs a kernel or firmware');
}

async function loadKernel(file: NonNullable<VmConfig['kernel']>, config: VmConfig): Promise<KernelBoot> {
  const { initrd, commandLine, host, unpacked: store, zstd } = config;
  const kernel = await readBootFile(file);
  const unpacked = await unpackLinux(kernel, { turn: host.turn, store, zstd });
  return { kernel, unpacked, initrd: initrd && (await readBootFile(initrd)), commandLine };
}

/** Loads the machine's own BIOS, a tenth of our code, where it starts from that. */
async function loadBios(config: VmConfig): Promise<PcMachineOptions['makeBios']> {
  if (!startsFromBuiltin(bootOf(config))) return undefined;
  const { BuiltinBios } = await import('../boards/firmware/builtin.ts');
  return (machine) => new BuiltinBios(machine);
}

/** Makes a disk that can be written one that snapshots can hold. */
function withCapture(drive: PcDrive): PcDrive {
  return drive.medium.readOnly ? drive : { ...drive, medium: new CapturableDisk(drive.medium) };
}

/** A virtual machine. */
export class Vm implements VmControl {
  readonly #config: VmConfig;
  readonly #machine: PcMachine;
  readonly #boot: PcMachineOptions['boot'];
  readonly #loop: EventLoop;
  readonly #listeners = new Set<(event: VmEvent) => void>();
  #status: VmStatus = 'paused';
  #running: Promise<Shutdown> | undefined;
  /** There while a pause is wanted that has not begun. */
  #pausing: PromiseWithResolvers<void> | undefined;
  #goOn: (() => void) | undefined;
  readonly #slice = new SliceLength();
  #inSlice = false;
  readonly #statistics: SliceStatistics | undefined;
  /** What waits for the end of the slice. */
  #deferred: (() => void)[] = [];
  #console: Promise<VmConsole> | undefined;
  #debugger: Promise<VmDebugger> | undefined;
  /** The snapshot that is being made. */
  #snapshots: Promise<void> = Promise.resolve();

  private constructor(given: VmConfig, makeBios: PcMachineOptions['makeBios']) {
    const config = { ...given, drives: given.drives?.map(withCapture) };
    this.#config = config;
    if (config.statistics) this.#statistics = new SliceStatistics();
    this.#boot = bootOf(config);
    this.#loop = new EventLoop(config.host.turn);
    this.#machine = new PcMachine({
      memoryBytes: config.memoryBytes,
      cpuCount: config.cpuCount,
      clock: config.clock,
      hostNanos: () => config.host.monotonicNanos(),
      startEpochMs: config.clock === 'virtual' ? VIRTUAL_START_EPOCH_MS : config.host.utcMillis(),
      seed: config.seed,
      uuid: uuidOf(config),
      serial: config.serial,
      debugExitPort: config.debugExitPort,
      boot: this.#boot,
      makeBios,
      debugOutput: config.debugOutput,
      drives: config.drives,
      networks: config.networks,
      shares: config.shares,
      parallel: config.parallel,
      channels: config.channels,
      vsock: config.vsock,
      sound: config.sound,
      vga: config.vga,
      audio: config.audio,
      handlers: config.handlers,
      jit: config.accel === 'interp' ? undefined : jitOptionsOf(config),
      sharedMemory: config.sharedMemory ?? true,
      balloonChanged: (bytes) => this.#emit({ kind: 'balloon_change', actualBytes: config.memoryBytes - bytes }),
      wake: () => this.#loop.wake(),
    });
  }

  /** Makes a machine, ready to run its first instruction.
   * @throws {BootImageInvalid} the kernel or initrd cannot be booted  @throws {FirmwareInvalid} the firmware cannot be run  @throws {RangeError} the host has not enough memory
   * @throws {SnapshotInvalid} the snapshot cannot be read */
  static async create(config: VmConfig): Promise<Vm> {
    const early = config.snapshot && readEarlyPages(config.snapshot); // which goes on while the machine is made
    early?.catch(() => {});
    const lines = config.serial.map((line) => line && new HeldLine(line));
    const vm = new Vm({ ...config, serial: lines }, await loadBios(config));
    if (config.snapshot && early) await restoreMachine(vm.#machine, config.snapshot, config.networks, await early);
    else await vm.#start();
    for (const line of lines) line?.release();
    return vm;
  }

  async #start(): Promise<void> {
    const kernel = await this.#machine.prepareReset();
    if (kernel) this.#machine.reset(kernel);
  }

  get status(): VmStatus {
    return this.#status;
  }

  get stats(): VmStats {
    const details = this.#statistics?.collect(this.#machine);
    return { instructions: BigInt(this.#machine.retired), guestNanos: this.#machine.clock.nowNanos(), details };
  }

  get cpuCount(): number {
    return this.#machine.vcpus.all.length;
  }

  /** Runs the guest until it shuts down. */
  run(): Promise<Shutdown> {
    this.#running ??= this.#runUntilShutdown().finally(() => this.#keepHandlers());
    return this.#running;
  }

  describe(): string {
    return `${this.#status}, ${this.#machine.vcpu.describe()}, ${this.#machine.retired} instructions retired`;
  }

  async pause(): Promise<void> {
    const starts = this.#running === undefined;
    if (!starts && this.#status !== 'running') return;
    this.#pausing ??= Promise.withResolvers();
    if (starts) return;
    this.#loop.wake();
    await this.#pausing.promise;
  }

  async resume(): Promise<void> {
    await this.#pausing?.promise;
    const goOn = this.#goOn;
    if (goOn === undefined) return;
    this.#goOn = undefined;
    this.#machine.clock.resume();
    this.#status = 'running';
    this.#emit({ kind: 'resume' });
    goOn();
  }

  async reset(): Promise<void> {
    const kernel = await this.#prepareReset();
    await this.#betweenSlices(() => {
      if (this.#machine.ended !== undefined) return;
      this.#machine.reset(kernel);
      this.#emit({ kind: 'reset', byGuest: false });
      this.#loop.wake();
    });
  }

  pressPowerButton(): void {
    void this.#betweenSlices(() => {
      this.#machine.board.powerButton.set(true);
      this.#machine.board.powerButton.set(false);
      this.#emit({ kind: 'powerdown' });
    });
  }

  /** By what others tell the machine from its copies. */
  get identity(): { readonly uuid: Uint8Array; readonly macs: readonly Uint8Array[] } {
    return { uuid: uuidOf(this.#config), macs: (this.#config.networks ?? []).map(({ mac }) => mac) };
  }

  /** The drives, whose media can be changed. */
  get drives(): VmDrives {
    return { bays: this.#machine.board.drives, between: (action) => this.#betweenSlices(action) };
  }

  /** Memory that the guest does not need. */
  get balloon(): VmBalloon {
    const { balloon } = this.#machine;
    const { memoryBytes } = this.#config;
    return {
      get actualBytes() {
        return memoryBytes - balloon.givenBytes;
      },
      get statistics() {
        return balloon.statistics;
      },
      setTarget: (bytes) => this.#betweenSlices(() => balloon.ask(Math.max(0, memoryBytes - bytes))),
      askForStatistics: () => this.#betweenSlices(() => balloon.askForStatistics()),
    };
  }

  onEvent(listen: (event: VmEvent) => void): () => void {
    this.#listeners.add(listen);
    return () => void this.#listeners.delete(listen);
  }

  /** The machine's screen, keyboard and mouse. What they need is loaded with the first call. */
  console(): Promise<VmConsole> {
    this.#console ??= import('./console.ts').then(({ VmConsole }) => new VmConsole(this.#peripherals));
    return this.#console;
  }

  /**
   * Writes the machine as it is between two instructions of now. It goes on meanwhile; one snapshot is made at a time.
   * @throws {Error} the sink fails, or the kernel's files cannot be read
   */
  snapshot(sink: SnapshotSink, options: SnapshotOptions): Promise<void> {
    const made = this.#snapshots.then(() => this.#writeSnapshot(sink, options));
    this.#snapshots = made.catch(() => {});
    return made;
  }

  /** What a debugger does to the machine. What it needs is loaded with the first call. */
  debugger(): Promise<VmDebugger> {
    this.#debugger ??= import('./debugger.ts').then(({ VmDebugger }) => new VmDebugger(this, this.#machine));
    return this.#debugger;
  }

  /** A 64-bit hash of all that the guest's future depends on. Under the virtual clock the same run has the same hashes. */
  stateHash(): bigint {
    this.#requireBetweenSlices();
    return this.#machine.stateHash();
  }

  async #writeSnapshot(sink: SnapshotSink, options: SnapshotOptions): Promise<void> {
    const [machine, config, boot] = [this.#machine, this.#config, this.#boot];
    this.#requireOwnMedia();
    let written: Promise<void> | undefined;
    await this.#betweenSlices(() => {
      written = writeMachine({ machine, config, boot, turn: () => this.#loop.turn() }, sink, options);
    });
    await written;
    await this.#keepHandlers();
  }

  #keepHandlers(): Promise<void> {
    return this.#machine.keepHandlers(() => this.#loop.turn());
  }

  /** @throws {Error} another medium is in a drive than at the start */
  #requireOwnMedia(): void {
    const own = new Set<unknown>((this.#config.drives ?? []).map(({ medium }) => medium));
    const changed = this.#machine.board.drives.find(({ inserted }) => inserted && !own.has(inserted.medium));
    if (changed) throw new Error(`the medium in ${changed.id} was changed while the machine ran: it cannot be saved`);
  }

  get #peripherals(): Peripherals {
    const { clock, board, display, tablet } = this.#machine;
    const { keyboard, mouse } = board.keyboard;
    return {
      clock,
      display,
      input: {
        keyboard: {
          key: ({ set2 }, down, repeats) => keyboard.key(set2, down, repeats),
          again: ({ set2 }) => keyboard.again(set2),
        },
        mouse,
        tablets: [tablet, board.vmport],
      },
    };
  }

  async #runUntilShutdown(): Promise<Shutdown> {
    this.#status = 'running';
    for (;;) {
      if (this.#pausing !== undefined) await this.#stayPaused();
      const exit = this.#runSlice();
      if (exit.kind === 'shutdown') {
        if (exit.reason === 'reset' && !this.#config.noReboot) await this.#rebootByGuest();
        else return this.#shutDown(exit);
      } else if (exit.kind === 'halted') await this.#idle();
      else if (exit.kind === 'debug') this.#pausing ??= Promise.withResolvers();
      else if (exit.kind === 'pageIn') await this.#machine.pageIn(exit.gpa);
      else if (exit.kind === 'hostWork') await this.#loop.sleep(LONGEST_SLEEP_MILLIS);
      else await this.#loop.turn();
    }
  }

  /** Runs one slice and fits the length of the next to the speed seen. */
  #runSlice(): MachineExit {
    const { host } = this.#config;
    const { hostWork } = this.#machine;
    const end = host.monotonicNanos() + BigInt(SLICE_MILLIS * 1e6);
    let exit: MachineExit;
    this.#statistics?.begin();
    const began = performance.now();
    do {
      const [from, at] = [this.#machine.retired, host.monotonicNanos()];
      this.#inSlice = true;
      const { instructions } = this.#slice;
      exit = this.#machine.run(hostWork.wantsTurn ? Math.ceil(instructions / PENDING_WORK_DIVISOR) : instructions);
      this.#inSlice = false;
      this.#slice.ran(this.#machine.retired - from, Number(host.monotonicNanos() - at));
    } while (exit.kind === 'budget' && !this.#pausing && !hostWork.wantsTurn && host.monotonicNanos() < end);
    this.#statistics?.end(this.#machine, exit.kind === 'budget', performance.now() - began);
    for (const action of this.#deferred.splice(0)) action();
    return exit;
  }

  /** Has something done to the machine that must not happen while guest code runs, as it does when a device calls. */
  #betweenSlices(action: () => void): Promise<void> {
    if (!this.#inSlice) {
      action();
      return Promise.resolve();
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#deferred.push(() => {
      action();
      resolve();
    });
    return promise;
  }

  #requireBetweenSlices(): void {
    if (this.#inSlice) throw new Error('the machine is running guest code');
  }

  /** Waits for the next deadline or for an interrupt from outside; guest time that can be skipped is. */
  async #idle(): Promise<void> {
    const { clock } = this.#machine;
    if (this.#machine.awake || this.#machine.skipIdle()) {
      await this.#loop.turn();
      return;
    }
    const deadline = clock.nextDeadlineNanos();
    const millis = deadline === undefined ? LONGEST_SLEEP_MILLIS : Number(deadline - clock.nowNanos()) / 1e6;
    await this.#loop.sleep(Math.min(millis, LONGEST_SLEEP_MILLIS));
  }

  async #stayPaused(): Promise<void> {
    const { promise, resolve: goOn } = Promise.withResolvers<void>();
    this.#goOn = goOn;
    this.#machine.clock.pause();
    this.#status = 'paused';
    this.#emit({ kind: 'stop' });
    this.#pausing?.resolve();
    this.#pausing = undefined;
    await promise;
  }

  async #rebootByGuest(): Promise<void> {
    this.#machine.reset(await this.#prepareReset());
    this.#emit({ kind: 'reset', byGuest: true });
  }

  async #prepareReset(): Promise<KernelBoot | undefined> {
    try {
      return await this.#machine.prepareReset();
    } catch (error) {
      throw new Error(`the machine cannot be reset: ${(error as Error).message}`, { cause: error });
    }
  }

  #shutDown(exit: Shutdown): Shutdown {
    this.#status = exit.reason === 'panic' || exit.reason === 'tripleFault' ? 'guest-panicked' : 'shutdown';
    this.#emit({ kind: 'shutdown', reason: exit.reason });
    this.#pausing?.resolve();
    return exit;
  }

  #emit(event: VmEvent): void {
    for (const listen of this.#listeners) listen(event);
  }
}
