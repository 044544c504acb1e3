import { canonicalText } from '../base/canonical-text.ts';
import { Hash64 } from '../base/hash64.ts';
import { SplitMix64 } from '../base/random.ts';
import { requireVersion } from '../base/state-version.ts';
import type { CpuEnvironment } from '../cpu/environment.ts';
import type { MachineMemory } from '../cpu/machine-code.ts';
import { layOutMemory, type MemoryLayout } from '../cpu/memory-layout.ts';
import { collectStatistics } from '../cpu/statistics.ts';
import { Vcpu } from '../cpu/vcpu.ts';
import { VcpuSet } from '../cpu/vcpu-set.ts';
import type { EngineStatistics } from '../machine/engine-statistics.ts';
import { PAGE_BYTES, PAGE_MONITORED, PAGE_TRACKED, pcRamRegions, RamMemory } from '../machine/guest-memory.ts';
import { HostWork } from '../machine/host-work.ts';
import { type DeviceState, PageAbsent, type RunExit } from '../machine/interfaces.ts';
import { LazyMemory, type PageSource } from '../machine/lazy-memory.ts';
import { MemoryCapture } from '../machine/memory-capture.ts';
import { clearRam, hashRam, type RamState, restoreRam, saveRam } from '../machine/ram-state.ts';
import { HostClock, type MachineClock, VirtualClock } from '../machine/virtual-time.ts';
import { buildAcpi } from './acpi.ts';
import { BalloonCard } from './balloon.ts';
import { type CardOptions, makeCards } from './cards.ts';
import { configureFirmware } from './configuration.ts';
import { directBoot } from './direct-boot.ts';
import { DisplayCard, type DisplaySource } from './display-card.ts';
import type { BuiltinBios } from './firmware/builtin.ts';
import { buildSmbios } from './firmware/smbios.ts';
import { DEFAULT_BOOT_ORDER, optionRoms, prepareFirmware, startsFromBuiltin } from './firmware-boot.ts';
import { type BootOptions, loadKernel } from './loaders/index.ts';
import { PcBoard, type Shutdown } from './pc.ts';
import type { KernelBoot, PcMachineOptions } from './pc-options.ts';
import { generationId, pagesKnownIn, pagesTranslatedIn, processorsOf, systemUuid } from './saved-state.ts';
import { voicesOf } from './sound-card.ts';
import { startCpu } from './start-cpu.ts';
import type { SystemTables } from './system-tables.ts';
import { TabletCard } from './tablet.ts';
import { ClockTsc } from './tsc.ts';
import { MappedVideoMemory } from './video-memory.ts';

export type { HandlerStore } from '../cpu/handler-library.ts';
export type { KernelBoot, LateKernelBoot, PcMachineOptions } from './pc-options.ts';

/** Why a machine stopped executing. `hostWork`: guest time must wait for a result of the host. */
export type MachineExit = RunExit | { readonly kind: 'hostWork' };

/** Ticks of the time-stamp counter and of the local APIC's timer per second. */
const TSC_HZ = 1_000_000_000;
const APIC_TIMER_HZ = 1_000_000_000;
/** Room for decoded code, where nothing else is said. */
const RECORD_BYTES = 32 << 20;
/** Memory of the display adapter. */
const VIDEO_BYTES = 16 << 20;
/** RAM up to which a machine uses 32-bit addresses: a WebAssembly memory of that kind ends at 4 GiB. */
const MOST_RAM_IN_32_BITS = 0xe000_0000;
const FOUR_GIB_PAGES = 65536;
/** Under the virtual clock an instruction takes as long as on a processor of 100 MIPS, about what the interpreter reaches. */
const VIRTUAL_NANOS_PER_INSTRUCTION = 10n;
const A20 = 1n << 20n;
const ONE_MIB = 1 << 20;
const STATE_VERSION = 1;

