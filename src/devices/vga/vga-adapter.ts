import { requireVersion } from '../../base/state-version.ts';
import type { DisplaySource, Scanout } from '../../display/interfaces.ts';
import type { Clock, Device, DeviceState } from '../../machine/interfaces.ts';
import type { PciBar, PciWindow } from '../../machine/pci.ts';
import type { VideoMemory } from '../../machine/video-memory.ts';
import { Dac } from './dac.ts';
import { BochsDispi, DISPI_COUNT } from './dispi.ts';
import { VgaWindow } from './planes.ts';
import { VgaPorts } from './ports.ts';
import { powerOnRegisters, type VgaRegisters } from './registers.ts';
import { frameNumber } from './retrace.ts';
import { scanoutOf } from './scanout.ts';
import { type SavedPages, TrackedMemory } from './tracked-memory.ts';

/** Base address register 2: register offsets (QEMU docs/specs/standard-vga). */
const MMIO_LENGTH = 0x1000;
const MMIO_PORTS = 0x400;
const MMIO_PORTS_LENGTH = 0x20;
const MMIO_DISPI = 0x500;
const MMIO_EXTENDED = 0x600;
const EXTENDED_BYTES = 8;
const LITTLE_ENDIAN = 0x1e1e1e1e;
/** 3C0h as an offset of {@link VgaPorts}. */
const PORT_3C0 = 0x10;

const ALL_ONES = 0xff;

const STATE_VERSION = 1;

type Registers = Pick<Device, 'read' | 'write'>;

/** What a {@link VgaAdapter} is connected to. */
export interface VgaWiring {
  readonly clock: Clock;
  readonly memory: VideoMemory;
  /** what the monitor tells of itself */
  readonly edid: Uint8Array;
  /** makes the windows that base address registers move */
  window(kind: PciBar['kind'], length: number, device: Registers, name: string): PciWindow;
}

/**
 * A VGA with Bochs' display interface, as it is on the PCI cards of QEMU (docs/specs/standard-vga): all but what the
 * card says of itself in configuration space.
 */
export class VgaAdapter implements DisplaySource {
  /** Base address register 0 is the linear memory, 2 the registers. */
  readonly bars: readonly PciBar[];
  /** 3B0h to 3DFh. */
  readonly ports: Registers;
  /** A0000h to BFFFFh. */
  readonly window: Registers;
  /** 1CEh: which of the Bochs registers {@link dispiData} is; and 1CFh. Both are 16 bits wide. */
  readonly dispiIndex: Registers;
  readonly dispiData: Registers;
  readonly #wiring: VgaWiring;
  readonly #registers: VgaRegisters = powerOnRegisters();
  readonly #dac = new Dac();
  readonly #dispi: BochsDispi;
  readonly #memory: TrackedMemory;
  readonly #planes: VgaWindow;

