import { requireVersion } from '../../base/state-version.ts';
import type { AtaDrive } from '../../machine/ata.ts';
import type { Device, DeviceState } from '../../machine/interfaces.ts';
import { Msi } from '../../machine/msi.ts';
import { PciCard, PciConfigSpace } from '../../machine/pci.ts';
import type { PciSlot } from '../../machine/pci-slot.ts';
import { AhciPort } from './port.ts';

/** Ports of the HBA. */
export const AHCI_PORTS = 6;

/** Generic host control (AHCI 1.3.1 section 3.1). */
const REG = { cap: 0x00, ghc: 0x04, is: 0x08, pi: 0x0c, vs: 0x10 } as const;
const FIRST_PORT = 0x100;
const PORT_BYTES = 0x80;
const RANGE_BYTES = 0x1000;
/** 64-bit addresses, queueing, CLO, AHCI only, 1.5 Gb/s, 32 slots. */
const CAP = 0xc1141f00 + AHCI_PORTS - 1;
const VERSION_1_3 = 0x00010300;
const GHC_RESET = 0x01;
const GHC_INTERRUPT = 0x02;
const GHC_AHCI = 0x80000000;
const BAR = 5;
/** The index and data pair, through which ports reach the registers (Serial ATA AHCI 1.3.1 section 10.14). */
const PAIR_BAR = 4;
const PAIR_PORTS = 32;
const PAIR_INDEX = 0x10;
const PAIR_DATA = 0x14;
const PAIR_INDEX_BITS = RANGE_BYTES - 4;
const CAPABILITY_SATA = 0x12;
/** Revision 1.0, and where the pair lies: in dwords behind register {@link PAIR_BAR}. */
const SATA_CAPABILITY = Uint8Array.of(0x10, 0, (PAIR_BAR + 4) | ((PAIR_INDEX / 4) << 4), 0, 0, 0);
const STATE_VERSION = 1;

/** A Serial ATA controller with six ports, as in Intel's ICH9 (Serial ATA AHCI 1.3.1; ICH9 data sheet, section 14). */
export class Ahci extends PciCard {
  protected override readonly config: PciConfigSpace;
  readonly #msi: Msi;
  readonly #ports: readonly AhciPort[];
  #interruptEnable = false;
  /** ports whose interrupt the driver has not acknowledged */
  #is = 0;
  /** the register that the data port reaches */
  #index = 0;

  /** @param drives at most {@link AHCI_PORTS}, for the ports in their order */
  constructor(drives: readonly (AtaDrive | undefined)[], slot: PciSlot) {
    super();
    this.#msi = new Msi(0, slot.messages);
    this.#ports = Array.from({ length: AHCI_PORTS }, (_, n) => {
      const { memory, hostWork } = slot;
      return new AhciPort({ drive: drives[n], memory, hostWork, interrupt: () => this.#portChanged(n) });
    });
    const registers = {
      read: (offset: number, size: number) => this.#read(offset, size),
      write: (offset: number, size: number, value: number) => this.#write(offset, size, value),
    };
    const window = slot.window('memory32', RANGE_BYTES, registers, 'ahci');
    const pair = slot.window('io', PAIR_PORTS, this.#pairPorts, 'ahciPair');
    this.config = new PciConfigSpace(
      {
        vendor: 0x8086,
        device: 0x2922,
        revision: 2,
        classCode: 0x010601,
        subsystemVendor: 0x1af4,
        subsystem: 0x1100,
        interruptPin: 1,
        bars: [
          { index: BAR, kind: 'memory32', length: RANGE_BYTES, window },
          { index: PAIR_BAR, kind: 'io', length: PAIR_PORTS, window: pair },
        ],
        capabilities: [
          this.#msi.capability,
          { id: CAPABILITY_SATA, bytes: SATA_CAPABILITY, writable: new Uint8Array(SATA_CAPABILITY.length) },
        ],
      },
      slot.interrupt,
    );
  }

  save(): DeviceState {
    return {
      version: STATE_VERSION,
      config: this.config.save(),
      interruptEnable: this.#interruptEnable,
      is: this.#is,
      index: this.#index,
      ports: this.#ports.map((port) => port.save()),
    };
  }

  restore(state: DeviceState): void {
    requireVersion('Ahci', state.version, STATE_VERSION);
    this.config.restore(state.config as DeviceState);
    this.#interruptEnable = false;
    const ports = state.ports as readonly DeviceState[];
    for (const [n, port] of this.#ports.entries()) port.restore(ports[n]);
    this.#is = Number(state.is);
    this.#index = Number(state.index ?? 0);
    this.#interruptEnable = Boolean(state.interruptEnable);
    this.#driveInterrupt();
  }

  get #pairPorts(): Pick<Device, 'read' | 'write'> {
    return {
      read: (offset, size) => {
        if (offset === PAIR_INDEX && size === 4) return this.#index;
        return offset === PAIR_DATA ? this.#read(this.#index, size) : 0;
      },
      write: (offset, size, value) => {
        if (offset === PAIR_INDEX && size === 4) this.#index = value & PAIR_INDEX_BITS;
        else if (offset === PAIR_DATA) this.#write(this.#index, size, value);
      },
    };
  }

  /** Registers are dwords; narrower accesses see parts of them. */
  #read(offset: number, size: number): number {
    const value = this.#readDword(offset & ~3);
    const part = value >>> ((offset & 3) * 8);
    return size === 4 ? part : part & (2 ** (size * 8) - 1);
  }

  #readDword(offset: number): number {
    if (offset >= FIRST_PORT) return this.#portAt(offset)?.read(offset % PORT_BYTES) ?? 0;
    if (offset === REG.cap) return CAP;
    if (offset === REG.ghc) return GHC_AHCI + (this.#interruptEnable ? GHC_INTERRUPT : 0);
    if (offset === REG.is) return this.#is;
    if (offset === REG.pi) return 2 ** AHCI_PORTS - 1;
    return offset === REG.vs ? VERSION_1_3 : 0;
  }

  /** Drivers write dwords; what is narrower is lost. */
  #write(offset: number, size: number, value: number): void {
    if (size !== 4) return;
    if (offset >= FIRST_PORT) this.#portAt(offset)?.write(offset % PORT_BYTES, value);
    else if (offset === REG.ghc) this.#control(value);
    else if (offset === REG.is) {
      this.#is &= ~value;
      for (const n of this.#ports.keys()) this.#collect(n);
      this.#driveInterrupt();
    }
  }

  #portAt(offset: number): AhciPort | undefined {
    return this.#ports[Math.floor((offset - FIRST_PORT) / PORT_BYTES)];
  }

  #control(value: number): void {
    const enables = (value & GHC_INTERRUPT) !== 0 && !this.#interruptEnable;
    this.#interruptEnable = (value & GHC_INTERRUPT) !== 0;
    if (enables && this.#is !== 0) this.#msi.signal(0);
    if (value & GHC_RESET) {
      this.#interruptEnable = false;
      for (const port of this.#ports) port.reset();
      this.#is = 0;
    }
    this.#driveInterrupt();
  }

  #portChanged(n: number): void {
    this.#collect(n);
    this.#driveInterrupt();
  }

  /** Takes up that a port has something to tell; each time anew it is worth a message. */
  #collect(n: number): void {
    const isNew = this.#ports?.[n]?.interrupting && !((this.#is >> n) & 1);
    if (!isNew) return;
    this.#is |= 1 << n;
    if (this.#interruptEnable) this.#msi.signal(0);
  }

  #driveInterrupt(): void {
    this.config.interrupt(this.#interruptEnable && this.#is !== 0 && !this.#msi.enabled);
  }
}