/** A whole PC: processor, board, memory and clock, with a kernel loaded. */
export class PcMachine {
  readonly vcpus: VcpuSet;
  readonly board: PcBoard;
  readonly clock: MachineClock;
  /** What the screen shows. */
  readonly display: DisplaySource;
  /** A pointer for guests with a driver for it. */
  readonly tablet: TabletCard;
  /** Memory that the guest does not need. */
  readonly balloon: BalloonCard;
  readonly ram: RamMemory;
  /** What the host does for chips. */
  readonly hostWork: HostWork;
  readonly #random: SplitMix64;
  readonly #seed: bigint;
  readonly #clockKind: PcMachineOptions['clock'];
  readonly #memory: LazyMemory;
  readonly #memoryBytes: number;
  readonly #cpuCount: number;
  readonly #tables: SystemTables;
  readonly #boot: PcMachineOptions['boot'];
  readonly #wake: () => void;
  #capture: MemoryCapture | undefined;
  /** The machine's own BIOS, where it starts from that. */
  readonly #bios: BuiltinBios | undefined;
  #hasLoadedKernel = false;
  #ended: Shutdown | undefined;

  /** @throws {BootImageInvalid} the kernel or initrd cannot be booted  @throws {FirmwareInvalid} nor the firmware  @throws {RangeError} the host has not enough memory */
  constructor(options: PcMachineOptions) {
    const regions = pcRamRegions(options.memoryBytes);
    const layout = layOutMemory(regions, options.recordBytes ?? RECORD_BYTES, VIDEO_BYTES, options.cpuCount);
    const machine = allocate(layout, options);
    this.#random = new SplitMix64(options.seed);
    this.#seed = options.seed;
    this.#clockKind = options.clock;
    this.#cpuCount = options.cpuCount ?? 1;
    this.#tables = {
      acpi: buildAcpi({ cpuCount: this.#cpuCount, parallel: options.parallel !== undefined }),
      smbios: buildSmbios({
        ramBytes: options.memoryBytes,
        cpuCount: this.#cpuCount,
        uuid: options.uuid ?? systemUuid(options.seed),
      }),
    };
    const retired = () => BigInt(this.vcpus?.retired ?? 0);
    const earlier = () => this.vcpus?.requestEnd();
    this.clock =
      options.clock === 'virtual'
        ? new VirtualClock(retired, earlier, VIRTUAL_NANOS_PER_INSTRUCTION)
        : new HostClock(retired, options.hostNanos, earlier);
    const pacing = options.clock === 'virtual' ? 'deadline' : 'arrival';
    this.hostWork = new HostWork(this.clock, pacing, options.wake, earlier);
    this.ram = new RamMemory(
      {
        bytes: new Uint8Array(machine.memory.buffer),
        pageFlags: new Uint8Array(machine.memory.buffer, layout.pageFlags, layout.pageCount),
        ramOffset: layout.ram,
      },
      regions,
      {
        codeWrite: (gpa, length) => this.vcpus.invalidateCode(gpa, length),
        firstWrite: (gpa, flags) => this.#firstWrite(gpa, flags),
      },
    );
    this.#memory = new LazyMemory(this.ram);
    this.#memoryBytes = options.memoryBytes;
    this.#boot = options.boot;
    this.#wake = options.wake;
    const display = new DisplayCard(new MappedVideoMemory(machine.memory, layout, () => this.vcpus), options.vga);
    this.tablet = new TabletCard();
    this.balloon = new BalloonCard((bytes) => options.balloonChanged?.(bytes));
    const voice = voicesOf(options.audio);
    const cards = makeCards({ ...options, voice }, () => this.#random.next());
    this.#bios = this.#makeBios(options);
    this.board = this.#makeBoard({
      ...options,
      voice,
      cards: [display, this.tablet, this.balloon, ...cards, ...(options.cards ?? [])],
    });
    this.display = display.connect(this.board.ports, this.board.mmio);
    this.vcpus = this.#makeVcpus(machine, options);
    this.reset();
  }

