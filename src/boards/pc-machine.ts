import { canonicalText } from '../base/canonical-text.ts';
import { Hash64 } from '../base/hash64.ts';
import { SplitMix64 } from '../base/random.ts';
import { requireVersion } from '../base/state-version.ts';
import type { JitOptions, TranslationsRecord } from '../cpu/engine.ts';
import { layOutMemory, type MemoryLayout } from '../cpu/memory-layout.ts';
import { Vcpu } from '../cpu/vcpu.ts';
import { PAGE_BYTES, PAGE_TRACKED, pcRamRegions, RamMemory } from '../machine/guest-memory.ts';
import { HostWork } from '../machine/host-work.ts';
import { type CharPort, type DeviceState, PageAbsent, type RunExit } from '../machine/interfaces.ts';
import { LazyMemory, type PageSource } from '../machine/lazy-memory.ts';
import { MemoryCapture } from '../machine/memory-capture.ts';
import type { PciCard } from '../machine/pci-slot.ts';
import { clearRam, hashRam, type RamState, restoreRam, saveRam } from '../machine/ram-state.ts';
import { HostClock, type MachineClock, VirtualClock } from '../machine/virtual-time.ts';
import { buildAcpi } from './acpi.ts';
import { type CardOptions, makeCards } from './cards.ts';
import { configureFirmware } from './configuration.ts';
import { directBoot } from './direct-boot.ts';
import { DisplayCard, type DisplaySource } from './display-card.ts';
import type { PcDrive } from './drives.ts';
import { BuiltinBios } from './firmware/builtin.ts';
import { DEFAULT_BOOT_ORDER, type FirmwareBoot, prepareFirmware } from './firmware-boot.ts';
import type { BootOptions } from './loaders/index.ts';
import { PcBoard, type Shutdown } from './pc.ts';
import { startCpu } from './start-cpu.ts';
import { TabletCard } from './tablet.ts';
import { ClockTsc } from './tsc.ts';
import { MappedVideoMemory } from './video-memory.ts';

/** A kernel that is loaded by the machine itself. */
export type KernelBoot = Pick<BootOptions, 'kernel' | 'initrd' | 'commandLine'>;

/** As {@link KernelBoot}, for a machine that is restored and needs its kernel only if it is reset. */
export interface LateKernelBoot {
  readonly load: () => Promise<KernelBoot>;
}

/** What a PC is made of. */
export interface PcMachineOptions extends CardOptions {
  readonly memoryBytes: number;
  readonly clock: 'host' | 'virtual';
  readonly hostNanos: () => bigint;
  readonly startEpochMs: number;
  readonly seed: bigint;
  readonly serial: readonly (CharPort | undefined)[];
  readonly debugExitPort?: number;
  readonly boot: KernelBoot | LateKernelBoot | FirmwareBoot;
  /** Where messages on the debug ports go. */
  readonly debugOutput?: (byte: number) => void;
  /** When given, hot code is translated. */
  readonly jit?: JitOptions;
  /** Whether the memory can be shared with other threads. */
  readonly sharedMemory: boolean;
  /** Told when an interrupt line wants an idle processor. */
  readonly wake: () => void;
  /** Disks, and media in the CD and floppy drives. */
  readonly drives?: readonly PcDrive[];
  /** Further PCI cards. */
  readonly cards?: readonly PciCard[];
}

/** Why a machine stopped executing. `hostWork`: guest time must wait for a result of the host. */
export type MachineExit = RunExit | { readonly kind: 'hostWork' };