  constructor(wiring: VgaWiring) {
    this.#wiring = wiring;
    this.#memory = new TrackedMemory(wiring.memory);
    this.#dispi = new BochsDispi(wiring.memory.length, {
      clear: () => this.#memory.clear(),
      setWideDac: (isWide) => {
        this.#dac.isWide = isWide;
      },
    });
    this.#planes = new VgaWindow(this.#registers, this.#memory, this.#dispi);
    this.window = this.#planes;
    this.ports = new VgaPorts(this.#registers, this.#dac, wiring.clock);
    const dispi = this.#dispi;
    this.dispiIndex = wordPort(
      () => dispi.index,
      (value) => {
        dispi.index = value;
      },
    );
    this.dispiData = wordPort(
      () => dispi.read(dispi.index),
      (value) => dispi.write(dispi.index, value),
    );
    this.bars = this.#makeBars();
  }

  scanout(): Scanout {
    const frame = frameNumber(this.#registers, this.#wiring.clock);
    const { bytes } = this.#memory;
    return scanoutOf({ registers: this.#registers, dac: this.#dac, dispi: this.#dispi, memory: bytes, frame });
  }

  takeDirty(): Uint8Array {
    return this.#memory.takeDirty();
  }

  save(): DeviceState {
    const { sequencer, crtc, graphics, attribute, ...rest } = this.#registers;
    return {
      version: STATE_VERSION,
      registers: {
        ...rest,
        sequencer: sequencer.slice(),
        crtc: crtc.slice(),
        graphics: graphics.slice(),
        attribute: attribute.slice(),
      },
      latch: this.#planes.latch,
      dac: this.#dac.save(),
      dispi: this.#dispi.save(),
      memory: this.#memory.save(),
    };
  }

  restore(state: DeviceState): void {
    requireVersion('VgaAdapter', state.version, STATE_VERSION);
    const { sequencer, crtc, graphics, attribute, ...rest } = state.registers as VgaRegisters;
    const registers = this.#registers;
    Object.assign(registers, rest);
    registers.sequencer.set(sequencer);
    registers.crtc.set(crtc);
    registers.graphics.set(graphics);
    registers.attribute.set(attribute);
    this.#planes.latch = Number(state.latch);
    this.#dac.restore(state.dac as ReturnType<Dac['save']>);
    this.#dispi.restore(state.dispi as ReturnType<BochsDispi['save']>);
    this.#memory.restore(state.memory as SavedPages);
  }

  #makeBars(): PciBar[] {
    const { memory, window } = this.#wiring;
    const linear = window('memory32', memory.length, this.#linear(), 'video memory');
    const place = (base: number | undefined) => {
      linear.place(base);
      this.#memory.place(base);
    };
    const registers = window('memory32', MMIO_LENGTH, this.#mmio(), 'display registers');
    return [
      { index: 0, kind: 'memory32', length: memory.length, prefetchable: true, window: { place } },
      { index: 2, kind: 'memory32', length: MMIO_LENGTH, window: registers },
    ];
  }

  /** The linear memory where guest code does not reach it directly. */
  #linear(): Registers {
    return {
      read: (offset, size) => {
        const { bytes } = this.#memory;
        let value = 0;
        for (let i = size - 1; i >= 0; i--) value = value * 256 + bytes[offset + i];
        return value;
      },
      write: (offset, size, value) => {
        const { bytes } = this.#memory;
        for (let i = 0; i < size; i++) bytes[offset + i] = value >>> (i * 8);
        this.#memory.touched(offset);
      },
    };
  }

  #mmio(): Registers {
    return {
      read: (offset, size) => {
        const { edid } = this.#wiring;
        if (offset < edid.length) return littleEndian(edid, offset, size);
        if (offset < MMIO_PORTS) return 0;
        return this.#readMmio(offset, size);
      },
      write: (offset, size, value) => {
        const port = offset - MMIO_PORTS;
        const dispi = (offset - MMIO_DISPI) >> 1;
        if (port >= 0 && port < MMIO_PORTS_LENGTH) {
          for (let i = 0; i < size; i++) this.ports.write(PORT_3C0 + port + i, 1, (value >>> (i * 8)) & 0xff);
        } else if (dispi >= 0 && dispi < DISPI_COUNT && size === 2) {
          this.#dispi.write(dispi, value);
        }
      },
    };
  }

  #readMmio(offset: number, size: number): number {
    const port = offset - MMIO_PORTS;
    if (port < MMIO_PORTS_LENGTH) {
      let value = 0;
      for (let i = size - 1; i >= 0; i--) value = value * 256 + this.ports.read(PORT_3C0 + port + i, 1);
      return value;
    }
    const dispi = (offset - MMIO_DISPI) >> 1;
    if (dispi >= 0 && dispi < DISPI_COUNT) return size === 2 ? this.#dispi.read(dispi) : 0;
    if (offset === MMIO_EXTENDED && size === 4) return EXTENDED_BYTES;
    return offset === MMIO_EXTENDED + 4 && size === 4 ? LITTLE_ENDIAN : 0;
  }
}

/** A port that answers accesses of 16 bits only; to bytes nothing is there, as in QEMU. */
function wordPort(read: () => number, write: (value: number) => void): Registers {
  return {
    read: (_offset, size) => (size === 2 ? read() : ALL_ONES),
    write: (_offset, size, value) => {
      if (size === 2) write(value);
    },
  };
}

function littleEndian(bytes: Uint8Array, offset: number, size: number): number {
  let value = 0;
  for (let i = size - 1; i >= 0; i--) value = value * 256 + (bytes[offset + i] ?? 0);
  return value;
}