  #makeVcpus(machine: MachineMemory, { jit, handlers }: PcMachineOptions): VcpuSet {
    const all: Vcpu[] = [];
    for (let number = 0; number < this.#cpuCount; number++) {
      const cpu = { apicId: number, cpuCount: this.#cpuCount, tscHz: TSC_HZ, apicTimerHz: APIC_TIMER_HZ };
      all.push(
        new Vcpu(machine, this.#environmentOf(number), { ...cpu, jit, handlers, code: all[0]?.engine.machineCode }),
      );
    }
    return new VcpuSet(all, (number) => this.#isAwake(number));
  }

  #environmentOf(number: number): CpuEnvironment {
    const processor = this.board.processors[number];
    return {
      portRead: (port, bytes) => processor.portRead(port, bytes),
      portWrite: (port, bytes, value) => processor.portWrite(port, bytes, value),
      portReadMany: (port, bytes, target) => processor.portReadMany(port, bytes, target),
      portWriteMany: (port, bytes, source) => processor.portWriteMany(port, bytes, source),
      mmioRead: (gpa, bytes) => processor.mmioRead(gpa, bytes),
      mmioWrite: (gpa, bytes, value) => processor.mmioWrite(gpa, bytes, value),
      interruptPending: () => processor.interruptPending(),
      acknowledgeInterrupt: () => processor.acknowledgeInterrupt(),
      takeNmi: () => processor.takeNmi(),
      fpuError: (rises) => processor.fpuError(rises),
      apicRead: (msr) => processor.apicRead(msr),
      apicWrite: (msr, value) => processor.apicWrite(msr, value),
      random: () => this.#random.next(),
      nowNanos: () => this.clock.nowNanos(),
      pace: () => this.clock.pace,
      retiredElsewhere: () => this.vcpus.retired - this.vcpus.all[number].retired,
      tscChanged: () => this.board.tscChanged(number),
      firstWrite: (gpa, flags) => this.#firstWrite(gpa, flags),
      firmwareCall: () => this.#bios?.call() ?? false,
      pause: () => this.vcpus.pause(),
      monitor: this.#cpuCount > 1 ? (gpa) => this.vcpus.monitor(gpa) : undefined,
    };
  }

  /** Keeps the handlers that have been made, where there is a store for them. @param turn lets others do what they have to do */
  keepHandlers(turn: () => Promise<void>): Promise<void> {
    return this.vcpu.engine.machineCode.keepHandlers(turn);
  }

  /** How the guest ended its run, once it has. */
  get ended(): Shutdown | undefined {
    return this.#ended;
  }

  /** The bootstrap processor. */
  get vcpu(): Vcpu {
    return this.vcpus.all[0];
  }

  /** What the processors' engines did since power-on. */
  engineStatistics(): EngineStatistics {
    return collectStatistics(this.vcpus.all.map(({ engine }) => engine));
  }

  /** Instructions retired by all processors since power-on. */
  get retired(): number {
    return this.vcpus.retired;
  }

  /** Whether any processor has anything to do: it does not wait, or what it waits for has come. */
  get awake(): boolean {
    return this.vcpus.awake;
  }

  #isAwake(number: number): boolean {
    const vcpu = this.vcpus.all[number];
    const processor = this.board.processors[number];
    if (vcpu.waitsForStartUp) return false;
    if (!vcpu.halted || (processor.nmiPending && vcpu.acceptsNmi)) return true;
    return vcpu.acceptsInterrupts && processor.interruptPending();
  }