/** Ticks of the time-stamp counter and of the local APIC's timer per second. */
const TSC_HZ = 1_000_000_000;
const APIC_TIMER_HZ = 1_000_000_000;
/** Room for decoded code. */
const RECORD_BYTES = 64 << 20;
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
  readonly vcpu: Vcpu;
  readonly board: PcBoard;
  readonly clock: MachineClock;
  /** What the screen shows. */
  readonly display: DisplaySource;
  /** A pointer for guests with a driver for it. */
  readonly tablet: TabletCard;
  readonly ram: RamMemory;
  /** What the host does for chips. */
  readonly hostWork: HostWork;
  readonly #random: SplitMix64;
  readonly #clockKind: PcMachineOptions['clock'];
  readonly #memory: LazyMemory;
  readonly #memoryBytes: number;
  readonly #acpi = buildAcpi({ cpuCount: 1 });
  #boot: PcMachineOptions['boot'];
  readonly #wake: () => void;
  #capture: MemoryCapture | undefined;
  /** The machine's own BIOS, where it starts from that. */
  readonly #bios: BuiltinBios | undefined;
  #ended: Shutdown | undefined;

  /** @throws {BootImageInvalid} the kernel or initrd cannot be booted  @throws {FirmwareInvalid} nor the firmware  @throws {RangeError} the host has not enough memory */
  constructor(options: PcMachineOptions) {
    const regions = pcRamRegions(options.memoryBytes);
    const layout = layOutMemory(regions, RECORD_BYTES, VIDEO_BYTES);
    const machine = allocate(layout, options);
    this.#random = new SplitMix64(options.seed);
    this.#clockKind = options.clock;
    const retired = () => BigInt(this.vcpu?.retired ?? 0);
    const earlier = () => this.vcpu?.requestEnd();
    this.clock =
      options.clock === 'virtual'
        ? new VirtualClock(retired, earlier, VIRTUAL_NANOS_PER_INSTRUCTION)
        : new HostClock(retired, options.hostNanos, earlier);
    const pacing = options.clock === 'virtual' ? 'deadline' : 'arrival';
    this.hostWork = new HostWork(this.clock, pacing, options.wake, () => this.vcpu?.requestEnd());
    this.ram = new RamMemory(
      {
        bytes: () => new Uint8Array(machine.memory.buffer),
        pageFlags: () => new Uint8Array(machine.memory.buffer, layout.pageFlags, layout.pageCount),
        ramOffset: layout.ram,
      },
      regions,
      {
        codeWrite: (gpa, length) => this.vcpu.engine.invalidateCode(gpa, length),
        firstWrite: (gpa, flags) => this.#firstWrite(gpa, flags),
      },
    );
    this.#memory = new LazyMemory(this.ram);
    this.#memoryBytes = options.memoryBytes;
    this.#boot = options.boot;
    this.#wake = options.wake;
    const display = new DisplayCard(new MappedVideoMemory(machine.memory, layout, () => this.vcpu));
    this.tablet = new TabletCard();
    const cards = makeCards(options, () => this.#random.next());
    this.#bios = this.#makeBios(options);
    this.board = this.#makeBoard({ ...options, cards: [display, this.tablet, ...cards, ...(options.cards ?? [])] });
    this.display = display.connect(this.board.ports, this.board.mmio);
    const { processor } = this.board;
    this.vcpu = new Vcpu(
      machine,
      {
        portRead: (port, bytes) => processor.portRead(port, bytes),
        portWrite: (port, bytes, value) => processor.portWrite(port, bytes, value),
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
        tscChanged: () => this.board.tscChanged(),
        firstWrite: (gpa, flags) => this.#firstWrite(gpa, flags),
        firmwareCall: () => this.#bios?.call() ?? false,
      },
      { apicId: 0, tscHz: TSC_HZ, apicTimerHz: APIC_TIMER_HZ, jit: options.jit },
    );
    this.reset();
  }

  /** How the guest ended its run, once it has. */
  get ended(): Shutdown | undefined {
    return this.#ended;
  }

  /** Whether the processor has anything to do: it does not wait, or what it waits for has come. */
  get awake(): boolean {
    const { processor } = this.board;
    if (!this.vcpu.halted || processor.nmiPending) return true;
    return this.vcpu.acceptsInterrupts && processor.interruptPending();
  }

  /** Runs `instructions` instructions, fewer where the processor halts, the run ends or the host should get a turn. Alarms
   * fire and results of the host arrive when they are due. */
  run(instructions: number): MachineExit {
    const end = this.vcpu.retired + instructions;
    for (;;) {
      this.clock.fireDue();
      const held = this.#deliverHostWork();
      if (this.#ended !== undefined) return this.#ended;
      if (held) return held;
      const exit = this.vcpu.run(this.#untilDeadline(end - this.vcpu.retired));
      if (exit.kind === 'shutdown') this.#ended ??= exit;
      if (this.#ended !== undefined) return this.#ended;
      if (exit.kind === 'pageIn' && this.#hasPage(exit.gpa)) continue;
      if (exit.kind !== 'budget' || this.vcpu.retired >= end || this.hostWork.wantsTurn) return exit;
    }
  }

  /** For an idle processor: moves time to the next deadline. @returns false where time must be waited for, or without end */
  skipIdle(): boolean {
    const deadline = this.clock.nextDeadlineNanos();
    return deadline !== undefined && this.clock.skipTo(deadline);
  }

  /** As the reset button: everything as at power-on, the kernel loaded again. */
  reset(): void {
    this.#ended = undefined;
    this.board.reset();
    this.vcpu.reset();
    this.#start();
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

  /** Makes {@link reset} possible for a machine that was restored: brings in all of its memory, and its kernel. */
  async prepareReset(): Promise<void> {
    await this.pageInAll();
    if ('load' in this.#boot) this.#boot = await this.#boot.load();
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
      vcpu: this.vcpu.save(),
      board: this.board.save(),
    };
  }

  /** Keeps guest memory as it is now, to be read while the machine goes on. One capture at a time. */
  captureMemory(): MemoryCapture {
    this.#capture?.end();
    this.#capture = new MemoryCapture(this.ram, this.#memory.source);
    this.vcpu.engine.watchPages(0, this.ram.endGpa / PAGE_BYTES);
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
   * @param state as {@link saveWithoutMemory} gave it  @throws {Error} besides: a page cannot be read
   */
  async restoreLazily(state: DeviceState, pages: PageSource): Promise<void> {
    this.#checkKind(state);
    this.#memory.detach();
    const untouched = this.vcpu.retired === 0 && ('load' in this.#boot || 'rom' in this.#boot);
    clearRam(this.ram, untouched ? ONE_MIB : this.ram.endGpa);
    this.#memory.attach(pages);
    const { data } = (state.vcpu as DeviceState).translations as TranslationsRecord;
    await this.#memory.pageInAll(Array.from({ length: ONE_MIB / PAGE_BYTES }, (_, page) => page * PAGE_BYTES));
    await this.#memory.pageInAll(data.entries.map(([, , page]) => page * PAGE_BYTES));
    this.#restoreWithoutMemory(state);
  }

  #checkKind(state: DeviceState): void {
    requireVersion('PcMachine', state.version, STATE_VERSION);
    const { kind } = state.clock as DeviceState;
    if (kind !== this.#clockKind)
      throw new Error(`the saved machine has a ${kind} clock, not a ${this.#clockKind} one`);
  }

  #restoreWithoutMemory(state: DeviceState): void {
    const { kind: _, ...clock } = state.clock as DeviceState;
    const vcpu = state.vcpu as DeviceState;
    this.vcpu.restore(vcpu);
    this.clock.restore(clock as DeviceState);
    this.board.restore(state.board as DeviceState);
    this.vcpu.restoreTranslations(vcpu);
    this.#random.state = state.random as bigint;
    this.#ended = (state.ended as Shutdown | null) ?? undefined;
  }

  /** A 64-bit hash of registers, RAM, chips and clock: equal machines have equal hashes, in every process.
   * @throws {PageAbsent} not all memory is there, see {@link pageInAll} */
  stateHash(): bigint {
    const { translations: _, ...vcpu } = this.vcpu.save();
    const record = { vcpu, board: this.board.save(), clock: this.clock.save(), random: this.#random.state };
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
  }

  #untilDeadline(instructions: number): number {
    const deadline = this.clock.nextDeadlineNanos();
    if (deadline === undefined) return instructions;
    return Math.min(instructions, Math.max(1, this.clock.instructionsUntil(deadline)));
  }

  /** Makes a machine that has been reset ready for its first instruction. */
  #start(): void {
    const boot = this.#boot;
    if ('rom' in boot) prepareFirmware(this.board, this.#acpi, this.#memoryBytes, boot);
    else if ('load' in boot) configureFirmware(this.board.configuration, this.#memoryBytes, 1, this.#acpi);
    else {
      const kernel = { ...boot, name: 'kernel', ramBytes: this.#memoryBytes };
      startCpu(this.vcpu, directBoot(this.board, this.ram, this.#acpi, kernel));
    }
  }

  #makeBios({ boot, memoryBytes }: PcMachineOptions): BuiltinBios | undefined {
    if (!('rom' in boot) || boot.rom !== 'builtin') return undefined;
    return new BuiltinBios({
      board: () => this.board,
      vcpu: () => this.vcpu,
      memory: this.ram,
      ramBytes: memoryBytes,
      acpi: this.#acpi,
      bootOrder: boot.bootOrder ?? DEFAULT_BOOT_ORDER,
      bootMenuMillis: boot.bootMenuMillis,
      serialConsole: boot.serialConsole ?? false,
    });
  }

  #makeBoard(options: PcMachineOptions): PcBoard {
    return new PcBoard({
      clock: this.clock,
      memory: this.ram,
      pageIn: (gpa) => this.pageIn(gpa),
      hostWork: this.hostWork,
      cpu: {
        requestEvent: () => {
          this.vcpu?.requestStop();
          options.wake();
        },
        setPageAccess: (gpa, length, access) => this.vcpu?.setPageAccess(gpa, length, access),
        setA20: (open) => this.vcpu?.setA20Mask(open ? -1n : ~A20),
        init: () => {},
        startUp: () => {},
      },
      tsc: new ClockTsc(this.clock, TSC_HZ, () => this.vcpu?.tscOffset ?? 0n),
      apicTimerHz: APIC_TIMER_HZ,
      startEpochMs: options.startEpochMs,
      serial: options.serial,
      debugExitPort: options.debugExitPort,
      debugOutput: options.debugOutput,
      registers: {
        get: (register) => this.vcpu.state.gpr32(register),
        set: (register, value) => this.vcpu.state.setGpr32(register, value),
      },
      firmware: this.#bios?.rom.bytes ?? foreignRom(options.boot),
      variables: 'rom' in options.boot ? options.boot.variables : undefined,
      drives: options.drives,
      cards: options.cards,
      ended: (shutdown) => {
        this.#ended ??= shutdown;
        this.vcpu.requestEnd();
      },
    });
  }
}

/** The ROM that was given to the machine, if there is one. */
function foreignRom(boot: PcMachineOptions['boot']): Uint8Array | undefined {
  return 'rom' in boot && boot.rom !== 'builtin' ? boot.rom : undefined;
}

/** The machine's memory: 32-bit where it fits, since 64-bit addresses cost speed. @throws {RangeError} */
function allocate(layout: MemoryLayout, options: PcMachineOptions) {
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