  /** Runs `instructions` instructions, fewer where the processor halts, the run ends or the host should get a turn. Alarms
   * fire and results of the host arrive when they are due. */
  run(instructions: number): MachineExit {
    const end = this.retired + instructions;
    for (;;) {
      this.clock.fireDue();
      const held = this.#deliverHostWork();
      if (this.#ended !== undefined) return this.#ended;
      if (held) return held;
      const exit = this.vcpus.run(this.#untilDeadline(end - this.retired));
      if (exit.kind === 'shutdown') this.#ended ??= exit;
      if (this.#ended !== undefined) return this.#ended;
      if (exit.kind === 'pageIn' && this.#hasPage(exit.gpa)) continue;
      if (exit.kind !== 'budget' || this.retired >= end || this.hostWork.wantsTurn) return exit;
    }
  }

  /** For an idle processor: moves time to the next deadline. @returns false where time must be waited for, or without end */
  skipIdle(): boolean {
    return this.clock.skipTo(this.clock.nextDeadlineNanos());
  }

  /** As the reset button: everything as at power-on, the kernel loaded again. @param kernel as {@link prepareReset} gave it
   * @throws {BootImageInvalid} it cannot be booted */
  reset(kernel?: KernelBoot): void {
    this.#ended = undefined;
    this.board.reset();
    this.vcpus.reset();
    this.#start(kernel);
  }

  /** Brings in the page that a run waits for. @throws {Error} it cannot be read */
  async pageIn(gpa: number): Promise<void> {
    await this.#memory.pageIn(gpa);
    this.#wake();
  }

  /** Brings in all memory that has not been touched yet. @throws {Error} it cannot be read */
  pageInAll(): Promise<void> {
    return this.#memory.pageInAll(this.ram.absentPages());
  }

  /** Makes {@link reset} possible: brings in all memory of a machine that was restored.
   * @returns the kernel, where the machine does not keep it
   * @throws {BootImageInvalid} the kernel cannot be booted  @throws {Error} it or memory cannot be read */
  async prepareReset(): Promise<KernelBoot | undefined> {
    await this.pageInAll();
    if (!('load' in this.#boot)) return undefined;
    const kernel = await this.#boot.load();
    loadKernel(this.#bootOptions(kernel)); // what is wrong with it is found while the machine is whole
    return kernel;
  }

  /** Everything that the machine's future depends on. It must not be running. @throws {PageAbsent} not all memory is there */
  save(): DeviceState {
    return { ...this.saveWithoutMemory(), ram: saveRam(this.ram) };
  }

  /** As {@link save}, but for guest memory. */
  saveWithoutMemory(): DeviceState {
    return {
      version: STATE_VERSION,
      clock: { kind: this.#clockKind, ...this.clock.save() },
      ended: this.#ended ?? null,
      random: this.#random.state,
      processors: this.vcpus.save(),
      board: this.board.save(),
    };
  }

  /** The pages that a machine in this state touches first: those that its processors know, with what they hold now. */
  pagesInUse(state: DeviceState): (readonly [gpa: number, content: Uint8Array])[] {
    const there = pagesKnownIn(state).filter((gpa) => this.ram.isRam(gpa) && !this.ram.isAbsent(gpa));
    return there.map((gpa) => [gpa, this.ram.forRead(gpa, PAGE_BYTES).slice()]);
  }

  /** Keeps guest memory as it is now, to be read while the machine goes on. One capture at a time. */
  captureMemory(): MemoryCapture {
    this.#capture?.end();
    this.#capture = new MemoryCapture(this.ram, this.#memory.source);
    this.vcpus.watchPages(0, this.ram.endGpa / PAGE_BYTES);
    return this.#capture;
  }

  /** Ends a capture that has been read. */
  endCapture(capture: MemoryCapture): void {
    if (this.#capture !== capture) return;
    capture.end();
    this.#capture = undefined;
  }

  /**
   * Makes this machine go on as the saved one would have. It must have been made with the same options; what it has run
   * does not matter.
   * @throws {Error} the state is of another version or another kind of machine; this one is then of no further use
   */
  restore(state: DeviceState): void {
    this.#checkKind(state);
    this.#memory.detach();
    restoreRam(this.ram, state.ram as RamState);
    this.#restoreWithoutMemory(state);
  }

  /**
   * As {@link restore}, with memory that is brought in when it is touched. It must not run before this has been done.
   * @param state as {@link saveWithoutMemory} gave it  @param early pages that are at hand already, by their addresses
   * @throws {Error} besides: a page cannot be read
   */
  async restoreLazily(
    state: DeviceState,
    pages: PageSource,
    early: Iterable<readonly [gpa: number, content: Uint8Array]> = [],
  ): Promise<void> {
    this.#checkKind(state);
    this.#memory.detach();
    const untouched = this.retired === 0 && !this.#hasLoadedKernel;
    clearRam(this.ram, untouched ? ONE_MIB : this.ram.endGpa);
    this.#memory.attach(pages);
    for (const [gpa, content] of early) this.#memory.bringIn(gpa, content);
    await this.#memory.pageInAll(Array.from({ length: ONE_MIB / PAGE_BYTES }, (_, page) => page * PAGE_BYTES));
    await this.#memory.pageInAll(pagesTranslatedIn(state));
    this.#restoreWithoutMemory(state);
    this.board.tellGeneration();
    // Copies of one machine must not draw the same numbers; runs that can be repeated do.
    if (this.#clockKind === 'host') this.#random.state ^= this.#seed;
  }

  #checkKind(state: DeviceState): void {
    requireVersion('PcMachine', state.version, STATE_VERSION);
    const { kind } = state.clock as DeviceState;
    if (kind !== this.#clockKind)
      throw new Error(`the saved machine has a ${kind} clock, not a ${this.#clockKind} one`);
  }

  #restoreWithoutMemory(state: DeviceState): void {
    const { kind: _, ...clock } = state.clock as DeviceState;
    const processors = processorsOf(state);
    this.vcpus.restore(processors);
    this.clock.restore(clock as DeviceState);
    this.board.restore(state.board as DeviceState);
    this.vcpus.restoreTranslations(processors);
    this.#random.state = state.random as bigint;
    this.#ended = (state.ended as Shutdown | null) ?? undefined;
  }

  /** A 64-bit hash of registers, RAM, chips and clock: equal machines have equal hashes, in every process.
   * @throws {PageAbsent} not all memory is there, see {@link pageInAll} */
  stateHash(): bigint {
    const { vcpus, ...turns } = this.vcpus.save();
    const processors = (vcpus as readonly DeviceState[]).map(({ translations: _, ...vcpu }) => vcpu);
    const record = {
      processors,
      turns,
      board: this.board.save(),
      clock: this.clock.save(),
      random: this.#random.state,
    };
    const hash = new Hash64().addText(canonicalText(record));
    hashRam(this.ram, hash);
    return hash.value;
  }

  /** @returns why guest code cannot go on, if so */
  #deliverHostWork(): MachineExit | undefined {
    try {
      this.hostWork.deliver();
    } catch (error) {
      if (!(error instanceof PageAbsent)) throw error;
      return this.#hasPage(error.gpa) ? this.#deliverHostWork() : { kind: 'pageIn', gpa: error.gpa };
    }
    return this.hostWork.late ? { kind: 'hostWork' } : undefined;
  }

  /** Brings in a page that the host has at hand. @returns whether it is there now */
  #hasPage(gpa: number): boolean {
    return this.#memory.pageIn(gpa) === undefined && !this.ram.isAbsent(gpa);
  }

  #firstWrite(gpa: number, flags: number): void {
    if (flags & PAGE_TRACKED) this.#capture?.firstWrite(gpa);
    if (flags & PAGE_MONITORED) this.vcpus.monitorTriggered(gpa);
  }

  #untilDeadline(instructions: number): number {
    const deadline = this.clock.nextDeadlineNanos();
    if (deadline === undefined) return instructions;
    return Math.min(instructions, Math.max(1, this.clock.instructionsUntil(deadline)));
  }

  /** Makes a machine that has been reset ready for its first instruction. */
  #start(given: KernelBoot | undefined): void {
    const boot = given ?? this.#boot;
    if ('rom' in boot) prepareFirmware(this.board, this.#tables, this.#memoryBytes, boot);
    else if ('load' in boot) {
      configureFirmware(this.board.configuration, this.#memoryBytes, this.#cpuCount, this.#tables);
    } else {
      this.#hasLoadedKernel = true;
      const options = { ...this.#bootOptions(boot), random: this.#random.next() };
      startCpu(this.vcpu, directBoot(this.board, this.ram, this.#tables, options));
    }
  }

  #bootOptions(kernel: KernelBoot): BootOptions {
    return { ...kernel, name: 'kernel', ramBytes: this.#memoryBytes };
  }

  #makeBios({ boot, memoryBytes, makeBios }: PcMachineOptions): BuiltinBios | undefined {
    if (!startsFromBuiltin(boot)) return undefined;
    if (makeBios === undefined) throw new TypeError('the machine starts from its own BIOS, which was not given');
    return makeBios({
      board: () => this.board,
      vcpu: () => this.vcpus.current,
      memory: this.ram,
      ramBytes: memoryBytes,
      tables: this.#tables,
      bootOrder: boot.bootOrder ?? DEFAULT_BOOT_ORDER,
      bootMenuMillis: boot.bootMenuMillis,
      optionRoms: optionRoms(boot),
      serialConsole: boot.serialConsole ?? false,
    });
  }

  #makeBoard(options: PcMachineOptions & Pick<CardOptions, 'voice'>): PcBoard {
    return new PcBoard({
      clock: this.clock,
      memory: this.ram,
      pageIn: (gpa) => this.pageIn(gpa),
      hostWork: this.hostWork,
      cpu: {
        requestEvent: (number) => {
          this.vcpus?.requestEvent(number);
          options.wake();
        },
        setPageAccess: (gpa, length, access) => this.vcpus?.setPageAccess(gpa, length, access),
        setA20: (open) => this.vcpus?.setA20Mask(open ? -1n : ~A20),
        init: (number) => this.vcpus.init(number),
        startUp: (number, vector) => this.vcpus.startUp(number, vector),
      },
      cpuCount: this.#cpuCount,
      tsc: (number) => new ClockTsc(this.clock, TSC_HZ, () => this.vcpus?.all[number].tscOffset ?? 0n),
      apicTimerHz: APIC_TIMER_HZ,
      startEpochMs: options.startEpochMs,
      generationId: generationId(options.seed),
      serial: options.serial,
      debugExitPort: options.debugExitPort,
      debugOutput: options.debugOutput,
      parallel: options.parallel,
      voice: options.voice,
      sound: options.sound,
      registers: {
        get: (register) => this.vcpus.current.state.gpr32(register),
        set: (register, value) => this.vcpus.current.state.setGpr32(register, value),
      },
      firmware: this.#bios?.rom.bytes ?? foreignRom(options.boot),
      variables: 'rom' in options.boot ? options.boot.variables : undefined,
      drives: options.drives,
      cards: options.cards,
      ended: (shutdown) => {
        this.#ended ??= shutdown;
        this.vcpus.requestEnd();
      },
    });
  }
}

/** The saved processors; a machine that was saved before there could be several has one. */

/** The ROM that was given to the machine, if there is one. */
function foreignRom(boot: PcMachineOptions['boot']): Uint8Array | undefined {
  return 'rom' in boot && boot.rom !== 'builtin' ? boot.rom : undefined;
}

/** The machine's memory: 32-bit where it fits, since 64-bit addresses cost speed. @throws {RangeError} */
function allocate(layout: MemoryLayout, options: PcMachineOptions): MachineMemory {
  const memory64 = options.memoryBytes > MOST_RAM_IN_32_BITS;
  const shared = options.sharedMemory;
  const pages = layout.wasmPages;
  const memory = new WebAssembly.Memory(
    memory64
      ? { initial: BigInt(pages), maximum: BigInt(pages), shared, address: 'i64' }
      : { initial: pages, maximum: pages, shared },
  );
  return { memory, layout, shared, memory64, maximumPages: memory64 ? pages : FOUR_GIB_PAGES };
}
